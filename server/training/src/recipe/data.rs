//! The part of a recipe that selects data: labels, training rows and tuning rows.

use super::group::{GroupRecipe, LabelSource, default_group, default_weight};
use anyhow::Context;
use dataset::manifest::TRAIN;
use dataset::{Dataset, FOLD, ItemFold, MAX_CORRUPT};
use evaluation::classifier::ThresholdRule;
use evaluation::inference::Views;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::bundle::{DEFAULT_GROUP, GroupKind};
use std::path::PathBuf;

/// Selection of training rows, and of tuning rows that choose the epoch and the thresholds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataRecipe {
    /// Folder of the dataset; `--data` overrides it.
    pub dir: PathBuf,
    /// Source of the label vocabulary.
    #[serde(default)]
    pub labels: LabelSource,
    /// Name of the group of these labels. It matters for a classifier of several groups.
    #[serde(default = "default_group")]
    pub group: String,
    /// `several` if a photo may have several of the labels, `one` if it has exactly one. Classifiers only.
    #[serde(default)]
    pub kind: GroupKind,
    /// True if the images are drawings. The bundle says so, and the page tells it wherever it shows a label of the group.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drawn: bool,
    /// Share, 0–1, of an epoch's rows, and so of every batch, that are from this dataset. It matters with `groups`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// Weight of the loss of these labels in the sum over groups.
    #[serde(default = "default_weight")]
    pub weight: f64,
    /// Further groups of labels with their datasets. A photo without truth for a group adds nothing to the group's loss.
    /// Classifiers only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupRecipe>,
    /// Share of the training items, 0–0.5, that is held out as tuning rows. With 0 the split `val` has the tuning rows.
    #[serde(default)]
    pub holdout: f64,
    /// Folds of the training split, at least 2; 0 for none. A classifier's folds balance labels and exclude `holdout`. Folds
    /// for retrieval divide items. With `holdout` a part of the training items then chooses the epoch, and the fold is unseen.
    #[serde(default)]
    pub folds: usize,
    /// Fold, counted from 0, that has the tuning rows. The other folds are trained on.
    #[serde(default)]
    pub fold: usize,
    /// Seed of the division into folds. Models that are combined must share it, whatever their own seeds.
    #[serde(default)]
    pub fold_seed: u64,
    /// Splits that are divided into folds together. The rows of the other folds are trained on. Retrieval only.
    #[serde(default = "default_fold_splits", skip_serializing_if = "is_train")]
    pub fold_splits: Vec<String>,
    /// Keeps near duplicates in one fold: photos of the same colours whose hashes differ in at most this many of 64 bits,
    /// 0–16. Off if absent. 4 finds the copies among street photos. In front of one background groups grow by chains.
    #[serde(default)]
    pub near_duplicates: Option<u32>,
    /// Splits that are also predicted after every epoch, for a later ensemble. Nothing is chosen by them. Classifiers only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub predict: Vec<String>,
    /// Rule that chooses a classifier's thresholds on the tuning rows.
    #[serde(default)]
    pub thresholds: ThresholdRule,
    /// Maximum number of unreadable images. They are named and left out; one more is an error.
    #[serde(default = "default_max_corrupt")]
    pub max_corrupt: usize,
}

/// Prediction of the tuning rows during training.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluateRecipe {
    /// Views whose probabilities are averaged. The bundle's thresholds are tuned without views, as a bundle is used.
    #[serde(default)]
    pub views: Views,
}

fn default_fold_splits() -> Vec<String> {
    vec![TRAIN.to_owned()]
}

fn is_train(splits: &[String]) -> bool {
    splits == [TRAIN]
}

fn default_max_corrupt() -> usize {
    MAX_CORRUPT
}

/// Kind of folds that a task can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FoldKind {
    /// No folds.
    None,
    /// Folds of the training split, stratified by label.
    Labels,
    /// Folds of items over chosen splits.
    Items,
}

impl DataRecipe {
    /// All groups in their order, the one of this dataset first.
    pub(crate) fn all_groups(&self) -> Vec<GroupRecipe> {
        let first = GroupRecipe {
            name: self.group.clone(),
            kind: self.kind,
            dir: self.dir.clone(),
            labels: self.labels,
            holdout: self.holdout,
            drawn: self.drawn,
            share: self.share,
            weight: self.weight,
        };
        std::iter::once(first).chain(self.groups.iter().cloned()).collect()
    }

    /// True if the bundle names its groups. Without groups it has the form of earlier versions.
    pub(crate) fn names_groups(&self) -> bool {
        !self.groups.is_empty() || self.kind == GroupKind::One || self.group != DEFAULT_GROUP || self.drawn
    }

    /// # Errors
    /// Names the group or the key with an invalid value.
    fn check_groups(&self, classifies: bool) -> anyhow::Result<()> {
        anyhow::ensure!(
            classifies || !self.names_groups(),
            "data.groups, data.group and data.kind are for classifiers only"
        );
        let groups = self.all_groups();
        for (at, group) in groups.iter().enumerate() {
            group.check()?;
            anyhow::ensure!(
                groups[..at].iter().all(|other| other.name != group.name),
                "two groups have the name '{}'; give one of them another name",
                group.name
            );
        }
        let total: f64 = groups.iter().filter_map(|group| group.share).sum();
        let is_all = groups.iter().all(|group| group.share.is_some());
        anyhow::ensure!(
            total < 1.0 || (is_all && total < 1.0 + 1e-9),
            "the shares of the datasets sum to {total}, so nothing is left for the others; lower them"
        );
        Ok(())
    }

    /// # Errors
    /// Names the key with an invalid value.
    pub(crate) fn check(&self, kind: FoldKind) -> anyhow::Result<()> {
        self.thresholds.check().context("data.thresholds")?;
        self.check_groups(kind == FoldKind::Labels)?;
        anyhow::ensure!(
            (0.0..=0.5).contains(&self.holdout),
            "data.holdout must lie between 0 and 0.5"
        );
        anyhow::ensure!(self.folds != 1, "data.folds must be at least 2, or 0 for none");
        anyhow::ensure!(
            self.fold < self.folds.max(1),
            "data.fold must be less than data.folds; folds are counted from 0"
        );
        anyhow::ensure!(
            self.folds == 0 || self.holdout == 0.0 || kind == FoldKind::Items,
            "data.folds and data.holdout exclude each other; set one of them"
        );
        anyhow::ensure!(
            self.near_duplicates
                .is_none_or(|bits| bits <= 16 && self.folds > 0 && kind == FoldKind::Labels),
            "data.near_duplicates must lie between 0 and 16 bits, needs data.folds, and is for classifiers only"
        );
        anyhow::ensure!(
            self.folds == 0 || kind != FoldKind::None,
            "data.folds divides labels or items and so works for classifiers and retrieval only; use data.holdout"
        );
        anyhow::ensure!(
            is_train(&self.fold_splits) || (self.folds > 0 && kind == FoldKind::Items),
            "data.fold_splits is for retrieval only, and needs data.folds"
        );
        let repeats = |at: usize| self.fold_splits[..at].contains(&self.fold_splits[at]);
        anyhow::ensure!(
            !self.fold_splits.is_empty() && !(0..self.fold_splits.len()).any(repeats),
            "data.fold_splits must name one or several different splits"
        );
        Ok(())
    }

    /// Returns the fold of items, for a retrieval recipe; `None` without folds.
    pub fn item_fold(&self) -> Option<ItemFold> {
        (self.folds > 0).then(|| ItemFold {
            splits: self.fold_splits.clone(),
            folds: self.folds,
            fold: self.fold,
            seed: self.fold_seed,
        })
    }

    /// Returns tuning rows and training rows of a dataset whose fold has been moved to its own split: held-out items, or the
    /// rows with an item of the fold or of `val`.
    ///
    /// # Errors
    /// If there are no tuning rows.
    pub(crate) fn divide_items(
        &self,
        dataset: &Dataset,
        rows: Vec<usize>,
        seed: u64,
    ) -> anyhow::Result<(Vec<usize>, Vec<usize>)> {
        if self.holdout > 0.0 {
            return Ok(dataset.hold_out(&rows, self.holdout, seed));
        }
        let split = if self.folds > 0 { FOLD } else { "val" };
        let tune = dataset.split(split, |row| !row.item_id.is_empty(), " with an item_id")?;
        Ok((tune, rows))
    }
}
