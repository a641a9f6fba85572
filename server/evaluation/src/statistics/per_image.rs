//! Outcomes of an evaluation per picture, so that two models can be compared on the same resamples of pictures.

use super::bootstrap::{Interval, grouped_intervals};
use super::classification::{Sampled, figure_names};
use super::multilabel::Predictions;
use super::ranking::mean_of_numbers;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Seed of the bootstrap.
const SEED: u64 = 1;

/// The outcomes of one evaluation.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Outcomes {
    /// Of a classifier.
    Labels {
        /// Each picture's path within the dataset.
        paths: Vec<String>,
        /// One threshold a label, 0–1.
        thresholds: Vec<f32>,
        /// Probabilities and truth.
        predictions: Predictions,
    },
    /// Of a search, or of anything else that has values of its own for each picture.
    Queries {
        /// Each query picture's path within the dataset.
        paths: Vec<String>,
        /// Each query's item, which its other photos are drawn with; empty if each photo is drawn by itself.
        #[serde(default)]
        items: Vec<String>,
        /// By figure a value a query; `None` where there was nothing to find. The figure is their mean.
        figures: BTreeMap<String, Vec<Option<f64>>>,
    },
}

impl Outcomes {
    /// Paths of the pictures that were asked about.
    pub fn paths(&self) -> &[String] {
        match self {
            Self::Labels { paths, .. } | Self::Queries { paths, .. } => paths,
        }
    }

    /// Groups that a bootstrap draws together: the number of each picture's group.
    pub fn groups(&self) -> Vec<usize> {
        match self {
            Self::Queries { items, .. } if !items.is_empty() => groups(items),
            _ => (0..self.paths().len()).collect(),
        }
    }

    /// Names of the figures that can be computed, the usual one first.
    pub fn figures(&self) -> Vec<String> {
        match self {
            Self::Labels { predictions, .. } => figure_names(predictions.labels.len()).to_vec(),
            Self::Queries { figures, .. } => {
                let mut names: Vec<String> = figures.keys().cloned().collect();
                names.sort_by_key(|name| !name.starts_with("mean_ap"));
                names
            }
        }
    }

    /// A figure of any resample; `None` if there is none of that name.
    pub fn figure(&self, name: &str) -> Option<Figure> {
        match self {
            Self::Labels {
                predictions,
                thresholds,
                ..
            } => {
                let at = figure_names(predictions.labels.len())
                    .iter()
                    .position(|known| known == name)?;
                Some(Figure::Labels {
                    at,
                    sampled: Sampled::new(predictions, thresholds),
                })
            }
            Self::Queries { figures, .. } => figures.get(name).cloned().map(Figure::Queries),
        }
    }
}

/// A figure of one model, for any resample of the pictures.
#[derive(Debug, Clone)]
pub enum Figure {
    /// The one at this place among a classifier's.
    Labels {
        /// The place within [`figure_names`].
        at: usize,
        /// Sample that it is computed from.
        sampled: Sampled,
    },
    /// The mean of these.
    Queries(Vec<Option<f64>>),
}

impl Figure {
    /// The figure where each picture counts as often as `weights`, `[picture]`, says; NaN if nothing counts.
    pub fn of(&self, weights: &[u32]) -> f64 {
        match self {
            Self::Labels { at, sampled } => sampled.figure(*at, weights),
            Self::Queries(values) => {
                let counted = values
                    .iter()
                    .zip(weights)
                    .filter_map(|(value, weight)| Some(((*value)?, *weight)));
                mean_of_numbers(counted.flat_map(|(value, weight)| std::iter::repeat_n(value, weight as usize)))
            }
        }
    }
}

/// The number of each item, counted as they come up.
pub fn groups<T: AsRef<str>>(items: &[T]) -> Vec<usize> {
    let mut known: BTreeMap<&str, usize> = BTreeMap::new();
    let mut number = |item| {
        let next = known.len();
        *known.entry(item).or_insert(next)
    };
    items.iter().map(|item| number(item.as_ref())).collect()
}

/// Differences between means of figures, each with its interval over paired resamples of the pictures, which
/// `groups` are drawn together: all figures see the same draw, so that what makes a picture easy or hard for both cancels out.
///
/// A comparison names the figures, by place, whose mean is taken and those whose mean is taken away, at least one each.
pub fn differences(figures: &[Figure], groups: &[usize], comparisons: &[(Vec<usize>, Vec<usize>)]) -> Vec<Interval> {
    grouped_intervals(groups, SEED, |weights| {
        let values: Vec<f64> = figures.iter().map(|figure| figure.of(weights)).collect();
        let mean = |of: &[usize]| of.iter().map(|at| values[*at]).sum::<f64>() / of.len() as f64;
        comparisons
            .iter()
            .map(|(of, reference)| mean(of) - mean(reference))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classification::classify;

    fn predictions(shift: f32) -> Predictions {
        let n = 40;
        Predictions {
            labels: vec!["a".to_owned(), "b".to_owned(), "c".to_owned()],
            truth: (0..n).map(|i| vec![i % 2 == 0, i % 5 == 0, i % 7 == 3]).collect(),
            probs: (0..n)
                .map(|i| {
                    [37, 11, 23]
                        .map(|k| ((i * k % 40) as f32 / 40.0 + shift).min(1.0))
                        .to_vec()
                })
                .collect(),
        }
    }

    fn labels(shift: f32) -> Outcomes {
        let paths = (0..40).map(|i| format!("{i}.jpg")).collect();
        Outcomes::Labels {
            paths,
            thresholds: vec![0.5, 0.3, 0.6],
            predictions: predictions(shift),
        }
    }

    #[test]
    fn figures_are_those_of_the_evaluation_also_when_read_again() {
        let written = serde_json::to_string(&labels(0.05)).expect("writes");
        let read: Outcomes = serde_json::from_str(&written).expect("reads");
        let measured = classify(&predictions(0.05), &[0.5, 0.3, 0.6], &[1, 1, 1]);
        assert_eq!(read.figures().len(), measured.figures.len());
        for name in read.figures() {
            let value = read.figure(&name).expect("a figure").of(&[1; 40]);
            assert_eq!(value, measured.figures[&name].value, "{name}");
        }
        assert!(read.figure("macro_f2_14").is_none());
    }

    #[test]
    fn a_paired_difference_is_narrower_than_an_unpaired_one_and_zero_with_itself() {
        let figure = |shift: f32| labels(shift).figure("macro_f2_3").expect("a figure");
        let figures = [figure(0.0), figure(0.02), figure(0.1)];
        let [same, one, both] = differences(
            &figures,
            &labels(0.0).groups(),
            &[(vec![1], vec![1]), (vec![1], vec![0]), (vec![1, 2], vec![0, 0])],
        )[..] else {
            panic!("three comparisons")
        };
        assert_eq!((same.value, same.low, same.high), (0.0, 0.0, 0.0));
        let alone = crate::bootstrap::intervals(40, 1, |weights| vec![figures[0].of(weights)])[0];
        assert!(one.high - one.low < alone.high - alone.low, "{one} {alone}");
        let value = |at: usize| figures[at].of(&[1; 40]);
        assert!((both.value - ((value(1) + value(2)) / 2.0 - value(0))).abs() < 1e-12);
    }

    #[test]
    fn queries_with_nothing_to_find_do_not_count() {
        let values = vec![Some(1.0), None, Some(0.0), Some(0.5)];
        let figures = BTreeMap::from([
            ("recall_at_1".to_owned(), values.clone()),
            ("mean_ap_at_10".to_owned(), values),
        ]);
        let outcomes = Outcomes::Queries {
            paths: vec![String::new(); 4],
            items: Vec::new(),
            figures,
        };
        assert_eq!(outcomes.figures()[0], "mean_ap_at_10");
        let figure = outcomes.figure("mean_ap_at_10").expect("a figure");
        for (weights, expected) in [([1, 1, 1, 1], 0.5), ([3, 9, 1, 0], 0.75), ([0, 1, 0, 2], 0.5)] {
            assert_eq!(figure.of(&weights), expected, "{weights:?}");
        }
        assert!(figure.of(&[0, 3, 0, 0]).is_nan());
    }

    #[test]
    fn photos_of_one_item_are_drawn_together() {
        // 20 items of 8 photos that are all found or all missed know no more than 20 photos of which each is.
        let outcomes = |photos: usize, by_item: bool| {
            let item = |at: usize| at / photos;
            let n = 20 * photos;
            let figure = (0..n).map(|at| Some(f64::from(u8::from(item(at) % 2 == 0)))).collect();
            Outcomes::Queries {
                paths: (0..n).map(|at| at.to_string()).collect(),
                items: if by_item {
                    (0..n).map(|at| format!("i{}", item(at))).collect()
                } else {
                    Vec::new()
                },
                figures: BTreeMap::from([("recall_at_1".to_owned(), figure)]),
            }
        };
        let width = |outcomes: &Outcomes| {
            let figure = outcomes.figure("recall_at_1").expect("a figure");
            let interval = grouped_intervals(&outcomes.groups(), 1, |weights| vec![figure.of(weights)])[0];
            interval.high - interval.low
        };
        let (by_item, single, by_photo) = (
            width(&outcomes(8, true)),
            width(&outcomes(1, true)),
            width(&outcomes(8, false)),
        );
        assert_eq!(by_item, single);
        assert!(by_photo < 0.5 * by_item, "{by_photo} {by_item}");
    }
}
