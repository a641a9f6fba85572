//! Labelled rows of one or several datasets, divided into training rows and tuning rows.

use crate::objective::Metrics;
use crate::recipe::Recipe;
use crate::sources::{Group, Origin, Sources, Truth};
use burn::tensor::{Device, Tensor, TensorData};
use dataset::predictions::Part;
use dataset::{Dataset, Images, Row};
use evaluation::classifier::{Predictions, ThresholdRule, macro_f2, micro_f2};
use evaluation::inference::{Views, activated};
use shared::bundle::{GroupKind, LabelGroup};
use shared::input::InputSpec;
use shared::server_models::Classifier;
use shared::taxonomy::Category;
use std::collections::HashMap;
use std::sync::Arc;

/// Labelled training rows, and tuning rows that choose epoch and thresholds.
#[derive(Debug)]
pub struct Labelled {
    /// Images.
    pub(crate) images: Arc<Images>,
    /// Label identifiers, unique among all groups. With several groups they have the form `group/label`.
    pub(crate) labels: Vec<String>,
    /// Groups of the labels.
    pub(crate) groups: Vec<Group>,
    /// Rows of each dataset.
    pub(crate) origins: Vec<Origin>,
    /// Training rows.
    pub(crate) train: Vec<usize>,
    /// Tuning rows.
    pub(crate) tune: Vec<usize>,
    /// Further splits whose predictions are kept. Nothing is chosen by them.
    pub(crate) predicted: Vec<(String, Vec<usize>)>,
    rule: ThresholdRule,
    /// True if the bundle names its groups.
    names_groups: bool,
    /// Truth by row, for all training and tuning rows and those predicted rows that have labels.
    truth: HashMap<usize, Truth>,
}

impl Labelled {
    /// Divides a dataset, and the datasets of further groups, as the recipe says.
    ///
    /// # Errors
    /// If a further dataset cannot be read, a split is empty or a label unknown.
    pub fn new(dataset: Dataset, recipe: &Recipe) -> anyhow::Result<Self> {
        let sources = Sources::read(dataset, recipe)?;
        let several = sources.groups.len() > 1;
        let qualified = |group: &Group| -> Vec<String> {
            let name = |id: &String| {
                if several {
                    format!("{}/{id}", group.recipe.name)
                } else {
                    id.clone()
                }
            };
            group.ids.iter().map(name).collect()
        };
        let rows = Self {
            labels: sources.groups.iter().flat_map(qualified).collect(),
            images: Arc::new(Images::new(Arc::new(sources.dataset)).with_margin_of(&recipe.input)),
            groups: sources.groups,
            origins: sources.origins,
            train: sources.train,
            tune: sources.tune,
            predicted: sources.predicted,
            rule: recipe.data.thresholds,
            names_groups: recipe.data.names_groups(),
            truth: sources.truth,
        };
        warn_of_missing(&rows.labels, |label| {
            rows.train.iter().any(|row| rows.truth(*row)[label])
        });
        Ok(rows)
    }

    /// Returns the truth of rows, `[rows, labels]` of zeros and ones. It is zero where it is unknown.
    pub(crate) fn targets(&self, rows: &[usize], device: &Device) -> Tensor<2> {
        let values: Vec<f32> = rows
            .iter()
            .flat_map(|row| self.truth(*row).iter().map(|on| f32::from(u8::from(*on))))
            .collect();
        Tensor::from_data(TensorData::new(values, [rows.len(), self.labels.len()]), device)
    }

    /// Returns per row, for each group, true if the truth is known.
    pub(crate) fn known(&self, rows: &[usize]) -> Vec<Vec<bool>> {
        rows.iter().map(|row| self.truth[row].known.clone()).collect()
    }

    /// Returns the number of training rows with each label.
    pub(crate) fn positives(&self) -> Vec<usize> {
        let positives = |label: usize| self.train.iter().filter(|row| self.truth(**row)[label]).count();
        (0..self.labels.len()).map(positives).collect()
    }

    /// Returns the number of training rows with truth for a group.
    pub(crate) fn n_known(&self, group: usize) -> usize {
        let is_known = |row: &&usize| self.truth[*row].known[group];
        self.train.iter().filter(is_known).count()
    }

    /// Returns the truth of a training or tuning row for each label. It is false where it is unknown.
    pub(crate) fn truth(&self, row: usize) -> &[bool] {
        &self.truth[&row].labels
    }

    /// Predicts rows, averaged over views: uncalibrated probabilities, `[row][label]`.
    ///
    /// # Errors
    /// If an image cannot be read.
    pub(crate) fn predict(
        &self,
        net: &Classifier,
        rows: &[usize],
        (spec, views): (&InputSpec, &Views),
        device: &Device,
    ) -> anyhow::Result<Vec<Vec<f32>>> {
        let activate = |logits: &[f32]| -> Vec<f32> {
            let of_group = |group: &Group| group.recipe.kind.probabilities(&logits[group.range.clone()]);
            self.groups.iter().flat_map(of_group).collect()
        };
        let forward = |x| net.forward(x);
        activated(&self.images, rows, spec, &views.list(), device, (forward, activate))
    }

    /// Returns the predictions of a group for the tuning rows with truth, from the probabilities of all tuning rows.
    fn of_group(&self, group: usize, probs: &[Vec<f32>]) -> Predictions {
        let Group { ids, range, .. } = &self.groups[group];
        let known = self
            .tune
            .iter()
            .zip(probs)
            .filter(|(row, _)| self.truth[*row].known[group]);
        let (truth, probs) = known
            .map(|(row, probs)| (self.truth(*row)[range.clone()].to_vec(), probs[range.clone()].to_vec()))
            .unzip();
        Predictions {
            labels: ids.clone(),
            probs,
            truth,
        }
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
            truth: rows.iter().map(|row| self.known_truth(*row)).collect(),
            probs,
        }
    }

    /// Returns the truth of a row per label, `None` where it is unknown.
    fn known_truth(&self, row: usize) -> Vec<Option<bool>> {
        let mut known = vec![None; self.labels.len()];
        let Some(truth) = self.truth.get(&row) else {
            return known;
        };
        for (group, is_known) in self.groups.iter().zip(&truth.known) {
            for label in group.range.clone().filter(|_| *is_known) {
                known[label] = Some(truth.labels[label]);
            }
        }
        known
    }

    /// Chooses thresholds by the recipe's rule for every label of a group of several labels. Other labels have the threshold 0,
    /// because the most probable one is predicted.
    pub(crate) fn thresholds(&self, probs: &[Vec<f32>]) -> Vec<f32> {
        let of_group = |(at, group): (usize, &Group)| match group.recipe.kind {
            GroupKind::Several => self.rule.choose(&self.of_group(at, probs)),
            GroupKind::One => vec![0.0; group.ids.len()],
        };
        self.groups.iter().enumerate().flat_map(of_group).collect()
    }

    /// Returns the labels of a bundle and their groups, which are empty for a bundle that does not name them.
    pub(crate) fn bundle_labels(&self) -> (Vec<String>, Vec<LabelGroup>) {
        let labels = self.groups.iter().flat_map(|group| group.ids.clone()).collect();
        let groups = self.groups.iter().filter(|_| self.names_groups);
        let groups = groups.map(|group| LabelGroup {
            drawn: group.recipe.drawn,
            ..LabelGroup::new(&group.recipe.name, group.recipe.kind, group.ids.len())
        });
        (labels, groups.collect())
    }

    /// Computes metrics of the tuning rows, and as their score the mean over groups. Thresholds are tuned on the same rows, so
    /// the metrics are optimistic.
    pub(crate) fn metrics(&self, probs: &[Vec<f32>]) -> Metrics {
        let (mut scores, mut metrics) = (Vec::new(), Vec::new());
        for (at, group) in self.groups.iter().enumerate() {
            let (score, of_group) = self.group_metrics(group, &self.of_group(at, probs));
            let prefix = if self.groups.len() > 1 {
                format!("tune_{}", group.recipe.name)
            } else {
                "tune".to_owned()
            };
            scores.push(score);
            metrics.extend(
                of_group
                    .into_iter()
                    .map(|(name, value)| (format!("{prefix}_{name}"), value)),
            );
        }
        Metrics::new(scores.iter().sum::<f64>() / scores.len() as f64, metrics)
    }

    /// Computes the score and the metrics of a group: macro F2 for several labels, accuracy for one.
    fn group_metrics(&self, group: &Group, predictions: &Predictions) -> (f64, Vec<(&'static str, f64)>) {
        let all = predictions.all();
        if group.recipe.kind == GroupKind::One {
            let accuracy = predictions.accuracy(&all);
            return (accuracy, vec![("accuracy", accuracy)]);
        }
        let thresholds = self.rule.choose(predictions);
        let counts = predictions.counts(&all, |label, prob| prob >= thresholds[label]);
        let all_positive = predictions.counts(&all, |_, _| true);
        let f2 = macro_f2(&counts, 0);
        let mut metrics = vec![
            ("macro_f2", f2),
            ("micro_f2", micro_f2(&counts)),
            ("all_positive_macro_f2", macro_f2(&all_positive, 0)),
        ];
        let mut score = f2;
        // Categories exclude each other also in bundles without groups.
        if Category::are(&group.ids) {
            score = predictions.accuracy(&all);
            metrics.push(("accuracy", score));
        }
        (score, metrics)
    }
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
