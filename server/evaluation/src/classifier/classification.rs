//! Metrics of a multi-label classifier, each with its interval and a constant baseline.

use super::calibration::{Calibration, squared_error};
use super::multilabel::{Counts, LabelScore, Predictions, macro_f2, micro_f2};
use super::ranking::{Areas, Ranking, mean_of_numbers};
use crate::statistics::{Interval, intervals};
use serde::Serialize;
use std::collections::BTreeMap;

/// Results of a classifier.
#[derive(Debug, Clone, Serialize)]
pub struct Classification {
    /// Metrics by name.
    #[serde(rename = "figures")]
    pub metrics: BTreeMap<String, Interval>,
    /// Metrics of constant baselines by name.
    pub guesses: BTreeMap<String, f64>,
    /// Calibration over all labels together.
    pub calibration: Calibration,
    /// Results per label.
    pub labels: Vec<LabelReport>,
}

/// Results of a classifier for one label.
#[derive(Debug, Clone, Serialize)]
pub struct LabelReport {
    /// F2 at the threshold and of predicting the label for every image.
    #[serde(flatten)]
    pub score: LabelScore,
    /// F2 with its interval. A resample without a positive image counts as 0.
    pub f2_interval: Interval,
    /// Share of positive images, which is the average precision of chance.
    pub prevalence: f64,
    /// Average precision; `None` without a positive image. The interval of a rare label is biased upwards and may exclude the
    /// value, because a resample contains a positive image several times at the same rank.
    pub average_precision: Option<Interval>,
    /// Area under the ROC curve, ½ for chance; `None` unless there are positive and negative images.
    pub roc_auc: Option<Interval>,
    /// Calibration.
    pub calibration: Calibration,
    /// Brier score of always predicting the prevalence.
    pub prevalence_brier: f64,
}

/// Computes the metrics of predictions at the given thresholds. `frequency` counts each label in the training split, for the
/// baselines.
pub fn classify(predictions: &Predictions, thresholds: &[f32], frequency: &[usize]) -> Classification {
    let (n, n_labels) = (predictions.truth.len(), predictions.labels.len());
    let sampled = Sampled::new(predictions, thresholds);
    let names = metric_names(n_labels);
    let measured = intervals(n, |weights| {
        let resample = sampled.resample(weights, true);
        let by_label = resample.counts.iter().zip(&resample.areas);
        let by_label = by_label.flat_map(|(c, a)| [c.f2(), a.average_precision, a.roc_auc]);
        resample.metrics().into_iter().chain(by_label).collect()
    });
    let (overall, by_label) = measured.split_at(names.len());
    let defined = |interval: Interval| (!interval.value.is_nan()).then_some(interval);
    let labels: Vec<LabelReport> = predictions
        .label_scores(thresholds)
        .into_iter()
        .zip(by_label.chunks_exact(3))
        .enumerate()
        .map(|(label, (score, measured))| {
            let prevalence = score.support as f64 / n.max(1) as f64;
            let pairs = predictions.probs.iter().zip(&predictions.truth);
            LabelReport {
                f2_interval: measured[0],
                average_precision: defined(measured[1]),
                roc_auc: defined(measured[2]),
                prevalence,
                calibration: Calibration::measure(pairs.map(|(probs, truth)| (probs[label], truth[label]))),
                prevalence_brier: prevalence * (1.0 - prevalence),
                score,
            }
        })
        .collect();
    let pairs = predictions.probs.iter().zip(&predictions.truth);
    Classification {
        guesses: guesses(predictions, frequency, &labels),
        metrics: names
            .into_iter()
            .zip(overall)
            .filter_map(|(name, i)| Some((name, defined(*i)?)))
            .collect(),
        calibration: Calibration::measure(pairs.flat_map(|(p, t)| p.iter().copied().zip(t.iter().copied()))),
        labels,
    }
}

/// Counts for predicting every label for every image.
fn all_positive(counts: &[Counts], weights: &[u32]) -> Vec<Counts> {
    let n: u64 = weights.iter().copied().map(u64::from).sum();
    let predicted = |c: &Counts| Counts {
        tp: c.tp + c.fn_,
        fp: n - c.tp - c.fn_,
        fn_: 0,
    };
    counts.iter().map(predicted).collect()
}

fn guesses(predictions: &Predictions, frequency: &[usize], labels: &[LabelReport]) -> BTreeMap<String, f64> {
    let all = predictions.all();
    let positive = predictions.counts(&all, |_, _| true);
    let half = predictions.counts(&all, |_, prob| prob >= 0.5);
    let n_labels = labels.len();
    let mut guesses = BTreeMap::from([
        (format!("macro_f2_{n_labels} all positive"), macro_f2(&positive, 0)),
        (
            format!("macro_f2_{} all positive", n_labels.saturating_sub(1)),
            macro_f2(&positive, 1),
        ),
        (
            format!("macro_f2_{n_labels} with every threshold at 0.5"),
            macro_f2(&half, 0),
        ),
        ("micro_f2 all positive".to_owned(), micro_f2(&positive)),
        (
            "micro_f2 top-3 labels".to_owned(),
            predictions.top_k_micro_f2(frequency, 3),
        ),
    ]);
    let occurring = labels.iter().filter(|label| label.score.support > 0);
    let chances = [
        (
            "mean_average_precision by chance",
            mean_of_numbers(occurring.map(|label| label.prevalence)),
        ),
        ("mean_roc_auc by chance", 0.5),
        (
            "brier of the labels' prevalences",
            mean_of_numbers(labels.iter().map(|label| label.prevalence_brier)),
        ),
    ];
    guesses.extend(
        chances
            .into_iter()
            .filter(|(_, v)| !v.is_nan())
            .map(|(name, value)| (name.to_owned(), value)),
    );
    guesses
}

/// Names of a classifier's metrics. The second leaves out label 0, as published.
pub fn metric_names(n_labels: usize) -> [String; 7] {
    [
        format!("macro_f2_{n_labels}"),
        format!("macro_f2_{}", n_labels.saturating_sub(1)),
        "micro_f2".to_owned(),
        "mean_average_precision".to_owned(),
        "mean_roc_auc".to_owned(),
        "brier".to_owned(),
        // A difference over the same resamples, so that their shared variance does not widen its interval.
        format!("macro_f2_{n_labels} over all positive"),
    ]
}

/// Predictions at their thresholds, prepared for resampling.
#[derive(Debug, Clone)]
pub struct Sampled {
    tally: Tally,
    rankings: Vec<Ranking>,
    /// Squared errors of an image, summed over labels.
    errors: Vec<f64>,
}

/// Counts of one resample.
struct Resample {
    counts: Vec<Counts>,
    /// Empty unless areas were requested.
    areas: Vec<Areas>,
    brier: f64,
    /// Macro F2 of predicting every label.
    all_positive: f64,
}

impl Sampled {
    /// Prepares predictions at one threshold per label.
    pub fn new(predictions: &Predictions, thresholds: &[f32]) -> Self {
        let error = |(probs, truth): (&Vec<f32>, &Vec<bool>)| {
            probs
                .iter()
                .zip(truth)
                .map(|(prob, on)| squared_error(*prob, *on))
                .sum::<f64>()
        };
        Self {
            tally: Tally::new(predictions, thresholds),
            rankings: (0..predictions.labels.len())
                .map(|label| Ranking::new(predictions, label))
                .collect(),
            errors: predictions.probs.iter().zip(&predictions.truth).map(error).collect(),
        }
    }

    /// Computes the metric at a place of [`metric_names`], each image counted as often as `weights`, `[image]`, states.
    pub fn metric(&self, at: usize, weights: &[u32]) -> f64 {
        // Areas take most of the time.
        self.resample(weights, matches!(at, 3 | 4)).metrics()[at]
    }

    fn resample(&self, weights: &[u32], areas: bool) -> Resample {
        let error: f64 = self
            .errors
            .iter()
            .zip(weights)
            .map(|(error, weight)| error * f64::from(*weight))
            .sum();
        let rankings = if areas { &self.rankings[..] } else { &[] };
        let counts = self.tally.counts(weights);
        Resample {
            all_positive: macro_f2(&all_positive(&counts, weights), 0),
            counts,
            areas: rankings.iter().map(|ranking| ranking.areas(weights)).collect(),
            brier: error / (self.errors.len() * self.rankings.len()).max(1) as f64,
        }
    }
}

impl Resample {
    /// Metrics in the order of [`metric_names`].
    fn metrics(&self) -> [f64; 7] {
        [
            macro_f2(&self.counts, 0),
            macro_f2(&self.counts, 1),
            micro_f2(&self.counts),
            mean_of_numbers(self.areas.iter().map(|areas| areas.average_precision)),
            mean_of_numbers(self.areas.iter().map(|areas| areas.roc_auc)),
            self.brier,
            macro_f2(&self.counts, 0) - self.all_positive,
        ]
    }
}

/// Outcomes packed so that a resample is one pass of additions: `[image][label]` of true positive, predicted and
/// positive, 21 bits each. 21 bits count two million images.
#[derive(Debug, Clone)]
struct Tally {
    n_labels: usize,
    packed: Vec<u64>,
}

const FIELD: u32 = 21;

impl Tally {
    fn new(predictions: &Predictions, thresholds: &[f32]) -> Self {
        let line = |(probs, truth): (&Vec<f32>, &Vec<bool>)| -> Vec<u64> {
            probs
                .iter()
                .zip(truth)
                .zip(thresholds)
                .map(|((prob, on), threshold)| {
                    let (on, predicted) = (u64::from(*on), u64::from(prob >= threshold));
                    (on & predicted) | predicted << FIELD | on << (2 * FIELD)
                })
                .collect()
        };
        let packed = predictions
            .probs
            .iter()
            .zip(&predictions.truth)
            .flat_map(line)
            .collect();
        Self {
            n_labels: predictions.labels.len(),
            packed,
        }
    }

    fn counts(&self, weights: &[u32]) -> Vec<Counts> {
        let mut sums = vec![0u64; self.n_labels];
        for (line, weight) in self.packed.chunks_exact(self.n_labels.max(1)).zip(weights) {
            if *weight > 0 {
                for (sum, packed) in sums.iter_mut().zip(line) {
                    *sum += packed * u64::from(*weight);
                }
            }
        }
        let mask = (1 << FIELD) - 1;
        sums.into_iter()
            .map(|sum| {
                let (tp, predicted, positive) = (sum & mask, sum >> FIELD & mask, sum >> (2 * FIELD));
                Counts {
                    tp,
                    fp: predicted - tp,
                    fn_: positive - tp,
                }
            })
            .collect()
    }
}
