//! `selvedge evaluate`: a bundle on a split, every figure with its interval and beside a trivial guess.

use super::bootstrap::Interval;
use super::calibration::Calibration;
use super::classification::{Classification, LabelReport, classify};
use super::exclusive;
use super::forward::probabilities;
use super::fusion::Fused;
use super::gap::{GapReport, gap_report};
use super::instances::{self, CategoryReport, Failure, Instances};
use super::multilabel::Predictions;
use super::outcomes::Outcomes;
use super::segment;
use super::thresholds::ThresholdRule;
use super::views::Views;
use anyhow::Context;
use burn::tensor::Device;
use dataset::predictions::{Row, Table};
use dataset::{Dataset, Images, Limit};
use serde::Serialize;
use shared::bundle::{Manifest, Weights, load_style};
use shared::model::Architecture;
use shared::taxonomy::Category;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Seed of the bootstrap.
pub(super) const SEED: u64 = 1;

/// Results of an evaluation.
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
    pub labels: Vec<LabelReport>,
    /// Calibration over all labels, for classification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// Loss of the thresholds compared with the predictions that they were tuned on, where those were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gap: Option<GapReport>,
    /// Per category, for retrieval, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<CategoryReport>,
    /// Combination of several retrieval networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fused: Option<Fused>,
    /// The queries that find least, worst first, as many as were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
    /// Results per picture, for comparing models; too long for a report.
    #[serde(skip)]
    pub outcomes: Outcomes,
}

impl Report {
    /// Report with the fields that every kind of network has.
    pub(super) fn of(
        model_id: String,
        split: &str,
        figures: BTreeMap<String, Interval>,
        guesses: BTreeMap<String, f64>,
        outcomes: Outcomes,
    ) -> Self {
        Self {
            model_id,
            split: split.to_owned(),
            n: outcomes.paths().len(),
            figures,
            guesses,
            labels: Vec::new(),
            calibration: None,
            gap: None,
            categories: Vec::new(),
            fused: None,
            failures: Vec::new(),
            outcomes,
        }
    }
}

/// Options of an evaluation that the bundles do not state themselves.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Views whose probabilities or embeddings are averaged.
    pub views: Views,
    /// Predictions to tune on, such as those out of fold; never of the split that is measured.
    pub tune: Option<Predictions>,
    /// Chooses thresholds on `tune`, or a fixed one; the bundle's own thresholds if `None`.
    pub thresholds: Option<ThresholdRule>,
    /// Options of a search with retrieval networks.
    pub instances: Instances,
}

/// Evaluates a bundle on a split of a dataset.
///
/// # Errors
/// If the bundle does not load, the split is empty or a picture cannot be read.
pub fn evaluate(
    manifest: &Manifest,
    weights: &Weights,
    dataset: Dataset,
    split: &str,
    device: &Device,
) -> anyhow::Result<Report> {
    evaluate_with(
        &[(manifest.clone(), weights.clone())],
        dataset,
        split,
        &Options::default(),
        device,
    )
}

/// As [`evaluate`], with further options. There may be several bundles: classifiers' probabilities are averaged, retrieval
/// networks search together.
///
/// # Errors
/// As [`evaluate`]; also if a rule has nothing to tune on, the predictions to tune on are for other labels, there is no
/// rule for the thresholds of several classifiers, or options are given that are not of this kind of network.
pub fn evaluate_with(
    bundles: &[(Manifest, Weights)],
    mut dataset: Dataset,
    split: &str,
    options: &Options,
    device: &Device,
) -> anyhow::Result<Report> {
    let masks = bundles
        .iter()
        .any(|(manifest, _)| matches!(manifest.architecture, Architecture::Segment(_)));
    let Instances { search, tune_split, .. } = &options.instances;
    let looked_at = |name: &str| {
        name == split || (search.whiten.is_some() && name == "train") || tune_split.as_deref() == Some(name)
    };
    dataset.leave_out_corrupt(|row| looked_at(&row.split), masks, Limit::Fixed)?;
    if bundles.iter().any(|(manifest, _)| Category::are(&manifest.labels)) {
        dataset.label_by_category()?;
    }
    let rows = dataset.split(split, |_| true, "")?;
    let ((manifest, weights), others) = bundles.split_first().context("name a bundle to evaluate")?;
    let retrieves = matches!(manifest.architecture, Architecture::Retrieval(_));
    anyhow::ensure!(
        options.instances == Instances::default() || retrieves,
        "whitening, storage, re-ranking, fusion, direction, depth, turns and failures are a retrieval network's; {} is none",
        manifest.model_id()
    );
    if !matches!(manifest.architecture, Architecture::Style(_)) {
        anyhow::ensure!(
            others.is_empty() || retrieves,
            "several bundles are evaluated together only where all are classifiers or all are retrieval networks; {} is neither",
            manifest.model_id()
        );
        anyhow::ensure!(
            options.views == Views::None || retrieves,
            "views are a classifier's or a retrieval network's; {} is neither",
            manifest.model_id()
        );
        anyhow::ensure!(
            options.tune.is_none() && options.thresholds.is_none(),
            "thresholds are a classifier's; {} is none",
            manifest.model_id()
        );
    }
    match &manifest.architecture {
        Architecture::Style(_) => style(bundles, dataset, split, &rows, options, device),
        Architecture::Retrieval(_) => instances::report(bundles, dataset, split, options, device),
        Architecture::Query(_) => anyhow::bail!(
            "this bundle is a query encoder, which searches a larger network's gallery; name that network's bundle ({}) \
             with --gallery-bundle",
            manifest.space()
        ),
        Architecture::Segment(config) => segment::report(manifest, config, weights, dataset, split, device),
    }
}

/// The thresholds for the mean of style bundles, one a label.
///
/// # Errors
/// If the bundles answer for different labels, or there is nothing to choose thresholds by.
pub fn thresholds_of(bundles: &[(Manifest, Weights)], options: &Options) -> anyhow::Result<Vec<f32>> {
    let manifest = &bundles[0].0;
    for (other, _) in bundles {
        anyhow::ensure!(
            matches!(other.architecture, Architecture::Style(_)) && other.labels == manifest.labels,
            "{} does not answer for the same labels as {}, so their probabilities cannot be averaged",
            other.model_id(),
            manifest.model_id()
        );
    }
    Ok(match (options.thresholds, &options.tune) {
        (None, _) if bundles.len() == 1 => manifest.thresholds.clone(),
        (None, _) => anyhow::bail!(
            "each bundle has thresholds of its own, and none are for their mean; give a rule with --thresholds, and --tune-predictions"
        ),
        (Some(rule), Some(tune)) => rule.choose(tune),
        (Some(rule @ ThresholdRule::Fixed(_)), None) => rule.choose(&Predictions::none(&manifest.labels)),
        (Some(_), None) => anyhow::bail!(
            "thresholds are never tuned on the split that is measured; give predictions to tune them on, or a fixed threshold"
        ),
    })
}

/// Mean of the probabilities that style bundles give rows' pictures, `[row][label]`.
///
/// # Errors
/// If a bundle does not load or a picture cannot be read.
pub fn mean_probabilities(
    bundles: &[(Manifest, Weights)],
    images: &Arc<Images>,
    rows: &[usize],
    views: &Views,
    device: &Device,
) -> anyhow::Result<Vec<Vec<f32>>> {
    let mut probs = vec![vec![0.0; bundles[0].0.labels.len()]; rows.len()];
    for (manifest, weights) in bundles {
        let net = load_style(manifest, weights, device)?;
        let ours = probabilities(images, rows, &manifest.input, &views.list(), device, |x| net.forward(x))?;
        for (sum, prob) in probs.iter_mut().flatten().zip(ours.iter().flatten()) {
            *sum += prob / bundles.len() as f32;
        }
    }
    Ok(probs)
}

fn style(
    bundles: &[(Manifest, Weights)],
    dataset: Dataset,
    split: &str,
    rows: &[usize],
    options: &Options,
    device: &Device,
) -> anyhow::Result<Report> {
    let manifest = &bundles[0].0;
    let thresholds = thresholds_of(bundles, options)?;
    let truth = dataset.targets(rows, &manifest.labels)?;
    let frequency = training_frequencies(&dataset, &manifest.labels)?;
    let paths = paths(&dataset, rows);
    let images = Arc::new(Images::new(Arc::new(dataset)).with_margin_of(&manifest.input));
    let probs = mean_probabilities(bundles, &images, rows, &options.views, device)?;
    let predictions = Predictions {
        labels: manifest.labels.clone(),
        probs,
        truth,
    };
    let ids: Vec<String> = bundles.iter().map(|(manifest, _)| manifest.model_id()).collect();
    let classified = Classified {
        model_id: ids.join(" + "),
        paths,
        predictions,
        thresholds,
        frequency,
    };
    classified.report(split, options.tune.as_ref())
}

/// Evaluates what a predictions table says of a split, such as a stacked ensemble's; thresholds are tuned on the table's own
/// out-of-fold rows unless others are given.
///
/// # Errors
/// If the table lacks a picture of the split or predicts one twice, its labels are not the dataset's, or there is nothing to
/// tune on.
pub fn evaluate_predictions(
    table: &Table,
    mut dataset: Dataset,
    split: &str,
    options: &Options,
) -> anyhow::Result<Report> {
    let labels = &table.labels;
    if Category::are(labels) {
        dataset.label_by_category()?;
    }
    let rows = dataset.split(split, |_| true, "")?;
    let mut known: HashMap<&str, &Row> = HashMap::new();
    for row in table.rows.iter().filter(|row| &*row.part == split) {
        anyhow::ensure!(
            known.insert(&row.path, row).is_none(),
            "{} is predicted twice for '{split}'; name the table of one ensemble, or of one network's epoch",
            row.path
        );
    }
    let probs = rows.iter().map(|row| {
        let path = &dataset.rows[*row].path;
        let found = known.get(path.as_str()).with_context(|| {
            format!("the table does not predict {path} of '{split}'\nhint: train with data.predict = [\"{split}\"]")
        })?;
        Ok(found.probs.clone())
    });
    let probs = probs.collect::<anyhow::Result<_>>()?;
    let (truth, frequency) = (dataset.targets(&rows, labels)?, training_frequencies(&dataset, labels)?);
    let rule = options.thresholds.unwrap_or_default();
    let tune = match (&options.tune, rule) {
        (Some(tune), _) => Some(tune.clone()),
        (None, ThresholdRule::Fixed(_)) => None,
        (None, _) => Some(Predictions::mean_out_of_fold(table)?),
    };
    let thresholds = rule.choose(tune.as_ref().unwrap_or(&Predictions::none(labels)));
    let runs: BTreeSet<&str> = known.values().map(|row| &*row.run).collect();
    let classified = Classified {
        model_id: runs.into_iter().collect::<Vec<_>>().join(" + "),
        paths: paths(&dataset, &rows),
        predictions: Predictions {
            labels: labels.clone(),
            probs,
            truth,
        },
        thresholds,
        frequency,
    };
    classified.report(split, tune.as_ref())
}

/// Predictions of one or several classifiers for a split's pictures.
struct Classified {
    model_id: String,
    paths: Vec<String>,
    predictions: Predictions,
    /// One a label.
    thresholds: Vec<f32>,
    /// Frequency of each label in the training split, for the trivial guess.
    frequency: Vec<usize>,
}

impl Classified {
    fn report(self, split: &str, tune: Option<&Predictions>) -> anyhow::Result<Report> {
        let Self {
            model_id,
            paths,
            predictions,
            thresholds,
            frequency,
        } = self;
        let gap = tune
            .map(|tune| gap_report(tune, &thresholds, &predictions))
            .transpose()?;
        let Classification {
            mut figures,
            mut guesses,
            calibration,
            labels,
        } = classify(&predictions, &thresholds, &frequency);
        if Category::are(&predictions.labels) {
            figures.extend(exclusive::figures(&predictions, &thresholds));
            let guess = exclusive::guess(&predictions, &frequency);
            guesses.insert("accuracy of the most frequent category".to_owned(), guess);
        }
        let outcomes = Outcomes::Labels {
            paths,
            thresholds,
            predictions,
        };
        let report = Report::of(model_id, split, figures, guesses, outcomes);
        Ok(Report {
            labels,
            calibration: Some(calibration),
            gap,
            ..report
        })
    }
}

/// Frequency of each label in the training split, if there is one.
fn training_frequencies(dataset: &Dataset, labels: &[String]) -> anyhow::Result<Vec<usize>> {
    let train = dataset.split("train", |_| true, "").unwrap_or_default();
    let known: Vec<Vec<bool>> = dataset.truth(&train, labels)?.into_iter().flatten().collect();
    Ok(frequencies(&known, labels.len()))
}

pub(super) fn paths(dataset: &Dataset, rows: &[usize]) -> Vec<String> {
    rows.iter().map(|row| dataset.rows[*row].path.clone()).collect()
}

fn frequencies(targets: &[Vec<bool>], n_labels: usize) -> Vec<usize> {
    (0..n_labels)
        .map(|label| targets.iter().filter(|line| line[label]).count())
        .collect()
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} on {} {}", self.model_id, self.n, self.split)?;
        for (name, figure) in &self.figures {
            writeln!(f, "  {name:<24} {figure}")?;
        }
        for (name, value) in &self.guesses {
            writeln!(f, "  guess: {name:<42} {value:.4}")?;
        }
        if let Some(Calibration {
            expected_calibration_error,
            ..
        }) = self.calibration
        {
            writeln!(f, "  {:<24} {expected_calibration_error:.4}", "calibration error")?;
        }
        if !self.labels.is_empty() {
            writeln!(
                f,
                "  {:<20} {:>7} {:>9} {:>23} {:>12} {:>7} {:>7} {:>7} {:>7}",
                "label", "support", "threshold", "F2", "all positive", "AP", "chance", "AUC", "cal.err"
            )?;
        }
        for label in &self.labels {
            let score = &label.score;
            let or_dash =
                |area: Option<Interval>| area.map_or_else(|| "-".to_owned(), |area| format!("{:.4}", area.value));
            writeln!(
                f,
                "  {:<20} {:>7} {:>9.2} {:>23} {:>12.4} {:>7} {:>7.4} {:>7} {:>7.4}",
                score.id,
                score.support,
                score.threshold,
                label.f2_interval.to_string(),
                score.all_positive_f2,
                or_dash(label.average_precision),
                label.prevalence,
                or_dash(label.roc_auc),
                label.calibration.expected_calibration_error
            )?;
        }
        for category in &self.categories {
            write!(f, "{category}")?;
        }
        if let Some(fused) = &self.fused {
            write!(f, "{fused}")?;
        }
        for failure in &self.failures {
            write!(f, "{failure}")?;
        }
        match &self.gap {
            Some(gap) => write!(f, "{gap}"),
            None => Ok(()),
        }
    }
}
