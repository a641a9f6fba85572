//! Thresholds and F2 of images with partly unknown truth.

use super::prediction_set::Sample;
use evaluation::classifier::{Counts, Predictions, macro_f2, micro_f2};

/// Chooses the threshold per label with the highest F2 on the `rows` with a known truth.
///
/// `probs` is `[row][label]`, in the order of `samples`.
pub(super) fn thresholds(probs: &[Vec<f32>], samples: &[Sample], rows: &[usize]) -> Vec<f32> {
    let n_labels = samples.first().map_or(0, |sample| sample.truth.len());
    let threshold = |label: usize| {
        let known = rows
            .iter()
            .filter_map(|&row| Some((probs[row][label], samples[row].truth[label]?)));
        let (probs, truth) = known.map(|(prob, truth)| (vec![prob], vec![truth])).unzip();
        Predictions {
            labels: vec![String::new()],
            probs,
            truth,
        }
        .greedy_thresholds(0.5)[0]
    };
    (0..n_labels).map(threshold).collect()
}

/// Truth and prediction of each label of each row.
#[derive(Debug, Clone)]
pub(super) struct Decisions {
    n_labels: usize,
    /// Truth and prediction, `[row × label]`; `None` if the truth is unknown.
    cells: Vec<Option<(bool, bool)>>,
}

impl Decisions {
    /// Combines the truth of samples with the predictions `on(row, label)`.
    pub(super) fn new(samples: &[Sample], on: impl Fn(usize, usize) -> bool) -> Self {
        let cells = samples.iter().enumerate().flat_map(|(row, sample)| {
            let on = &on;
            sample
                .truth
                .iter()
                .enumerate()
                .map(move |(label, truth)| truth.map(|truth| (truth, on(row, label))))
        });
        Self {
            n_labels: samples.first().map_or(0, |sample| sample.truth.len()),
            cells: cells.collect(),
        }
    }

    fn counts(&self, rows: &[usize]) -> Vec<Counts> {
        let mut counts = vec![Counts::default(); self.n_labels];
        for &row in rows {
            for (cell, counts) in self.cells[row * self.n_labels..].iter().zip(&mut counts) {
                if let Some((truth, on)) = cell {
                    counts.add(*truth, *on);
                }
            }
        }
        counts
    }

    /// Mean F2 over labels of these rows.
    pub(super) fn macro_f2(&self, rows: &[usize]) -> f64 {
        macro_f2(&self.counts(rows), 0)
    }

    /// F2 of all labels of these rows together.
    pub(super) fn micro_f2(&self, rows: &[usize]) -> f64 {
        micro_f2(&self.counts(rows))
    }
}
