//! Filter that chooses the networks whose probabilities are the inputs of a booster.
//!
//! For a label and a fold, all candidates (a model at an epoch) are ranked by the label's F2 on out-of-fold rows. A candidate
//! is dropped if a better epoch of the same model is kept, or if its probabilities correlate with those of a better kept
//! candidate. The first N of the rest are kept.
//!
//! **Invariant:** the filter of fold f uses rows of the *other* folds only. The booster of fold f predicts the rows of fold f,
//! so the truth of these rows must not choose its inputs.

use super::prediction_set::PredictionSet;
use evaluation::classifier::Predictions;
use serde::{Deserialize, Serialize};

/// Limits of the filter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FilterOptions {
    /// Maximum number of candidates per label and fold.
    pub keep: usize,
    /// Pearson correlation with a better candidate above which a candidate is dropped.
    pub correlation: f64,
}

/// Reason why a candidate is dropped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Dropped {
    /// A better epoch of the same model is kept.
    OtherEpoch {
        /// The epoch kept.
        kept: u32,
    },
    /// Its probabilities correlate with those of a better kept candidate.
    Correlated {
        /// The better candidate.
        with: String,
        /// Pearson correlation.
        correlation: f64,
    },
    /// Enough better candidates are kept.
    Enough,
}

/// Decision on one candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ranked {
    /// Model and epoch, such as `resnet50@12`.
    pub candidate: String,
    /// F2 of the label on the other folds' rows, at the best threshold for these rows.
    pub f2: f64,
    /// Reason for dropping it; `None` if it is kept.
    pub dropped: Option<Dropped>,
    /// Place in the prediction set.
    #[serde(skip)]
    pub index: usize,
}

/// Decision of the filter for a label and fold.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Choice {
    /// The label.
    pub label: String,
    /// The fold whose rows were not used.
    pub fold: u32,
    /// All candidates by descending F2.
    pub ranking: Vec<Ranked>,
}

impl Choice {
    /// Returns the kept candidates, best first.
    pub fn kept(&self) -> impl Iterator<Item = &Ranked> {
        self.ranking.iter().filter(|ranked| ranked.dropped.is_none())
    }
}

/// One line with the kept candidates and the numbers of dropped ones.
impl std::fmt::Display for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kept: Vec<String> = self.kept().map(|r| format!("{} {:.4}", r.candidate, r.f2)).collect();
        let count = |is: fn(&Dropped) -> bool| {
            self.ranking
                .iter()
                .filter(|ranked| ranked.dropped.as_ref().is_some_and(is))
                .count()
        };
        write!(
            f,
            "{} fold {}: kept {}; dropped {} other epochs, {} correlated, {} beyond the first {}",
            self.label,
            self.fold,
            kept.join(", "),
            count(|dropped| matches!(dropped, Dropped::OtherEpoch { .. })),
            count(|dropped| matches!(dropped, Dropped::Correlated { .. })),
            count(|dropped| matches!(dropped, Dropped::Enough)),
            kept.len()
        )
    }
}

/// Filters the candidates of a prediction set for the label and the fold at these indices.
pub fn filter(set: &PredictionSet, label: usize, fold: usize, options: FilterOptions) -> Choice {
    let rows: Vec<usize> = (0..set.oof.len())
        .filter(|&row| set.fold_of[row] != fold && set.oof[row].truth[label].is_some())
        .collect();
    let probs: Vec<Vec<f32>> = (0..set.candidates.len())
        .map(|c| rows.iter().map(|&row| set.oof_prob(c, row, label)).collect())
        .collect();
    // Each candidate is scored like a label, with its own probabilities and the same truth.
    let as_labels = Predictions {
        labels: set.candidates.iter().map(ToString::to_string).collect(),
        probs: (0..rows.len())
            .map(|i| probs.iter().map(|line| line[i]).collect())
            .collect(),
        truth: rows
            .iter()
            .map(|&row| vec![set.oof[row].truth[label] == Some(true); probs.len()])
            .collect(),
    };
    let scores = as_labels.label_scores(&as_labels.greedy_thresholds(0.5));
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].f2.total_cmp(&scores[a].f2)); // stable: ties keep the order of the set

    let mut kept: Vec<usize> = Vec::new();
    let ranking = order.into_iter().map(|index| {
        let same_run = kept
            .iter()
            .find(|&&k| set.candidates[k].run == set.candidates[index].run);
        let dropped = if let Some(&k) = same_run {
            Some(Dropped::OtherEpoch {
                kept: set.candidates[k].epoch,
            })
        } else if kept.len() >= options.keep {
            Some(Dropped::Enough)
        } else {
            let correlations = kept.iter().map(|&k| (k, pearson(&probs[k], &probs[index])));
            correlations
                .into_iter()
                .find(|(_, r)| *r > options.correlation)
                .map(|(k, correlation)| Dropped::Correlated {
                    with: set.candidates[k].to_string(),
                    correlation: rounded(correlation),
                })
        };
        if dropped.is_none() {
            kept.push(index);
        }
        Ranked {
            candidate: set.candidates[index].to_string(),
            f2: rounded(scores[index].f2),
            dropped,
            index,
        }
    });
    Choice {
        label: set.labels[label].clone(),
        fold: set.folds[fold],
        ranking: ranking.collect(),
    }
}

/// Rounds a metric to six digits, so that it does not change when it is written and read as JSON.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// Pearson correlation; 1 if a side is constant, because it adds no information.
fn pearson(a: &[f32], b: &[f32]) -> f64 {
    let mean = |values: &[f32]| values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (f64::from(*a) - mean_a, f64::from(*b) - mean_b);
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    if aa == 0.0 || bb == 0.0 {
        1.0
    } else {
        ab / (aa * bb).sqrt()
    }
}
