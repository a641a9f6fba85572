//! The model filter: which networks a booster sees.
//!
//! For a label and a fold, all candidates (a model at an epoch) are ranked by the label's F2 on out-of-fold rows; one is
//! dropped if a better epoch of the same model is kept, or if its probabilities correlate with those of a better one that
//! is kept; the first N of the rest stay.
//!
//! **Invariant:** the filter of fold f looks at rows of the *other* folds only. The booster of fold f predicts the rows of
//! fold f, and no label of theirs may have chosen its inputs.

use super::zoo::Zoo;
use evaluation::classifier::Predictions;
use serde::{Deserialize, Serialize};

/// Limits of the filter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FilterOptions {
    /// Candidates kept a label and fold, at most.
    pub keep: usize,
    /// Pearson correlation with a better one above which a candidate is dropped.
    pub correlation: f64,
}

/// Why a candidate is out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Dropped {
    /// A better epoch of the same model is kept.
    OtherEpoch {
        /// The epoch kept.
        kept: u32,
    },
    /// It says the same as a better one that is kept.
    Correlated {
        /// The better one.
        with: String,
        /// Pearson correlation.
        correlation: f64,
    },
    /// N better ones are kept.
    Enough,
}

/// One candidate's fate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ranked {
    /// Model and epoch, such as `resnet50@12`.
    pub candidate: String,
    /// F2 of the label on the other folds' rows, at the threshold that suits them best.
    pub f2: f64,
    /// Why it is out; `None` if it is kept.
    pub dropped: Option<Dropped>,
    /// Its place in the zoo.
    #[serde(skip)]
    pub index: usize,
}

/// Decision of the filter for a label and fold: every candidate, best first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The label.
    pub label: String,
    /// The fold whose rows were not looked at.
    pub fold: u32,
    /// All candidates by falling F2.
    pub ranking: Vec<Ranked>,
}

impl Choice {
    /// The candidates that are kept, the best first.
    pub fn kept(&self) -> impl Iterator<Item = &Ranked> {
        self.ranking.iter().filter(|ranked| ranked.dropped.is_none())
    }
}

/// A line: what was kept, and why the others were not.
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

/// Filters the zoo's candidates for the label and the fold at these indices.
pub fn filter(zoo: &Zoo, label: usize, fold: usize, options: FilterOptions) -> Choice {
    let rows: Vec<usize> = (0..zoo.oof.len())
        .filter(|&row| zoo.fold_of[row] != fold && zoo.oof[row].truth[label].is_some())
        .collect();
    let probs: Vec<Vec<f32>> = (0..zoo.candidates.len())
        .map(|c| rows.iter().map(|&row| zoo.oof_prob(c, row, label)).collect())
        .collect();
    // The candidates take the place of labels: each has its own probabilities of the same truth.
    let as_labels = Predictions {
        labels: zoo.candidates.iter().map(ToString::to_string).collect(),
        probs: (0..rows.len())
            .map(|i| probs.iter().map(|line| line[i]).collect())
            .collect(),
        truth: rows
            .iter()
            .map(|&row| vec![zoo.oof[row].truth[label] == Some(true); probs.len()])
            .collect(),
    };
    let scores = as_labels.label_scores(&as_labels.greedy_thresholds(0.5));
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].f2.total_cmp(&scores[a].f2)); // stable: equals in the zoo's order

    let mut kept: Vec<usize> = Vec::new();
    let ranking = order.into_iter().map(|index| {
        let same_run = kept
            .iter()
            .find(|&&k| zoo.candidates[k].run == zoo.candidates[index].run);
        let dropped = if let Some(&k) = same_run {
            Some(Dropped::OtherEpoch {
                kept: zoo.candidates[k].epoch,
            })
        } else if kept.len() >= options.keep {
            Some(Dropped::Enough)
        } else {
            let correlations = kept.iter().map(|&k| (k, pearson(&probs[k], &probs[index])));
            correlations
                .into_iter()
                .find(|(_, r)| *r > options.correlation)
                .map(|(k, correlation)| Dropped::Correlated {
                    with: zoo.candidates[k].to_string(),
                    correlation: rounded(correlation),
                })
        };
        if dropped.is_none() {
            kept.push(index);
        }
        Ranked {
            candidate: zoo.candidates[index].to_string(),
            f2: rounded(scores[index].f2),
            dropped,
            index,
        }
    });
    Choice {
        label: zoo.labels[label].clone(),
        fold: zoo.folds[fold],
        ranking: ranking.collect(),
    }
}

/// A figure for a report, with few enough digits to be the same number after it was written and read as JSON.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// Pearson correlation; 1 where a side does not vary, because it adds nothing to another.
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
