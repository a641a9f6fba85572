//! F2 of multi-label predictions and the constant guesses to beat.
//!
//! F2 = 5·P·R / (4·P + R) = 5·TP / (5·TP + 4·FN + FP); 0 where nothing is true and nothing predicted.

use anyhow::Context;
use dataset::predictions::{Row, Table};
use serde::{Deserialize, Serialize};

/// Counts of one label.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// True positives.
    pub tp: u64,
    /// False positives.
    pub fp: u64,
    /// False negatives.
    pub fn_: u64,
}

impl Counts {
    /// F2 of these counts.
    pub fn f2(self) -> f64 {
        let denominator = 5 * self.tp + 4 * self.fn_ + self.fp;
        if denominator == 0 {
            0.0
        } else {
            (5 * self.tp) as f64 / denominator as f64
        }
    }

    /// Counts one image.
    pub fn add(&mut self, truth: bool, predicted: bool) {
        match (truth, predicted) {
            (true, true) => self.tp += 1,
            (false, true) => self.fp += 1,
            (true, false) => self.fn_ += 1,
            (false, false) => {}
        }
    }
}

/// Predictions of a split: per image and label a probability and the truth.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Predictions {
    /// Label identifiers.
    pub labels: Vec<String>,
    /// Probabilities, `[image][label]`.
    pub probs: Vec<Vec<f32>>,
    /// Truth, `[image][label]`.
    pub truth: Vec<Vec<bool>>,
}

/// F2 of one label beside saying yes to every image.
#[derive(Debug, Clone, Serialize)]
pub struct LabelScore {
    /// Label identifier.
    pub id: String,
    /// Images that carry it.
    pub support: usize,
    /// Threshold used.
    pub threshold: f32,
    /// F2.
    pub f2: f64,
    /// F2 of saying yes to every image.
    pub all_positive_f2: f64,
}

impl Predictions {
    /// Of no image yet.
    pub fn none(labels: &[String]) -> Self {
        Self {
            labels: labels.to_vec(),
            probs: Vec::new(),
            truth: Vec::new(),
        }
    }

    /// Returns the rows of `table` that satisfy `keep`.
    ///
    /// # Errors
    /// If the truth of one of them is not known.
    pub fn from_table(table: &Table, keep: impl Fn(&Row) -> bool) -> anyhow::Result<Self> {
        let rows = || table.rows.iter().filter(|row| keep(row));
        let truth = rows().map(|row| {
            let known: Option<Vec<bool>> = row.truth.iter().copied().collect();
            known.with_context(|| format!("the truth of {} is not known for every label", row.path))
        });
        Ok(Self {
            labels: table.labels.clone(),
            truth: truth.collect::<anyhow::Result<_>>()?,
            probs: rows().map(|row| row.probs.clone()).collect(),
        })
    }

    /// Counts of each label over the given images.
    pub fn counts(&self, images: &[usize], predict: impl Fn(usize, f32) -> bool) -> Vec<Counts> {
        let mut counts = vec![Counts::default(); self.labels.len()];
        for &image in images {
            for (label, counts) in counts.iter_mut().enumerate() {
                counts.add(self.truth[image][label], predict(label, self.probs[image][label]));
            }
        }
        counts
    }

    /// All images.
    pub fn all(&self) -> Vec<usize> {
        (0..self.truth.len()).collect()
    }

    /// Images that carry a label.
    pub fn support(&self, label: usize) -> usize {
        self.truth.iter().filter(|truth| truth[label]).count()
    }

    /// Every label's score at the given thresholds.
    pub fn label_scores(&self, thresholds: &[f32]) -> Vec<LabelScore> {
        let all = self.all();
        let ours = self.counts(&all, |label, prob| prob >= thresholds[label]);
        let yes = self.counts(&all, |_, _| true);
        (0..self.labels.len())
            .map(|label| LabelScore {
                id: self.labels[label].clone(),
                support: self.support(label),
                threshold: thresholds[label],
                f2: ours[label].f2(),
                all_positive_f2: yes[label].f2(),
            })
            .collect()
    }

    /// Micro F2 of always saying yes to the `k` labels that are most frequent in `counts_of`.
    pub fn top_k_guess_micro_f2(&self, frequency: &[usize], k: usize) -> f64 {
        let mut order: Vec<usize> = (0..frequency.len()).collect();
        order.sort_by_key(|label| std::cmp::Reverse(frequency[*label]));
        let on = &order[..k.min(order.len())];
        micro_f2(&self.counts(&self.all(), |label, _| on.contains(&label)))
    }
}

/// Mean F2 over labels from `skip` on; `skip` is 1 for the champions' figure without label 0.
pub fn macro_f2(counts: &[Counts], skip: usize) -> f64 {
    let counted = &counts[skip.min(counts.len())..];
    counted.iter().map(|counts| counts.f2()).sum::<f64>() / counted.len().max(1) as f64
}

/// F2 of all labels' counts together.
pub fn micro_f2(counts: &[Counts]) -> f64 {
    counts
        .iter()
        .fold(Counts::default(), |sum, c| Counts {
            tp: sum.tp + c.tp,
            fp: sum.fp + c.fp,
            fn_: sum.fn_ + c.fn_,
        })
        .f2()
}
