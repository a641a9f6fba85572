//! F2 of multi-label predictions and of constant baselines.
//!
//! F2 = 5·P·R / (4·P + R) = 5·TP / (5·TP + 4·FN + FP). It is 0 if no image is true or predicted.

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
    /// Computes F2.
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

/// Predictions of a split: a probability and the truth per image and label.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Predictions {
    /// Label identifiers.
    pub labels: Vec<String>,
    /// Probabilities, `[image][label]`.
    pub probs: Vec<Vec<f32>>,
    /// Truth, `[image][label]`.
    pub truth: Vec<Vec<bool>>,
}

/// F2 of one label and of predicting it for every image.
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
    /// F2 of predicting the label for every image.
    pub all_positive_f2: f64,
}

impl Predictions {
    /// Predictions of no images.
    pub(crate) fn empty(labels: &[String]) -> Self {
        Self {
            labels: labels.to_vec(),
            probs: Vec::new(),
            truth: Vec::new(),
        }
    }

    /// Returns the rows of `table` that satisfy `keep`.
    ///
    /// # Errors
    /// If the truth of such a row is unknown.
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

    /// Counts the outcomes of each label over the given images.
    pub fn counts(&self, images: &[usize], predict: impl Fn(usize, f32) -> bool) -> Vec<Counts> {
        let mut counts = vec![Counts::default(); self.labels.len()];
        for &image in images {
            for (label, counts) in counts.iter_mut().enumerate() {
                counts.add(self.truth[image][label], predict(label, self.probs[image][label]));
            }
        }
        counts
    }

    /// Indices of all images.
    pub fn all(&self) -> Vec<usize> {
        (0..self.truth.len()).collect()
    }

    /// Number of images that carry a label.
    pub fn support(&self, label: usize) -> usize {
        self.truth.iter().filter(|truth| truth[label]).count()
    }

    /// Computes the score of each label at its threshold.
    pub fn label_scores(&self, thresholds: &[f32]) -> Vec<LabelScore> {
        let all = self.all();
        let ours = self.counts(&all, |label, prob| prob >= thresholds[label]);
        let all_positive = self.counts(&all, |_, _| true);
        (0..self.labels.len())
            .map(|label| LabelScore {
                id: self.labels[label].clone(),
                support: self.support(label),
                threshold: thresholds[label],
                f2: ours[label].f2(),
                all_positive_f2: all_positive[label].f2(),
            })
            .collect()
    }

    /// Computes the micro F2 of predicting the `k` labels with the highest `frequency` for every image.
    pub(crate) fn top_k_micro_f2(&self, frequency: &[usize], k: usize) -> f64 {
        let mut order: Vec<usize> = (0..frequency.len()).collect();
        order.sort_by_key(|label| std::cmp::Reverse(frequency[*label]));
        let on = &order[..k.min(order.len())];
        micro_f2(&self.counts(&self.all(), |label, _| on.contains(&label)))
    }
}

/// Computes the mean F2 over the labels from `skip`. The published metric without label 0 has `skip` 1.
pub fn macro_f2(counts: &[Counts], skip: usize) -> f64 {
    let counted = &counts[skip.min(counts.len())..];
    counted.iter().map(|counts| counts.f2()).sum::<f64>() / counted.len().max(1) as f64
}

/// Computes the F2 of the counts of all labels together.
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
