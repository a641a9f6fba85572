//! Part of a report that every task has.

use crate::statistics::{Interval, PerImage};
use dataset::Dataset;
use serde::Serialize;
use std::collections::BTreeMap;

/// Results of an evaluation that every task has.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Model and weights.
    pub model_id: String,
    /// The split.
    pub split: String,
    /// Images or queries.
    pub n: usize,
    /// Metrics by name.
    #[serde(rename = "figures")]
    pub metrics: BTreeMap<String, Interval>,
    /// Metrics of trivial baselines by name.
    pub guesses: BTreeMap<String, f64>,
    /// Results per image. They compare models and are too long for a report.
    #[serde(skip)]
    pub per_image: PerImage,
}

impl Summary {
    /// Counts the images of `per_image` as `n`.
    pub(crate) fn new(
        model_id: String,
        split: &str,
        metrics: BTreeMap<String, Interval>,
        guesses: BTreeMap<String, f64>,
        per_image: PerImage,
    ) -> Self {
        Self {
            model_id,
            split: split.to_owned(),
            n: per_image.paths().len(),
            metrics,
            guesses,
            per_image,
        }
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} on {} {}", self.model_id, self.n, self.split)?;
        for (name, metric) in &self.metrics {
            writeln!(f, "  {name:<24} {metric}")?;
        }
        for (name, value) in &self.guesses {
            writeln!(f, "  guess: {name:<42} {value:.4}")?;
        }
        Ok(())
    }
}

/// Returns the paths of a dataset's rows.
pub(crate) fn paths(dataset: &Dataset, rows: &[usize]) -> Vec<String> {
    rows.iter().map(|row| dataset.rows[*row].path.clone()).collect()
}
