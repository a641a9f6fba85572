//! Evaluation of bundles of any task on a split of a dataset.

use crate::classifier::{self, ClassifierOptions, ClassifierReport};
use crate::retrieval::{self, RetrievalOptions, RetrievalReport};
use crate::segmentation::{self, SegmentationReport};
use crate::summary::Summary;
use anyhow::Context;
use burn::tensor::Device;
use dataset::Dataset;
use serde::Serialize;
use shared::bundle::{Manifest, Weights};
use shared::model::Architecture;

/// Options of an evaluation, by task.
#[derive(Debug, Clone)]
pub enum Options {
    /// Classifiers, whose probabilities are averaged.
    Classifier(ClassifierOptions),
    /// Retrieval networks, which search together.
    Retrieval(Box<RetrievalOptions>),
    /// A segmentation network, which has no options.
    Segmentation,
}

impl Options {
    /// Returns the default options for networks like `manifest`'s.
    ///
    /// # Errors
    /// If the network is a query encoder, which needs the bundle of a gallery.
    pub fn default_for(manifest: &Manifest) -> anyhow::Result<Self> {
        Ok(match &manifest.architecture {
            Architecture::Style(_) => Self::Classifier(ClassifierOptions::default()),
            Architecture::Retrieval(_) => Self::Retrieval(Box::default()),
            Architecture::Segment(_) => Self::Segmentation,
            Architecture::Query(_) => anyhow::bail!(
                "this bundle is a query encoder, which searches a larger network's gallery; name that network's bundle \
                 ({}) with --gallery-bundle",
                manifest.space()
            ),
        })
    }
}

/// Report of an evaluation, by task.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Report {
    /// Report of classifiers.
    Classifier(ClassifierReport),
    /// Report of retrieval networks.
    Retrieval(RetrievalReport),
    /// Report of a segmentation network.
    Segmentation(SegmentationReport),
}

impl Report {
    /// Returns the results that every task has.
    pub fn summary(&self) -> &Summary {
        match self {
            Self::Classifier(report) => &report.summary,
            Self::Retrieval(report) => &report.summary,
            Self::Segmentation(report) => &report.summary,
        }
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Classifier(report) => report.fmt(f),
            Self::Retrieval(report) => report.fmt(f),
            Self::Segmentation(report) => report.fmt(f),
        }
    }
}

/// Evaluates a bundle on a split of a dataset with the default options of its task.
///
/// # Errors
/// If the bundle is a query encoder or does not load, the split is empty, or an image cannot be read.
pub fn evaluate(
    manifest: &Manifest,
    weights: &Weights,
    dataset: Dataset,
    split: &str,
    device: &Device,
) -> anyhow::Result<Report> {
    let bundle = (manifest.clone(), weights.clone());
    let options = Options::default_for(manifest)?;
    evaluate_with(&[bundle], dataset, split, &options, device)
}

/// Evaluates one or several bundles of one task on a split of a dataset.
///
/// # Errors
/// If there is no bundle, a bundle is for another task than the options, or the evaluation of the task fails.
pub fn evaluate_with(
    bundles: &[(Manifest, Weights)],
    dataset: Dataset,
    split: &str,
    options: &Options,
    device: &Device,
) -> anyhow::Result<Report> {
    let first = bundles.first().context("name a bundle to evaluate")?;
    match (options, &first.0.architecture) {
        (Options::Classifier(options), Architecture::Style(_)) => {
            classifier::evaluate(bundles, dataset, split, options, device).map(Report::Classifier)
        }
        (Options::Retrieval(options), Architecture::Retrieval(_)) => {
            retrieval::evaluate(bundles, dataset, split, options, device).map(Report::Retrieval)
        }
        (Options::Segmentation, Architecture::Segment(config)) => {
            anyhow::ensure!(bundles.len() == 1, "evaluate one segmentation bundle at a time");
            segmentation::evaluate(first, config, dataset, split, device).map(Report::Segmentation)
        }
        (options, _) => {
            let task = match options {
                Options::Classifier(_) => "a classifier",
                Options::Retrieval(_) => "a retrieval network",
                Options::Segmentation => "a segmentation network",
            };
            anyhow::bail!("these options are for {task}; {} is not one", first.0.model_id())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classifier::{Predictions, ThresholdTransfer, classify};
    use crate::retrieval::CategoryReport;
    use crate::statistics::{Interval, PerImage};
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    fn summary() -> Summary {
        let per_image = PerImage::Queries {
            paths: vec!["a.jpg".to_owned()],
            items: Vec::new(),
            metrics: BTreeMap::new(),
        };
        let half = Interval {
            value: 0.5,
            low: 0.25,
            high: 0.75,
        };
        let metrics = BTreeMap::from([("recall_at_1".to_owned(), half)]);
        let guesses = BTreeMap::from([("recall_at_1 by chance".to_owned(), 0.125)]);
        Summary::new("net@1".to_owned(), "test", metrics, guesses, per_image)
    }

    fn keys(value: &Value) -> Vec<&str> {
        value
            .as_object()
            .expect("the value is an object")
            .keys()
            .map(String::as_str)
            .collect()
    }

    #[test]
    fn the_json_of_a_retrieval_report_has_the_public_keys() {
        let report = Report::Retrieval(RetrievalReport {
            categories: vec![CategoryReport {
                id: "shoes".to_owned(),
                n: 1,
                metrics: summary().metrics,
            }],
            summary: summary(),
            fused: None,
            failures: Vec::new(),
        });
        let figures = json!({ "recall_at_1": { "value": 0.5, "low": 0.25, "high": 0.75 } });
        let expected = json!({
            "model_id": "net@1",
            "split": "test",
            "n": 1,
            "figures": figures,
            "guesses": { "recall_at_1 by chance": 0.125 },
            "categories": [{ "id": "shoes", "n": 1, "figures": figures }],
        });
        assert_eq!(serde_json::to_value(&report).expect("the report serialises"), expected);
    }

    #[test]
    fn the_json_of_a_classifier_report_has_the_public_keys() {
        let predictions = Predictions {
            labels: vec!["a".to_owned()],
            probs: vec![vec![0.9], vec![0.2]],
            truth: vec![vec![true], vec![false]],
        };
        let measured = classify(&predictions, &[0.5], &[1]);
        let transfer = ThresholdTransfer::measure(&predictions, &[0.5], &predictions).expect("the labels are the same");
        let report = Report::Classifier(ClassifierReport {
            group: None,
            summary: summary(),
            labels: measured.labels,
            calibration: measured.calibration,
            transfer: Some(transfer),
        });
        let report = serde_json::to_value(&report).expect("the report serialises");
        let mut expected = [
            "model_id",
            "split",
            "n",
            "figures",
            "guesses",
            "labels",
            "calibration",
            "gap",
        ];
        expected.sort_unstable();
        let mut found = keys(&report);
        found.sort_unstable();
        assert_eq!(found, expected);
        assert!(report["gap"]["tuned_macro_f2"].is_number() && report["labels"][0]["f2"].is_number());
    }
}
