//! The tables of a run as CSV: an epoch a line, a label a line.

use super::curves::{Operating, operating_at};
use super::record::Epoch;
use evaluation::Interval;
use evaluation::classifier::{Classification, LabelReport, Predictions, macro_f2, micro_f2};
use std::collections::BTreeSet;

/// `summary.csv`: epoch (from 1), loss, score, rate, time, then every figure by name; empty where there is none.
///
/// # Errors
/// If a line cannot be written, which memory allows.
pub fn summary(epochs: &[Epoch]) -> anyhow::Result<Vec<u8>> {
    let names: BTreeSet<&str> = epochs
        .iter()
        .flat_map(|epoch| epoch.figures.keys().map(String::as_str))
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
            .chain(names.iter().map(|name| epoch.figures.get(*name).copied()));
        let texts = values.map(|value| value.map_or_else(String::new, |value| value.to_string()));
        table.write_record(std::iter::once((epoch.epoch + 1).to_string()).chain(texts))?;
    }
    Ok(table.into_inner()?)
}

/// Results for one label.
#[derive(Debug, Clone)]
pub struct LabelRow {
    /// Label identifier.
    pub id: String,
    /// Images that carry it.
    pub support: usize,
    /// Threshold.
    pub threshold: f32,
    /// Precision and recall at the threshold.
    pub at: Operating,
    /// F2 at the threshold with its bootstrap interval over images.
    pub f2: Interval,
    /// F2 of saying yes to every image.
    pub all_positive_f2: f64,
    /// Average precision; NaN without a positive image.
    pub average_precision: f64,
}

/// Every label's figures.
pub fn label_rows(predictions: &Predictions, thresholds: &[f32], measured: &Classification) -> Vec<LabelRow> {
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

/// `labels.csv`: a label a line; empty where a figure does not exist.
///
/// # Errors
/// If a line cannot be written, which memory allows.
pub fn labels(rows: &[LabelRow]) -> anyhow::Result<Vec<u8>> {
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

/// A figure over all labels, beside what a guess would reach.
#[derive(Debug, Clone)]
pub struct FigureRow {
    /// Name of the metric.
    pub name: String,
    /// The figure with its bootstrap interval over images.
    pub ours: Interval,
    /// The same with every threshold at 0.5.
    pub half: f64,
    /// Description of the constant guess.
    pub guess: &'static str,
    /// Value that the constant guess reaches.
    pub guessed: f64,
}

/// Macro F2 over all labels and without the first, and micro F2, each beside its constant guess.
pub fn figures(predictions: &Predictions, measured: &Classification) -> Vec<FigureRow> {
    let n_labels = predictions.labels.len();
    let half = predictions.counts(&predictions.all(), |_, prob| prob >= 0.5);
    let macros = [0, 1].into_iter().filter(|skip| n_labels > *skip).map(|skip| {
        let key = format!("macro_f2_{}", n_labels - skip);
        FigureRow {
            name: format!("macro F2, {} labels", n_labels - skip),
            ours: measured.metrics[&key],
            half: macro_f2(&half, skip),
            guess: "yes to every label",
            guessed: measured.guesses[&format!("{key} all positive")],
        }
    });
    let micro = FigureRow {
        name: "micro F2".to_owned(),
        ours: measured.metrics["micro_f2"],
        half: micro_f2(&half),
        guess: "the three most frequent labels",
        guessed: measured.guesses["micro_f2 top-3 labels"],
    };
    macros.chain([micro]).collect()
}
