//! Results of an evaluation per image, so that two models can be compared on the same resamples of images.

use super::bootstrap::{Interval, grouped_intervals};
use crate::classifier::{Predictions, Sampled, mean_of_numbers, metric_names};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Results per image of one evaluation.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum PerImage {
    /// Results of a classifier.
    Labels {
        /// Path of each image within the dataset.
        paths: Vec<String>,
        /// Thresholds, `[label]`, 0–1.
        thresholds: Vec<f32>,
        /// Probabilities and truth.
        predictions: Predictions,
    },
    /// Results of a search, or of another evaluation with a value of each metric per image.
    Queries {
        /// Path of each query image within the dataset.
        paths: Vec<String>,
        /// Item of each query. Queries of one item are drawn together. Empty if each image is drawn by itself.
        #[serde(default)]
        items: Vec<String>,
        /// Value per query by metric, whose mean is the metric; `None` if the query has no relevant gallery image.
        #[serde(rename = "figures")]
        metrics: BTreeMap<String, Vec<Option<f64>>>,
    },
}

impl PerImage {
    /// Paths of the images or queries.
    pub fn paths(&self) -> &[String] {
        match self {
            Self::Labels { paths, .. } | Self::Queries { paths, .. } => paths,
        }
    }

    /// Group number per image. A bootstrap draws the images of a group together.
    pub fn groups(&self) -> Vec<usize> {
        match self {
            Self::Queries { items, .. } if !items.is_empty() => groups(items),
            _ => (0..self.paths().len()).collect(),
        }
    }

    /// Names of the available metrics, the default one first.
    pub fn metric_names(&self) -> Vec<String> {
        match self {
            Self::Labels { predictions, .. } => metric_names(predictions.labels.len()).to_vec(),
            Self::Queries { metrics, .. } => {
                let mut names: Vec<String> = metrics.keys().cloned().collect();
                names.sort_by_key(|name| !name.starts_with("mean_ap"));
                names
            }
        }
    }

    /// Returns the metric of this name for any resample; `None` if there is no such metric.
    pub fn metric(&self, name: &str) -> Option<Metric> {
        match self {
            Self::Labels {
                predictions,
                thresholds,
                ..
            } => {
                let at = metric_names(predictions.labels.len())
                    .iter()
                    .position(|known| known == name)?;
                Some(Metric::Labels {
                    at,
                    sampled: Sampled::new(predictions, thresholds),
                })
            }
            Self::Queries { metrics, .. } => metrics.get(name).cloned().map(Metric::Queries),
        }
    }
}

/// A metric of one model that can be computed for any resample of the images.
#[derive(Debug, Clone)]
pub enum Metric {
    /// A metric of a classifier.
    Labels {
        /// Place within [`metric_names`].
        at: usize,
        /// Predictions that it is computed from.
        sampled: Sampled,
    },
    /// The mean of these values.
    Queries(Vec<Option<f64>>),
}

impl Metric {
    /// Computes the metric with each image counted as often as `weights`, `[image]`, states; NaN if nothing counts.
    pub fn value(&self, weights: &[u32]) -> f64 {
        match self {
            Self::Labels { at, sampled } => sampled.metric(*at, weights),
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

/// Numbers items in the order of their first appearance; returns the number of each entry's item.
pub fn groups<T: AsRef<str>>(items: &[T]) -> Vec<usize> {
    let mut known: BTreeMap<&str, usize> = BTreeMap::new();
    let mut number = |item| {
        let next = known.len();
        *known.entry(item).or_insert(next)
    };
    items.iter().map(|item| number(item.as_ref())).collect()
}

/// Computes the mean of each metric with its interval over groups, from its value per image.
pub fn metrics_with_intervals(
    values: &BTreeMap<String, Vec<Option<f64>>>,
    groups: &[usize],
) -> BTreeMap<String, Interval> {
    let metrics: Vec<Metric> = values.values().cloned().map(Metric::Queries).collect();
    let intervals = grouped_intervals(groups, |weights| {
        metrics.iter().map(|metric| metric.value(weights)).collect()
    });
    values.keys().cloned().zip(intervals).collect()
}

/// Computes differences between means of metrics, each with its interval over paired resamples. `groups` of images are drawn
/// together. All metrics use the same draw, so the difficulty of an image that both models share cancels out.
///
/// A comparison names the metrics, by place, whose mean is the minuend and those whose mean is the subtrahend, at least one
/// each.
pub fn differences(metrics: &[Metric], groups: &[usize], comparisons: &[(Vec<usize>, Vec<usize>)]) -> Vec<Interval> {
    grouped_intervals(groups, |weights| {
        let values: Vec<f64> = metrics.iter().map(|metric| metric.value(weights)).collect();
        let mean = |chosen: &[usize]| chosen.iter().map(|at| values[*at]).sum::<f64>() / chosen.len() as f64;
        comparisons
            .iter()
            .map(|(ours, reference)| mean(ours) - mean(reference))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classifier::classify;

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

    fn labels(shift: f32) -> PerImage {
        let paths = (0..40).map(|i| format!("{i}.jpg")).collect();
        PerImage::Labels {
            paths,
            thresholds: vec![0.5, 0.3, 0.6],
            predictions: predictions(shift),
        }
    }

    #[test]
    fn metrics_equal_the_evaluation_after_a_round_trip() {
        let written = serde_json::to_string(&labels(0.05)).expect("the results serialise");
        let read: PerImage = serde_json::from_str(&written).expect("the results deserialise");
        let measured = classify(&predictions(0.05), &[0.5, 0.3, 0.6], &[1, 1, 1]);
        assert_eq!(read.metric_names().len(), measured.metrics.len());
        for name in read.metric_names() {
            let value = read.metric(&name).expect("the metric is known").value(&[1; 40]);
            assert_eq!(value, measured.metrics[&name].value, "{name}");
        }
        assert!(read.metric("macro_f2_14").is_none());
    }

    #[test]
    fn a_paired_interval_is_narrower_than_an_unpaired_one() {
        let metric = |shift: f32| labels(shift).metric("macro_f2_3").expect("the metric is known");
        let metrics = [metric(0.0), metric(0.02), metric(0.1)];
        let [same, one, both] = differences(
            &metrics,
            &labels(0.0).groups(),
            &[(vec![1], vec![1]), (vec![1], vec![0]), (vec![1, 2], vec![0, 0])],
        )[..] else {
            panic!("three comparisons")
        };
        assert_eq!((same.value, same.low, same.high), (0.0, 0.0, 0.0));
        let alone = super::super::intervals(40, |weights| vec![metrics[0].value(weights)])[0];
        assert!(one.high - one.low < alone.high - alone.low, "{one} {alone}");
        let value = |at: usize| metrics[at].value(&[1; 40]);
        assert!((both.value - ((value(1) + value(2)) / 2.0 - value(0))).abs() < 1e-12);
    }

    #[test]
    fn queries_without_a_relevant_image_do_not_count() {
        let values = vec![Some(1.0), None, Some(0.0), Some(0.5)];
        let metrics = BTreeMap::from([
            ("recall_at_1".to_owned(), values.clone()),
            ("mean_ap_at_10".to_owned(), values),
        ]);
        let per_image = PerImage::Queries {
            paths: vec![String::new(); 4],
            items: Vec::new(),
            metrics,
        };
        assert_eq!(per_image.metric_names()[0], "mean_ap_at_10");
        let metric = per_image.metric("mean_ap_at_10").expect("the metric is known");
        for (weights, expected) in [([1, 1, 1, 1], 0.5), ([3, 9, 1, 0], 0.75), ([0, 1, 0, 2], 0.5)] {
            assert_eq!(metric.value(&weights), expected, "{weights:?}");
        }
        assert!(metric.value(&[0, 3, 0, 0]).is_nan());
    }

    #[test]
    fn images_of_one_item_are_drawn_together() {
        // 20 items whose 8 images are all found or all missed carry as much evidence as 20 single images.
        let per_image = |images: usize, by_item: bool| {
            let item = |at: usize| at / images;
            let n = 20 * images;
            let found = (0..n).map(|at| Some(f64::from(u8::from(item(at) % 2 == 0)))).collect();
            PerImage::Queries {
                paths: (0..n).map(|at| at.to_string()).collect(),
                items: if by_item {
                    (0..n).map(|at| format!("i{}", item(at))).collect()
                } else {
                    Vec::new()
                },
                metrics: BTreeMap::from([("recall_at_1".to_owned(), found)]),
            }
        };
        let width = |results: &PerImage| {
            let metric = results.metric("recall_at_1").expect("the metric is known");
            let interval = grouped_intervals(&results.groups(), |weights| vec![metric.value(weights)])[0];
            interval.high - interval.low
        };
        let (by_item, single, by_image) = (
            width(&per_image(8, true)),
            width(&per_image(1, true)),
            width(&per_image(8, false)),
        );
        assert_eq!(by_item, single);
        assert!(by_image < 0.5 * by_item, "{by_image} {by_item}");
    }
}
