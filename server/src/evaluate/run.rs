//! `selvedge evaluate`: a bundle on a split, every figure with its interval and beside a trivial guess.

use super::bootstrap::{Interval, interval};
use super::forward::forward_all;
use super::multilabel::{LabelScore, Predictions, macro_f2, micro_f2};
use super::retrieval::{mean_ap_at_10, rank, recall_at};
use crate::data::{Dataset, Images, MAX_CORRUPT};
use burn::tensor::Device;
use serde::Serialize;
use shared::bundle::{Manifest, load_retrieval, load_style};
use shared::model::Architecture;
use shared::score::sigmoid;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Seed of the bootstrap.
const SEED: u64 = 1;

/// What an evaluation found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Model and weights.
    pub model_id: String,
    /// The split.
    pub split: String,
    /// Images or queries.
    pub n: usize,
    /// Figures by name.
    pub figures: BTreeMap<String, Interval>,
    /// Figures of trivial guesses by name.
    pub guesses: BTreeMap<String, f64>,
    /// Per label, for classification.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<LabelScore>,
}

/// Evaluates a bundle on a split of a dataset.
///
/// # Errors
/// If the bundle does not load, the split is empty or a picture cannot be read.
pub fn evaluate(
    manifest: &Manifest,
    weights: &[u8],
    mut dataset: Dataset,
    split: &str,
    device: &Device,
) -> anyhow::Result<Report> {
    dataset.leave_out_corrupt(|row| row.split == split, false, MAX_CORRUPT)?;
    let rows = dataset.split(split, |_| true, "")?;
    match manifest.architecture {
        Architecture::Style(_) => style(manifest, weights, dataset, split, &rows, device),
        Architecture::Retrieval(_) => retrieval(manifest, weights, dataset, split, &rows, device),
    }
}

fn style(
    manifest: &Manifest,
    weights: &[u8],
    dataset: Dataset,
    split: &str,
    rows: &[usize],
    device: &Device,
) -> anyhow::Result<Report> {
    let net = load_style(manifest, weights, device)?;
    let truth = dataset.targets(rows, &manifest.labels)?;
    let train = dataset.split("train", |_| true, "").unwrap_or_default();
    let frequency = frequencies(&dataset.targets(&train, &manifest.labels)?, manifest.labels.len());
    let images = Arc::new(Images::new(Arc::new(dataset)));
    let logits = forward_all(&images, rows, &manifest.input, device, |x| net.forward(x))?;
    let predictions = Predictions {
        labels: manifest.labels.clone(),
        probs: logits.into_iter().map(|line| line.into_iter().map(sigmoid).collect()).collect(),
        truth,
    };
    Ok(style_report(manifest, split, &predictions, &frequency))
}

fn frequencies(targets: &[Vec<bool>], n_labels: usize) -> Vec<usize> {
    (0..n_labels).map(|label| targets.iter().filter(|line| line[label]).count()).collect()
}

fn style_report(manifest: &Manifest, split: &str, predictions: &Predictions, frequency: &[usize]) -> Report {
    let n = predictions.truth.len();
    let n_labels = predictions.labels.len();
    let thresholds = &manifest.thresholds;
    let ours = |images: &[usize]| predictions.counts(images, |label, prob| prob >= thresholds[label]);
    let yes = predictions.counts(&predictions.all(), |_, _| true);
    let macro_name = |skip: usize| format!("macro_f2_{}", n_labels - skip);
    let of = |statistic: &dyn Fn(&[usize]) -> f64| interval(n, SEED, statistic);

    let mut figures = BTreeMap::new();
    let mut guesses = BTreeMap::new();
    for skip in [0, 1] {
        figures.insert(macro_name(skip), of(&|images| macro_f2(&ours(images), skip)));
        guesses.insert(format!("{} all positive", macro_name(skip)), macro_f2(&yes, skip));
    }
    figures.insert("micro_f2".to_owned(), of(&|images| micro_f2(&ours(images))));
    let half = predictions.counts(&predictions.all(), |_, prob| prob >= 0.5);
    guesses.insert(format!("{} with every threshold at 0.5", macro_name(0)), macro_f2(&half, 0));
    guesses.insert("micro_f2 all positive".to_owned(), micro_f2(&yes));
    guesses.insert("micro_f2 top-3 labels".to_owned(), predictions.top_k_guess_micro_f2(frequency, 3));
    Report {
        model_id: manifest.model_id(),
        split: split.to_owned(),
        n,
        figures,
        guesses,
        labels: predictions.label_scores(thresholds),
    }
}

fn retrieval(
    manifest: &Manifest,
    weights: &[u8],
    dataset: Dataset,
    split: &str,
    rows: &[usize],
    device: &Device,
) -> anyhow::Result<Report> {
    let net = load_retrieval(manifest, weights, device)?;
    let (shop, user): (Vec<usize>, Vec<usize>) = rows.iter().partition(|row| dataset.rows[**row].is_shop());
    anyhow::ensure!(
        !shop.is_empty() && !user.is_empty(),
        "split '{split}' of {} needs both shop photos (domain 'shop') and others to search with",
        dataset.dir.display()
    );
    let images = Arc::new(Images::new(Arc::new(dataset)));
    let embed = |rows: &[usize]| forward_all(&images, rows, &manifest.input, device, |x| net.forward(x));
    let dataset = images.dataset();
    let item = |row: usize| &dataset.rows[row].item_id;
    let ranked = rank(&embed(&user)?, &embed(&shop)?, |q, g| item(user[q]) == item(shop[g]));
    let of = |statistic: &dyn Fn(&[usize]) -> f64| interval(ranked.len(), SEED, statistic);
    let figures = BTreeMap::from([
        ("mean_ap_at_10".to_owned(), of(&|queries| mean_ap_at_10(&ranked, queries))),
        ("recall_at_1".to_owned(), of(&|queries| recall_at(1, &ranked, queries))),
        ("recall_at_10".to_owned(), of(&|queries| recall_at(10, &ranked, queries))),
    ]);
    let gallery = shop.len() as f64;
    let guesses = BTreeMap::from([
        ("recall_at_1 by chance".to_owned(), 1.0 / gallery),
        ("recall_at_10 by chance".to_owned(), (10.0 / gallery).min(1.0)),
    ]);
    Ok(Report {
        model_id: manifest.model_id(),
        split: split.to_owned(),
        n: ranked.len(),
        figures,
        guesses,
        labels: Vec::new(),
    })
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} on {} {}", self.model_id, self.n, self.split)?;
        for (name, figure) in &self.figures {
            writeln!(f, "  {name:<16} {figure}")?;
        }
        for (name, value) in &self.guesses {
            writeln!(f, "  guess: {name:<42} {value:.4}")?;
        }
        if !self.labels.is_empty() {
            writeln!(f, "  {:<20} {:>7} {:>9} {:>7} {:>12}", "label", "support", "threshold", "F2", "all positive")?;
        }
        for label in &self.labels {
            writeln!(
                f,
                "  {:<20} {:>7} {:>9.2} {:>7.4} {:>12.4}",
                label.id, label.support, label.threshold, label.f2, label.all_positive_f2
            )?;
        }
        Ok(())
    }
}
