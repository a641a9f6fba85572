//! Tables of a run as CSV: one line per epoch, and one line per label.

use super::curves::{Operating, operating_at};
use super::record::Epoch;
use evaluation::Interval;
use evaluation::classifier::{Classification, LabelReport, Predictions, macro_f2, micro_f2};
use std::collections::BTreeSet;

/// Writes `summary.csv`: epoch (from 1), loss, score, rate and time, then every metric by name. Missing values are empty.
///
/// # Errors
/// If a line cannot be written.
pub(crate) fn summary(epochs: &[Epoch]) -> anyhow::Result<Vec<u8>> {
    let names: BTreeSet<&str> = epochs
        .iter()
        .flat_map(|epoch| epoch.metrics.keys().map(String::as_str))
        .collect();
    let mut table = csv::Writer::from_writer(Vec::new());
    let fixed = ["epoch", "train_loss", "score", "rate", "seconds", "images_per_second"];
    table.write_record(fixed.iter().chain(&names))?;
    for epoch in epochs {
        let known = [
            epoch.train_loss,
            epoch.score,
            epoch.rate,
            epoch.seconds,
            epoch.images_per_second,
        ];
        let values = known
            .into_iter()
            .chain(names.iter().map(|name| epoch.metrics.get(*name).copied()));
        let texts = values.map(|value| value.map_or_else(String::new, |value| value.to_string()));
        table.write_record(std::iter::once((epoch.epoch + 1).to_string()).chain(texts))?;
    }
    Ok(table.into_inner()?)
}

/// Results for one label.
#[derive(Debug, Clone)]
pub(crate) struct LabelRow {
    /// Label identifier.
    pub(crate) id: String,
    /// Images that carry it.
    pub(crate) support: usize,
    /// Threshold.
    pub(crate) threshold: f32,
    /// Precision and recall at the threshold.
    pub(crate) at: Operating,
    /// F2 at the threshold with its bootstrap interval over images.
    pub(crate) f2: Interval,
    /// F2 of predicting the label for every image.
    pub(crate) all_positive_f2: f64,
    /// Average precision; NaN without a positive image.
    pub(crate) average_precision: f64,
}

/// Computes the results of every label.
pub(crate) fn label_rows(predictions: &Predictions, thresholds: &[f32], measured: &Classification) -> Vec<LabelRow> {
    let row = |(label, report): (usize, &LabelReport)| LabelRow {
        id: report.score.id.clone(),
        support: report.score.support,
        threshold: report.score.threshold,
        at: operating_at(predictions, label, thresholds[label]),
        f2: report.f2_interval,
        all_positive_f2: report.score.all_positive_f2,
        average_precision: report.average_precision.map_or(f64::NAN, |interval| interval.value),
    };
    measured.labels.iter().enumerate().map(row).collect()
}

/// Writes `labels.csv` with one line per label. Missing values are empty.
///
/// # Errors
/// If a line cannot be written.
pub(crate) fn labels(rows: &[LabelRow]) -> anyhow::Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record([
        "label",
        "support",
        "threshold",
        "precision",
        "recall",
        "f2",
        "f2_low",
        "f2_high",
        "all_positive_f2",
        "average_precision",
    ])?;
    for row in rows {
        let number = |value: f64| {
            if value.is_finite() {
                format!("{value:.6}")
            } else {
                String::new()
            }
        };
        table.write_record([
            row.id.clone(),
            row.support.to_string(),
            row.threshold.to_string(),
            number(row.at.precision),
            number(row.at.recall),
            number(row.f2.value),
            number(row.f2.low),
            number(row.f2.high),
            number(row.all_positive_f2),
            number(row.average_precision),
        ])?;
    }
    Ok(table.into_inner()?)
}

/// A metric over all labels, and its value for a constant baseline.
#[derive(Debug, Clone)]
pub(crate) struct MetricRow {
    /// Name of the metric.
    pub(crate) name: String,
    /// The metric at the chosen thresholds with its bootstrap interval over images.
    pub(crate) ours: Interval,
    /// The metric with every threshold at 0.5.
    pub(crate) half: f64,
    /// Description of the constant baseline.
    pub(crate) baseline: &'static str,
    /// The metric of the constant baseline.
    pub(crate) baseline_value: f64,
}

/// Returns macro F2 over all labels and without the first, and micro F2, each with its constant baseline.
pub(crate) fn metric_rows(predictions: &Predictions, measured: &Classification) -> Vec<MetricRow> {
    let n_labels = predictions.labels.len();
    let half = predictions.counts(&predictions.all(), |_, prob| prob >= 0.5);
    let macros = [0, 1].into_iter().filter(|skip| n_labels > *skip).map(|skip| {
        let key = format!("macro_f2_{}", n_labels - skip);
        MetricRow {
            name: format!("macro F2, {} labels", n_labels - skip),
            ours: measured.metrics[&key],
            half: macro_f2(&half, skip),
            baseline: "every label",
            baseline_value: measured.guesses[&format!("{key} all positive")],
        }
    });
    let micro = MetricRow {
        name: "micro F2".to_owned(),
        ours: measured.metrics["micro_f2"],
        half: micro_f2(&half),
        baseline: "the three most frequent labels",
        baseline_value: measured.guesses["micro_f2 top-3 labels"],
    };
    macros.chain([micro]).collect()
}
