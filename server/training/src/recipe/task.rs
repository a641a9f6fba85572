//! The tasks of a recipe.
//!
//! A new task needs a variant of [`TaskRecipe`], its arm of `with_task`, and a file under `crate::task`.

use super::embedding_loss::{EmbeddingLoss, default_temperature};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::model::{DenseConfig, Hidden, RetrievalConfig};
use std::path::PathBuf;

/// A task with its network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum TaskRecipe {
    /// Multi-label classification, trained on the dataset's labels.
    Style(StyleRecipe),
    /// Multi-label classification, distilled from teachers' probabilities.
    Distill(DistillRecipe),
    /// Query encoder, distilled from a retrieval network's embeddings.
    Query(QueryRecipe),
    /// Retrieval: embeddings trained on the dataset's items.
    Retrieval(RetrievalRecipe),
    /// Segmentation, trained on the dataset's masks.
    Segment(SegmentRecipe),
}

/// Evaluates an expression with the recipe of the task, whatever its kind: the one dispatch over tasks.
macro_rules! with_task {
    ($recipe:expr, $task:ident => $body:expr) => {
        match $recipe {
            $crate::recipe::TaskRecipe::Style($task) => $body,
            $crate::recipe::TaskRecipe::Distill($task) => $body,
            $crate::recipe::TaskRecipe::Query($task) => $body,
            $crate::recipe::TaskRecipe::Retrieval($task) => $body,
            $crate::recipe::TaskRecipe::Segment($task) => $body,
        }
    };
}
pub(crate) use with_task;

/// Multi-label classification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StyleRecipe {
    /// Name in the registry of backbones.
    pub backbone: String,
    /// Widths of the head's hidden layers: one number, or a list.
    #[serde(default)]
    pub hidden: Hidden,
    /// Dense supervision from the dataset's masks, in addition to the labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dense: Option<DenseRecipe>,
    /// Uses one network per label, all trained together, instead of one network for all labels.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub per_label: bool,
}

/// Dense supervision from masks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DenseRecipe {
    /// Weight of the cross-entropy of positions, a mean over positions, that is added to the labels' loss.
    pub weight: f64,
    /// Part of the network that predicts positions.
    #[serde(flatten)]
    pub head: DenseConfig,
}

/// Distillation of a classifier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DistillRecipe {
    /// Name in the registry of backbones.
    pub backbone: String,
    /// Widths of the head's hidden layers: one number, or a list.
    #[serde(default)]
    pub hidden: Hidden,
    /// Share of the dataset's own labels in the target, 0–1; 0 for the teachers' probabilities alone.
    #[serde(default)]
    pub truth: f64,
}

/// Distillation of a query encoder into the embedding space of its teacher.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QueryRecipe {
    /// Name in the registry of backbones.
    pub backbone: String,
    /// Cuts the student's map into the parts of the teacher. Without it the whole map is averaged.
    #[serde(default)]
    pub parts: bool,
    /// Weight of 1 − cosine to the teacher's embedding of the same crop.
    #[serde(default = "default_regression")]
    pub regression: f64,
    /// Weight of 1 − cosine of each part to the teacher's part, before a projection of the teacher; needs `parts`.
    #[serde(default)]
    pub part_regression: f64,
    /// Weight of the contrast with the teacher's embeddings of all training shop photos.
    #[serde(default)]
    pub contrast: f64,
    /// Weight of the divergence of the student's distribution over the training shop photos from the teacher's (Wu et al. 2022,
    /// <https://arxiv.org/abs/2203.10381>).
    #[serde(default)]
    pub context: f64,
    /// Weight of a logistic loss on the order of the teacher's nearest training shop photos.
    #[serde(default)]
    pub order: f64,
    /// Number of nearest photos whose order counts, at least 2.
    #[serde(default = "default_neighbours")]
    pub neighbours: usize,
    /// Temperature of `contrast`, `context` and `order`.
    #[serde(default = "default_temperature")]
    pub temperature: f64,
    /// Folders of datasets with further training photos. Of each, all photos of the splits `train` and `unlabelled` are used,
    /// without their items: they add nothing to `contrast`, and nothing is chosen by them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unlabelled: Vec<PathBuf>,
    /// Share, 0–1, of an epoch's rows, and so of every batch, that are from `unlabelled`. By default every photo is used once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlabelled_share: Option<f64>,
    /// Maximum size of the f16 weights in 10⁶ bytes, because visitors download them to their phones.
    #[serde(default = "default_max_megabytes")]
    pub max_megabytes: f64,
}

fn default_regression() -> f64 {
    1.0
}

fn default_neighbours() -> usize {
    10
}

impl QueryRecipe {
    /// True if a term compares with the teacher's embeddings of the training shop photos.
    pub(crate) fn needs_gallery(&self) -> bool {
        [self.contrast, self.context, self.order]
            .iter()
            .any(|weight| *weight > 0.0)
    }
}

fn default_max_megabytes() -> f64 {
    3.5
}

/// Embeddings of items.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetrievalRecipe {
    /// Network.
    pub model: RetrievalConfig,
    /// Items per batch. Each has a user's and a shop's photo in it.
    pub identities: usize,
    /// Photos per item in a batch, at least 2. Users' and shop photos alternate; a photo repeats only if no other is left.
    pub photos: usize,
    /// Terms of the loss, summed with their weights. By default one identity softmax per part.
    #[serde(default = "EmbeddingLoss::published")]
    pub losses: Vec<EmbeddingLoss>,
    /// Shop photos whose embeddings from earlier batches are additional negatives of the losses `triplet`, `supcon` and
    /// `contrast` (XBM, Wang et al. 2020, <https://arxiv.org/abs/1912.06798>); 0 for none. A photo has one entry, its newest.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub memory: usize,
    /// Epoch, counted from 0, from which the memory is used. It is filled before, while embeddings still change fast.
    #[serde(default = "default_memory_from", skip_serializing_if = "is_default_memory_from")]
    pub memory_from: usize,
}

fn default_memory_from() -> usize {
    1
}

// Serde passes references.
#[expect(clippy::trivially_copy_pass_by_ref)]
fn is_default_memory_from(from: &usize) -> bool {
    *from == default_memory_from()
}

#[expect(clippy::trivially_copy_pass_by_ref)]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Segmentation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SegmentRecipe {
    /// Name of a residual network or an EfficientNet-Lite in the registry of backbones.
    pub backbone: String,
    /// Channels of two convolutions at half the resolution of the backbone's features. They are wide and cheap after a backbone
    /// that ends early, such as efficientnet_lite0_s5. By default there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bridge: Option<usize>,
    /// Channels of the expanding path, from the deepest level to the output. Each level doubles the resolution.
    #[serde(default = "default_widths")]
    pub widths: Vec<usize>,
    /// Source of the classes.
    #[serde(default)]
    pub classes: ClassSource,
    /// Mask ids of the background, for `groups`.
    #[serde(default = "default_background")]
    pub background: Vec<u8>,
    /// Mask ids of skin, hair and other parts of the person, for `groups`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub person: Vec<u8>,
    /// Exponent of the classes' weights, 0–1: a weight is the inverse of the class's share of the pixels to this power. 0
    /// gives equal weights, 1 full balance.
    #[serde(default)]
    pub balance: f32,
}

/// Source of a segmentation's classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClassSource {
    /// Background, person and garment. All ids of neither background nor person are garment.
    #[default]
    Groups,
    /// Every id of the dataset's `label_list.csv`.
    Dataset,
    /// Background, skin, hair, top, outerwear, dress, bottoms, shoes, bag, headwear and other, by the names in the dataset's
    /// `label_list.csv`. Unknown names and ids without a name are of the class other.
    Outfit,
}

fn default_widths() -> Vec<usize> {
    vec![128, 64, 32, 16]
}

fn default_background() -> Vec<u8> {
    vec![0]
}
