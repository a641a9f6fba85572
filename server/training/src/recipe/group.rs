//! Groups of labels in a recipe, each with its dataset.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::bundle::{DEFAULT_GROUP, GroupKind};
use std::path::PathBuf;

/// Source of the label vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LabelSource {
    /// The 13 styles.
    #[default]
    Styles,
    /// All labels that occur in the dataset.
    Dataset,
    /// The four categories, from the dataset's column `category`. Each image has exactly one.
    Categories,
}

/// Further group of labels, learnt by the same network from a dataset of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupRecipe {
    /// Name of the group, such as `garment`.
    pub name: String,
    /// `several` if a photo may have several of the labels, `one` if it has exactly one.
    #[serde(default)]
    pub kind: GroupKind,
    /// Folder of the dataset. Groups of one folder are learnt from the same photos, with the share and the holdout of the first
    /// one.
    pub dir: PathBuf,
    /// Source of the group's labels.
    #[serde(default)]
    pub labels: LabelSource,
    /// Share of the dataset's training items, 0–0.5, that is held out as tuning rows. With 0 its split `val` has them.
    #[serde(default)]
    pub holdout: f64,
    /// True if the images are drawings. The bundle says so, and the page tells it wherever it shows a label of the group.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drawn: bool,
    /// Share, 0–1, of an epoch's rows, and so of every batch, that are from this dataset. Datasets without a share divide the
    /// rest in proportion to their training rows. If all have one, only the ratios matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// Weight of the group's loss in the sum over groups.
    #[serde(default = "default_weight")]
    pub weight: f64,
}

pub(super) fn default_group() -> String {
    DEFAULT_GROUP.to_owned()
}

pub(super) fn default_weight() -> f64 {
    1.0
}

impl GroupRecipe {
    /// # Errors
    /// Names the group and the key with an invalid value.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let name = &self.name;
        anyhow::ensure!(!name.is_empty(), "a group of data.groups has no name");
        anyhow::ensure!(
            self.weight.is_finite() && self.weight > 0.0,
            "the weight of the group '{name}' must be a positive number"
        );
        anyhow::ensure!(
            self.share.is_none_or(|share| share > 0.0 && share <= 1.0),
            "the share of the group '{name}' must lie above 0 and be at most 1"
        );
        anyhow::ensure!(
            (0.0..=0.5).contains(&self.holdout),
            "the holdout of the group '{name}' must lie between 0 and 0.5"
        );
        Ok(())
    }
}
