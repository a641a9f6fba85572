//! Recipes: TOML files that describe a training completely.
//!
//! **Invariant:** the types of this module hold data and check their own values. They do not depend on the training.

mod average;
mod data;
mod embedding_loss;
mod group;
mod loss;
mod optimiser;
mod recolour;
mod sampling;
mod stage;
mod task;

pub use average::AverageRecipe;
pub(crate) use data::FoldKind;
pub use data::{DataRecipe, EvaluateRecipe};
pub use embedding_loss::{EmbeddingLoss, LossInput};
pub use group::{GroupRecipe, LabelSource};
pub use loss::LossRecipe;
pub use optimiser::{OptimiserKind, OptimiserRecipe, RateGroup, RestartsRecipe, SMALLEST_BATCH, ScheduleKind};
pub use recolour::RecolourRecipe;
pub use sampling::{Oversample, SamplingRecipe, Undersample};
pub use stage::{StageRecipe, Supervision};
pub(crate) use task::with_task;
pub use task::{
    ClassSource, DenseRecipe, DistillRecipe, QueryRecipe, RetrievalRecipe, SegmentRecipe, StyleRecipe, TaskRecipe,
};

use dataset::Augment;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::input::InputSpec;

/// Complete description of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Name of the resulting model.
    pub name: String,
    /// Seed of all random draws.
    pub seed: u64,
    /// Passes over the training split, at least 1.
    pub epochs: usize,
    /// Pretrained weights that the backbone starts from: `pretrained:NAME` for a package of `selvedge pretrained list`, or a
    /// file as in `train --init`, which replaces this key. Without it the weights are random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<String>,
    /// Dataset, and its division into training and tuning rows.
    pub data: DataRecipe,
    /// Input of the network: size, fit and normalisation. `mean` and `std` default to those of the backbone.
    pub input: InputSpec,
    /// Optimiser and learning rate schedule.
    pub optimiser: OptimiserRecipe,
    /// Stages of fine-tuning. Without any there is one stage, in which all parameters are trained.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageRecipe>,
    /// Average of the weights that is evaluated and kept instead of the latest weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average: Option<AverageRecipe>,
    /// Epochs without a better score after which training stops; 0 switches early stopping off.
    #[serde(default)]
    pub patience: usize,
    /// Augmentation of training images.
    #[serde(default)]
    pub augment: Augment,
    /// Recolouring of garments in training images. Classifiers only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recolour: Option<RecolourRecipe>,
    /// Parameter of mixup: each image and its labels are blended with another of the batch, by a share drawn from
    /// Beta(mixup, mixup) (Zhang et al. 2018, <https://arxiv.org/abs/1710.09412>); 0 switches it off. Classifiers only.
    #[serde(default)]
    pub mixup: f64,
    /// Over- and under-sampling of training rows. Classifiers only.
    #[serde(default)]
    pub sampling: SamplingRecipe,
    /// Loss of the labels. Classifiers only.
    #[serde(default)]
    pub loss: LossRecipe,
    /// Prediction of the tuning rows.
    #[serde(default)]
    pub evaluate: EvaluateRecipe,
    /// Task and network.
    pub task: TaskRecipe,
}

impl Recipe {
    /// Returns the JSON Schema of recipe files.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }

    /// Returns the supervision of an epoch, counted from 0.
    pub fn supervision(&self, epoch: usize) -> Supervision {
        self.stages
            .iter()
            .rfind(|stage| stage.from <= epoch)
            .map(|stage| stage.learn)
            .unwrap_or_default()
    }
}
