//! Labelled rows of a dataset, divided into training rows and tuning rows.

use crate::objective::Metrics;
use crate::recipe::{DataRecipe, LabelSource, Recipe};
use burn::tensor::{Device, Tensor, TensorData};
use dataset::predictions::Part;
use dataset::{Dataset, Images, Row};
use evaluation::classifier::{Predictions, ThresholdRule, macro_f2, micro_f2};
use evaluation::inference::{Views, probabilities};
use shared::input::InputSpec;
use shared::server_models::Classifier;
use shared::taxonomy::{Category, STYLES};
use std::collections::HashMap;
use std::sync::Arc;

/// Labelled training rows, and tuning rows that choose epoch and thresholds.
#[derive(Debug)]
pub struct Labelled {
    /// Images.
    pub(crate) images: Arc<Images>,
    /// Label identifiers.
    pub(crate) labels: Vec<String>,
    /// Training rows.
    pub(crate) train: Vec<usize>,
    /// Tuning rows.
    pub(crate) tune: Vec<usize>,
    /// Further splits whose predictions are kept. Nothing is chosen by them.
    pub(crate) predicted: Vec<(String, Vec<usize>)>,
    rule: ThresholdRule,
    /// True if an image has exactly one label.
    exclusive: bool,
    /// Truth by row, for all training and tuning rows and those predicted rows that have labels.
    targets: HashMap<usize, Vec<bool>>,
}

impl Labelled {
    /// Divides a dataset as the recipe says.
    ///
    /// # Errors
    /// If a split is empty or a label unknown.
    pub fn new(mut dataset: Dataset, recipe: &Recipe) -> anyhow::Result<Self> {
        if recipe.data.labels == LabelSource::Categories {
            dataset.label_by_category()?;
        }
        let labels: Vec<String> = match recipe.data.labels {
            LabelSource::Styles => STYLES.iter().map(|style| style.id.to_owned()).collect(),
            LabelSource::Dataset => dataset.vocabulary(),
            LabelSource::Categories => Category::ALL.iter().map(|category| category.id().to_owned()).collect(),
        };
        let (tune, train) = divide(&mut dataset, recipe, &labels)?;
        let predicted: Vec<(String, Vec<usize>)> = recipe
            .data
            .predict
            .iter()
            .map(|split| Ok((split.clone(), dataset.split(split, |_| true, "")?)))
            .collect::<anyhow::Result<_>>()?;
        let all: Vec<usize> = train
            .iter()
            .chain(&tune)
            .chain(predicted.iter().flat_map(|(_, rows)| rows))
            .copied()
            .collect();
        // Rows that are only predicted may have no labels.
        dataset.targets(&[train[0], tune[0]], &labels)?;
        let known = all.iter().copied().zip(dataset.truth(&all, &labels)?);
        let targets: HashMap<usize, Vec<bool>> = known.filter_map(|(row, truth)| Some((row, truth?))).collect();
        warn_of_missing(&labels, |label| train.iter().any(|row| targets[row][label]));
        Ok(Self {
            images: Arc::new(Images::new(Arc::new(dataset)).with_margin_of(&recipe.input)),
            exclusive: Category::are(&labels),
            labels,
            train,
            tune,
            predicted,
            rule: recipe.data.thresholds,
            targets,
        })
    }

    /// Returns the truth of rows, `[rows, labels]` of zeros and ones.
    pub(crate) fn targets(&self, rows: &[usize], device: &Device) -> Tensor<2> {
        let values: Vec<f32> = rows
            .iter()
            .flat_map(|row| self.targets[row].iter().map(|on| f32::from(u8::from(*on))))
            .collect();
        Tensor::from_data(TensorData::new(values, [rows.len(), self.labels.len()]), device)
    }

    /// Returns the number of training rows with each label.
    pub(crate) fn positives(&self) -> Vec<usize> {
        let positives = |label: usize| self.train.iter().filter(|row| self.truth(**row)[label]).count();
        (0..self.labels.len()).map(positives).collect()
    }

    /// Returns the truth of a training or tuning row for each label.
    pub(crate) fn truth(&self, row: usize) -> &[bool] {
        &self.targets[&row]
    }

    /// Predicts the tuning rows, averaged over views.
    ///
    /// # Errors
    /// If an image cannot be read.
    pub(crate) fn predict_tune(
        &self,
        net: &Classifier,
        spec: &InputSpec,
        views: &Views,
        device: &Device,
    ) -> anyhow::Result<Predictions> {
        let rows = &self.tune;
        Ok(Predictions {
            labels: self.labels.clone(),
            probs: probabilities(&self.images, rows, spec, &views.list(), device, |x| net.forward(x))?,
            truth: rows.iter().map(|row| self.targets[row].clone()).collect(),
        })
    }

    /// Returns the predictions of rows as a part of a table.
    pub(crate) fn part(&self, name: &str, rows: &[usize], probs: Vec<Vec<f32>>) -> Part {
        let column = |field: fn(&Row) -> &String| -> Vec<String> {
            rows.iter()
                .map(|row| field(&self.images.dataset().rows[*row]).clone())
                .collect()
        };
        Part {
            name: name.to_owned(),
            paths: column(|row| &row.path),
            item_ids: column(|row| &row.item_id),
            truth: rows.iter().map(|row| self.targets.get(row).cloned()).collect(),
            probs,
        }
    }

    /// Chooses thresholds by the recipe's rule.
    pub(crate) fn thresholds(&self, predictions: &Predictions) -> Vec<f32> {
        self.rule.choose(predictions)
    }

    /// Computes metrics of the tuning rows. Thresholds are tuned on the same rows, so the metrics are optimistic.
    pub(crate) fn metrics(&self, predictions: &Predictions) -> Metrics {
        let thresholds = self.thresholds(predictions);
        let all = predictions.all();
        let counts = predictions.counts(&all, |label, prob| prob >= thresholds[label]);
        let all_positive = predictions.counts(&all, |_, _| true);
        let f2 = macro_f2(&counts, 0);
        let mut metrics = vec![
            ("tune_macro_f2", f2),
            ("tune_micro_f2", micro_f2(&counts)),
            ("tune_all_positive_macro_f2", macro_f2(&all_positive, 0)),
        ];
        let mut score = f2;
        if self.exclusive {
            score = predictions.accuracy(&all);
            metrics.push(("tune_accuracy", score));
        }
        Metrics::new(score, metrics)
    }
}

/// Divides the training split, or adds the split `val`: returns tuning rows and training rows.
fn divide(dataset: &mut Dataset, recipe: &Recipe, labels: &[String]) -> anyhow::Result<(Vec<usize>, Vec<usize>)> {
    let rows = dataset.split("train", |_| true, "")?;
    let DataRecipe {
        holdout,
        folds,
        fold,
        fold_seed,
        ..
    } = recipe.data;
    let (tune, train) = if folds > 0 {
        if let Some(bits) = recipe.data.near_duplicates {
            let alike = dataset.mark_near_duplicates(&rows, bits)?;
            eprintln!(
                "{alike} of {} training photos are near duplicates and stay in one fold",
                rows.len()
            );
        }
        let folds = dataset.folds(&rows, labels, folds, fold_seed)?;
        let (tune, train): (Vec<_>, Vec<_>) = rows.into_iter().zip(folds).partition(|(_, of_row)| *of_row == fold);
        let rows = |part: Vec<(usize, usize)>| part.into_iter().map(|(row, _)| row).collect();
        (rows(tune), rows(train))
    } else if holdout > 0.0 {
        dataset.hold_out(&rows, holdout, recipe.seed)
    } else {
        (dataset.split("val", |_| true, "")?, rows)
    };
    anyhow::ensure!(
        !train.is_empty() && !tune.is_empty(),
        "data.folds or data.holdout leaves no image to train or to tune on"
    );
    Ok((tune, train))
}

/// Warns of labels for which `occurs` returns false.
fn warn_of_missing(labels: &[String], occurs: impl Fn(usize) -> bool) {
    let missing: Vec<&str> = (0..labels.len())
        .filter(|label| !occurs(*label))
        .map(|label| labels[label].as_str())
        .collect();
    if !missing.is_empty() {
        let more = if missing.len() > 8 { ", …" } else { "" };
        eprintln!(
            "warning: no training photo has {} of the {} labels, which therefore cannot be learnt: {}{more}",
            missing.len(),
            labels.len(),
            missing[..missing.len().min(8)].join(", ")
        );
    }
}
