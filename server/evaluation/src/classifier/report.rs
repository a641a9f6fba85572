//! Evaluation of classifiers: the mean of their probabilities at one threshold per label.

use super::calibration::Calibration;
use super::classification::{Classification, LabelReport, classify};
use super::fit::calibration;
use super::group::Measured;
use super::multilabel::Predictions;
use super::single_label;
use super::threshold_transfer::ThresholdTransfer;
use super::thresholds::ThresholdRule;
use crate::inference::{Views, mean_probabilities};
use crate::statistics::{Interval, PerImage};
use crate::summary::{Summary, paths};
use anyhow::Context;
use burn::tensor::Device;
use dataset::predictions::{Row, Table};
use dataset::{Dataset, Images, Limit};
use serde::Serialize;
use shared::bundle::{GroupKind, LabelGroup, Manifest, Weights};
use shared::model::Architecture;
use shared::score::NEVER;
use shared::taxonomy::Category;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Choice of the thresholds.
#[derive(Debug, Clone, Default)]
pub struct Tuning {
    /// Predictions that thresholds are chosen on, such as those out of fold. They are never of the split that is measured.
    pub on: Option<Predictions>,
    /// Rule that chooses the thresholds; the default of the evaluation if `None`.
    pub rule: Option<ThresholdRule>,
}

impl Tuning {
    /// Returns the thresholds for the mean of style bundles, `[label]`. A single bundle has its own thresholds if there is
    /// no rule.
    ///
    /// # Errors
    /// If the bundles are not classifiers of the same labels, or there is nothing to choose thresholds by.
    pub fn thresholds(&self, bundles: &[(Manifest, Weights)]) -> anyhow::Result<Vec<f32>> {
        let manifest = &bundles.first().context("name a bundle")?.0;
        for (other, _) in bundles {
            anyhow::ensure!(
                matches!(other.architecture, Architecture::Style(_)) && other.labels == manifest.labels,
                "{} does not answer for the same labels as {}, so their probabilities cannot be averaged",
                other.model_id(),
                manifest.model_id()
            );
        }
        Ok(match (self.rule, &self.on) {
            (None, _) if bundles.len() == 1 => manifest.thresholds.clone(),
            (None, _) => anyhow::bail!(
                "each bundle has thresholds of its own, and none are for their mean; give a rule with --thresholds, and --tune-predictions"
            ),
            (Some(rule), Some(tune)) => rule.choose(tune),
            (Some(rule @ ThresholdRule::Fixed(_)), None) => rule.choose(&Predictions::empty(&manifest.labels)),
            (Some(_), None) => anyhow::bail!(
                "thresholds are never tuned on the split that is measured; give predictions to tune them on, or a fixed threshold"
            ),
        })
    }
}

/// Options of the evaluation of classifiers.
#[derive(Debug, Clone, Default)]
pub struct ClassifierOptions {
    /// Views whose probabilities are averaged.
    pub views: Views,
    /// Choice of the thresholds.
    pub tuning: Tuning,
    /// Name of the group of labels that is measured. Without it, the group whose labels the dataset has.
    pub group: Option<String>,
}

/// Results of one or several classifiers.
#[derive(Debug, Clone, Serialize)]
pub struct ClassifierReport {
    /// Name of the measured group of labels, for a bundle with several groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Metrics over all labels.
    #[serde(flatten)]
    pub summary: Summary,
    /// Results per label.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<LabelReport>,
    /// Calibration over all labels.
    pub calibration: Calibration,
    /// Loss of the thresholds from the predictions that they were tuned on to the split; `None` without such predictions.
    #[serde(rename = "gap", skip_serializing_if = "Option::is_none")]
    pub transfer: Option<ThresholdTransfer>,
}

/// Evaluates the mean of classifiers' probabilities on a split.
///
/// # Errors
/// If a bundle does not load or has other labels, the split is empty, an image cannot be read, there is nothing to tune
/// thresholds on, or the predictions to tune on have other labels.
pub fn evaluate(
    bundles: &[(Manifest, Weights)],
    mut dataset: Dataset,
    split: &str,
    options: &ClassifierOptions,
    device: &Device,
) -> anyhow::Result<ClassifierReport> {
    let thresholds = options.tuning.thresholds(bundles)?;
    let (manifest, _) = &bundles[0];
    dataset.leave_out_corrupt(|row| row.split == split, false, Limit::Fixed)?;
    let measured = Measured::choose(manifest, &mut dataset, options.group.as_deref())?;
    anyhow::ensure!(
        thresholds.len() == manifest.labels.len(),
        "the predictions to tune on have another number of labels than {}",
        manifest.model_id()
    );
    let (rows, truth) = measured.rows(&dataset, split)?;
    let frequency = training_frequencies(&dataset, &measured.ids)?;
    let paths = paths(&dataset, &rows);
    let images = Arc::new(Images::new(Arc::new(dataset)).with_margin_of(&manifest.input));
    let probs = mean_probabilities(bundles, &images, &rows, &options.views, device)?;
    let ids: Vec<String> = bundles.iter().map(|(manifest, _)| manifest.model_id()).collect();
    let classified = Classified {
        model_id: ids.join(" + "),
        paths,
        predictions: measured.predictions(&probs, truth),
        thresholds: thresholds[measured.columns.clone()].to_vec(),
        frequency,
    };
    let mut report = match measured.group.kind {
        GroupKind::Several => classified.report(split, options.tuning.on.as_ref())?,
        GroupKind::One => classified.report_of_one(split, &measured.group),
    };
    report.group = measured.is_one_of_several.then_some(measured.group.name);
    Ok(report)
}

/// Evaluates the predictions of a split in a predictions table, such as a stacked ensemble's. Thresholds are tuned on the
/// table's own out-of-fold rows unless others are given.
///
/// # Errors
/// If the table lacks an image of the split or predicts one twice, its labels are not the dataset's, or there is nothing to
/// tune on.
pub fn evaluate_predictions(
    table: &Table,
    mut dataset: Dataset,
    split: &str,
    tuning: &Tuning,
) -> anyhow::Result<ClassifierReport> {
    let labels = &table.labels;
    if Category::are(labels) {
        dataset.label_by_category()?;
    }
    let rows = dataset.split(split, |_| true, "")?;
    let predicted = rows_of_split(table, split)?;
    let probs = rows.iter().map(|row| {
        let path = &dataset.rows[*row].path;
        let found = predicted.get(path.as_str()).with_context(|| {
            format!("the table does not predict {path} of '{split}'\nhint: train with data.predict = [\"{split}\"]")
        })?;
        Ok(found.probs.clone())
    });
    let probs = probs.collect::<anyhow::Result<_>>()?;
    let (truth, frequency) = (dataset.targets(&rows, labels)?, training_frequencies(&dataset, labels)?);
    let rule = tuning.rule.unwrap_or_default();
    let tune = match (&tuning.on, rule) {
        (Some(tune), _) => Some(tune.clone()),
        (None, ThresholdRule::Fixed(_)) => None,
        (None, _) => Some(Predictions::mean_out_of_fold(table)?),
    };
    let thresholds = rule.choose(tune.as_ref().unwrap_or(&Predictions::empty(labels)));
    let runs: BTreeSet<&str> = predicted.values().map(|row| &*row.run).collect();
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

/// Returns a table's rows of a split by path.
fn rows_of_split<'a>(table: &'a Table, split: &str) -> anyhow::Result<HashMap<&'a str, &'a Row>> {
    let mut rows: HashMap<&str, &Row> = HashMap::new();
    for row in table.rows.iter().filter(|row| &*row.part == split) {
        anyhow::ensure!(
            rows.insert(&row.path, row).is_none(),
            "{} is predicted twice for '{split}'; name the table of one ensemble, or of one network's epoch",
            row.path
        );
    }
    Ok(rows)
}

/// Predictions of one or several classifiers for a split's images.
struct Classified {
    model_id: String,
    paths: Vec<String>,
    predictions: Predictions,
    /// One threshold per label.
    thresholds: Vec<f32>,
    /// Frequency of each label in the training split, for the baselines.
    frequency: Vec<usize>,
}

impl Classified {
    fn report(self, split: &str, tune: Option<&Predictions>) -> anyhow::Result<ClassifierReport> {
        let Self {
            model_id,
            paths,
            predictions,
            thresholds,
            frequency,
        } = self;
        let transfer = tune
            .map(|tune| ThresholdTransfer::measure(tune, &thresholds, &predictions))
            .transpose()?;
        let Classification {
            mut metrics,
            mut guesses,
            calibration,
            labels,
        } = classify(&predictions, &thresholds, &frequency);
        if Category::are(&predictions.labels) {
            metrics.extend(single_label::metrics(&predictions, &thresholds));
            let accuracy = single_label::most_frequent_accuracy(&predictions, &frequency);
            guesses.insert("accuracy of the most frequent category".to_owned(), accuracy);
        }
        let per_image = PerImage::Labels {
            paths,
            thresholds,
            predictions,
        };
        Ok(ClassifierReport {
            group: None,
            summary: Summary::new(model_id, split, metrics, guesses, per_image),
            labels,
            calibration,
            transfer,
        })
    }
}

impl Classified {
    /// Reports labels that exclude each other: accuracy, and accuracy and share of the photos whose most probable label reaches
    /// the precise threshold.
    fn report_of_one(self, split: &str, group: &LabelGroup) -> ClassifierReport {
        let point = group
            .precise
            .as_ref()
            .and_then(|precise| precise.labels.first().copied().flatten());
        // A saturated probability of 1 reaches its threshold, and [`NEVER`] is 1.
        let threshold = point.map_or(NEVER, |point| point.threshold.min(NEVER.next_down()));
        let stated = vec![threshold; group.labels];
        let mut metrics = single_label::metrics(&self.predictions, &stated);
        if point.is_none() {
            metrics.retain(|name, _| !name.starts_with("confident"));
        }
        let accuracy = single_label::most_frequent_accuracy(&self.predictions, &self.frequency);
        let guesses = [("accuracy of the most frequent label".to_owned(), accuracy)].into();
        let right = single_label::right(&self.predictions);
        let per_image = PerImage::Queries {
            paths: self.paths,
            items: Vec::new(),
            metrics: [("accuracy".to_owned(), right)].into(),
        };
        ClassifierReport {
            group: None,
            summary: Summary::new(self.model_id, split, metrics, guesses, per_image),
            labels: Vec::new(),
            calibration: calibration(GroupKind::One, &self.predictions),
            transfer: None,
        }
    }
}

/// Returns the frequency of each label in the training split; zeros without that split.
fn training_frequencies(dataset: &Dataset, labels: &[String]) -> anyhow::Result<Vec<usize>> {
    let train = dataset.split("train", |_| true, "").unwrap_or_default();
    let known: Vec<Vec<bool>> = dataset.truth(&train, labels)?.into_iter().flatten().collect();
    let frequency = |label: usize| known.iter().filter(|line| line[label]).count();
    Ok((0..labels.len()).map(frequency).collect())
}

impl std::fmt::Display for ClassifierReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(group) = &self.group {
            writeln!(f, "group {group}")?;
        }
        write!(f, "{}", self.summary)?;
        let error = self.calibration.expected_calibration_error;
        writeln!(f, "  {:<24} {error:.4}", "calibration error")?;
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
        match &self.transfer {
            Some(transfer) => write!(f, "{transfer}"),
            None => Ok(()),
        }
    }
}
