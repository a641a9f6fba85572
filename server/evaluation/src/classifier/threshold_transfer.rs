//! Loss of F2 from the images that thresholds were tuned on to unseen images.

use super::multilabel::{Counts, Predictions, macro_f2};
use serde::Serialize;

/// F2 of a label at its threshold on the tuned and on unseen images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelTransfer {
    /// Label identifier.
    pub id: String,
    /// Threshold, 0–1.
    pub threshold: f32,
    /// Images of the tuning predictions that carry the label.
    pub tuned_support: usize,
    /// F2 on the tuning predictions.
    pub tuned_f2: f64,
    /// Unseen images that carry the label.
    pub unseen_support: usize,
    /// F2 on unseen images.
    pub unseen_f2: f64,
    /// `tuned_f2 − unseen_f2`.
    pub gap: f64,
}

/// F2 at tuned thresholds on the tuning predictions and on unseen images, per label and as macro F2.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ThresholdTransfer {
    /// Macro F2 on the tuning predictions.
    pub tuned_macro_f2: f64,
    /// Macro F2 on unseen images.
    pub unseen_macro_f2: f64,
    /// `tuned_macro_f2 − unseen_macro_f2`.
    pub gap: f64,
    /// Results per label.
    pub labels: Vec<LabelTransfer>,
}

impl ThresholdTransfer {
    /// Measures F2 at `thresholds` on the predictions `tuned` that they were chosen on and on the predictions `unseen`.
    ///
    /// # Errors
    /// If the predictions have different labels, or there is not one threshold per label.
    pub fn measure(tuned: &Predictions, thresholds: &[f32], unseen: &Predictions) -> anyhow::Result<Self> {
        anyhow::ensure!(
            tuned.labels == unseen.labels,
            "the predictions to tune on are for the labels {:?}, not for {:?}; use those of the same model",
            tuned.labels,
            unseen.labels
        );
        let n = unseen.labels.len();
        anyhow::ensure!(thresholds.len() == n, "{} thresholds for {n} labels", thresholds.len());
        let counts = |predictions: &Predictions| -> Vec<Counts> {
            (0..n)
                .map(|label| predictions.counts_at(label, thresholds[label]))
                .collect()
        };
        let (on_tuned, on_unseen) = (counts(tuned), counts(unseen));
        let labels = (0..n).map(|label| {
            let (tuned_f2, unseen_f2) = (on_tuned[label].f2(), on_unseen[label].f2());
            LabelTransfer {
                id: unseen.labels[label].clone(),
                threshold: thresholds[label],
                tuned_support: tuned.support(label),
                tuned_f2,
                unseen_support: unseen.support(label),
                unseen_f2,
                gap: tuned_f2 - unseen_f2,
            }
        });
        let (tuned_macro_f2, unseen_macro_f2) = (macro_f2(&on_tuned, 0), macro_f2(&on_unseen, 0));
        let gap = tuned_macro_f2 - unseen_macro_f2;
        Ok(Self {
            tuned_macro_f2,
            unseen_macro_f2,
            gap,
            labels: labels.collect(),
        })
    }
}

impl std::fmt::Display for ThresholdTransfer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "  {:<20} {:>9} {:>15} {:>15} {:>8}",
            "thresholds", "threshold", "tuned F2 (n)", "unseen F2 (n)", "gap"
        )?;
        for label in &self.labels {
            let with = |f2: f64, n: usize| format!("{f2:.4} ({n})");
            let (tuned, unseen) = (
                with(label.tuned_f2, label.tuned_support),
                with(label.unseen_f2, label.unseen_support),
            );
            writeln!(
                f,
                "  {:<20} {:>9.2} {tuned:>15} {unseen:>15} {:>+8.4}",
                label.id, label.threshold, label.gap
            )?;
        }
        let (tuned, unseen) = (self.tuned_macro_f2, self.unseen_macro_f2);
        writeln!(
            f,
            "  {:<20} {:>9} {tuned:>15.4} {unseen:>15.4} {:>+8.4}",
            "macro", "", self.gap
        )
    }
}
