//! The tables of a run as CSV: an epoch a line, a label a line.

use super::curves::{Operating, average_precision, operating_at, precision_recall};
use super::record::Epoch;
use crate::evaluate::Interval;
use crate::evaluate::bootstrap::interval;
use crate::evaluate::multilabel::{Counts, Predictions, macro_f2, micro_f2};
use std::collections::BTreeSet;

/// Seed of the bootstrap.
const SEED: u64 = 1;

/// `summary.csv`: epoch (from 1), loss, score, rate, time, then every figure by name; empty where there is none.
///
/// # Errors
/// If a line cannot be written, which memory allows.
pub fn summary(epochs: &[Epoch]) -> anyhow::Result<Vec<u8>> {
    let names: BTreeSet<&str> = epochs.iter().flat_map(|epoch| epoch.figures.keys().map(String::as_str)).collect();
    let mut table = csv::Writer::from_writer(Vec::new());
    let fixed = ["epoch", "train_loss", "score", "rate", "seconds", "images_per_second"];
    table.write_record(fixed.iter().chain(&names))?;
    for epoch in epochs {
        let known = [epoch.train_loss, epoch.score, epoch.rate, epoch.seconds, epoch.images_per_second];
        let values = known.into_iter().chain(names.iter().map(|name| epoch.figures.get(*name).copied()));
        let texts = values.map(|value| value.map_or_else(String::new, |value| value.to_string()));
        table.write_record(std::iter::once((epoch.epoch + 1).to_string()).chain(texts))?;
    }
    Ok(table.into_inner()?)
}

/// What is known of one label.
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
pub fn label_rows(predictions: &Predictions, thresholds: &[f32]) -> Vec<LabelRow> {
    let yes = predictions.counts(&predictions.all(), |_, _| true);
    (0..predictions.labels.len())
        .map(|label| {
            let f2 = interval(predictions.truth.len(), SEED, |images| {
                let mut counts = Counts::default();
                for &image in images {
                    counts.add(predictions.truth[image][label], predictions.probs[image][label] >= thresholds[label]);
                }
                counts.f2()
            });
            LabelRow {
                id: predictions.labels[label].clone(),
                support: predictions.support(label),
                threshold: thresholds[label],
                at: operating_at(predictions, label, thresholds[label]),
                f2,
                all_positive_f2: yes[label].f2(),
                average_precision: average_precision(&precision_recall(predictions, label)),
            }
        })
        .collect()
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
        let number = |value: f64| if value.is_finite() { format!("{value:.6}") } else { String::new() };
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
    /// What it is.
    pub name: String,
    /// The figure with its bootstrap interval over images.
    pub ours: Interval,
    /// The same with every threshold at 0.5.
    pub half: f64,
    /// What the constant guess is.
    pub guess: &'static str,
    /// What it reaches.
    pub guessed: f64,
}

/// Macro F2 over all labels and without the first, and micro F2, each beside its constant guess.
pub fn figures(predictions: &Predictions, thresholds: &[f32]) -> Vec<FigureRow> {
    let (n, n_labels) = (predictions.truth.len(), predictions.labels.len());
    let all = predictions.all();
    let yes = predictions.counts(&all, |_, _| true);
    let half = predictions.counts(&all, |_, prob| prob >= 0.5);
    let ours = |images: &[usize]| predictions.counts(images, |label, prob| prob >= thresholds[label]);
    let frequency: Vec<usize> = (0..n_labels).map(|label| predictions.support(label)).collect();
    let macros = [0, 1].into_iter().filter(|skip| n_labels > *skip).map(|skip| FigureRow {
        name: format!("macro F2, {} labels", n_labels - skip),
        ours: interval(n, SEED, |images| macro_f2(&ours(images), skip)),
        half: macro_f2(&half, skip),
        guess: "yes to every label",
        guessed: macro_f2(&yes, skip),
    });
    let micro = FigureRow {
        name: "micro F2".to_owned(),
        ours: interval(n, SEED, |images| micro_f2(&ours(images))),
        half: micro_f2(&half),
        guess: "the three most frequent labels",
        guessed: predictions.top_k_guess_micro_f2(&frequency, 3),
    };
    macros.chain([micro]).collect()
}
