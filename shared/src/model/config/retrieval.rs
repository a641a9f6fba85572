//! Configuration of a retrieval network.

use crate::model::backbone::UnknownBackbone;
use serde::{Deserialize, Serialize};

/// Errors of building a retrieval network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RetrievalConfigError {
    /// The backbone is unknown.
    #[error(transparent)]
    Backbone(#[from] UnknownBackbone),
    /// The backbone is neither a residual nor a densely connected network.
    #[error(
        "the retrieval network gives every branch a copy of its backbone's last stage, and '{0}' is not cut there; use a ResNet, ResNeXt, DenseNet or EfficientNet-Lite"
    )]
    Family(String),
    /// All branches are off.
    #[error(
        "the retrieval network has no branch; switch on `global`, or name part counts for `horizontal`, `vertical` or `ring`"
    )]
    NoBranch,
    /// The trunk has fewer maps than `levels`.
    #[error("`levels` is {levels}, and the trunk of '{backbone}' has {maps} maps to pool; use 0 to {maps}")]
    Levels {
        /// Name of the backbone.
        backbone: String,
        /// Number in the configuration.
        levels: usize,
        /// Number of the trunk's maps.
        maps: usize,
    },
    /// A size is 0.
    #[error("the retrieval network's {0} must be at least 1")]
    Zero(&'static str),
    /// A network that is joined to another has networks joined to itself.
    #[error("a network in `joined` has networks of its own in `joined`; list all of them once")]
    Nested,
}

/// A retrieval network's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RetrievalConfig {
    /// Name of a ResNet, ResNeXt, DenseNet or EfficientNet-Lite in the registry of backbones.
    pub backbone: String,
    /// True if there is a branch that pools the whole map.
    #[serde(default = "yes")]
    pub global: bool,
    /// Part counts of the branch that cuts its map into horizontal stripes. An empty list switches the branch off.
    #[serde(default = "two_and_three")]
    pub horizontal: Vec<usize>,
    /// Part counts of the branch with vertical stripes.
    #[serde(default = "two_and_three")]
    pub vertical: Vec<usize>,
    /// Part counts of the branch with concentric square rings.
    #[serde(default = "two_and_three")]
    pub ring: Vec<usize>,
    /// Number of maps before the last stage that are pooled whole as further parts, coarsest first. Early maps show textures.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub levels: usize,
    /// Length of each part's embedding.
    #[serde(default = "default_part_dim")]
    pub part_dim: usize,
    /// Pooling of each part.
    #[serde(default)]
    pub pooling: Pooling,
    /// True if all branches share one last stage instead of having a copy each. The network is then a quarter of the size and
    /// less accurate.
    #[serde(default)]
    pub shared_last_stage: bool,
    /// Stride of the last stage. 1 leaves a finer map to cut into parts.
    #[serde(default = "default_last_stride")]
    pub last_stride: usize,
    /// BNNeck (Luo et al. 2019, <https://arxiv.org/abs/1906.08332>). Losses that compare embeddings use each part before its
    /// batch norm. The identity softmax and the search use it after the norm, which has no shift.
    #[serde(default, skip_serializing_if = "is_off")]
    pub neck: bool,
    /// Attention on each branch's map before it is cut into parts.
    #[serde(default, skip_serializing_if = "Attention::is_none")]
    pub attention: Attention,
    /// Networks whose embeddings are concatenated with this network's (early fusion). Each is trained by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub joined: Vec<RetrievalConfig>,
    /// Weight of this network's cosines in the cosines of the joined embeddings, in proportion to the sum of all shares.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub share: u32,
}

/// Attention on a branch's map before it is cut into parts and pooled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Attention {
    /// No attention.
    #[default]
    None,
    /// One convolutional block attention module (CBAM) per branch. Its 7×7 window is not symmetric, so ring pooling is then
    /// not invariant to quarter turns.
    Cbam,
}

impl Attention {
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_off(flag: &bool) -> bool {
    !flag
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
pub(super) fn is_zero(value: &usize) -> bool {
    *value == 0
}

fn one() -> u32 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_one(share: &u32) -> bool {
    *share == 1
}

fn yes() -> bool {
    true
}

fn two_and_three() -> Vec<usize> {
    vec![2, 3]
}

fn default_part_dim() -> usize {
    256
}

fn default_last_stride() -> usize {
    1
}

impl RetrievalConfig {
    /// Returns the published configuration over this backbone: 16 parts of 256 values.
    pub fn published(backbone: impl Into<String>) -> Self {
        Self {
            backbone: backbone.into(),
            global: true,
            horizontal: two_and_three(),
            vertical: two_and_three(),
            ring: two_and_three(),
            levels: 0,
            part_dim: default_part_dim(),
            pooling: Pooling::default(),
            shared_last_stage: false,
            last_stride: default_last_stride(),
            neck: false,
            attention: Attention::None,
            joined: Vec::new(),
            share: one(),
        }
    }

    /// Number of parts over all branches and [`levels`](Self::levels).
    pub fn n_parts(&self) -> usize {
        let stripes_and_rings = [&self.horizontal, &self.vertical, &self.ring];
        usize::from(self.global) + stripes_and_rings.into_iter().flatten().sum::<usize>() + self.levels
    }

    /// Names of all parts in the order of the embedding, such as `ring 2/3`, also of joined networks. A joined network's parts
    /// begin with its number, such as `2: whole`.
    pub fn part_names(&self) -> Vec<String> {
        let mut names = Vec::with_capacity(self.n_parts());
        if self.global {
            names.push("whole".to_owned());
        }
        for (branch, counts) in [
            ("horizontal", &self.horizontal),
            ("vertical", &self.vertical),
            ("ring", &self.ring),
        ] {
            for count in counts {
                names.extend((1..=*count).map(|part| format!("{branch} {part}/{count}")));
            }
        }
        names.extend((1..=self.levels).map(|level| format!("level {level}")));
        for (number, joined) in (2..).zip(&self.joined) {
            names.extend(joined.part_names().into_iter().map(|name| format!("{number}: {name}")));
        }
        names
    }

    /// Length of the embedding, with the embeddings of the networks that are joined to this one.
    pub fn embedding_dim(&self) -> usize {
        self.n_parts() * self.part_dim + self.joined.iter().map(Self::embedding_dim).sum::<usize>()
    }
}

/// Pooling of the positions of a part into one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Pooling {
    /// The mean.
    Average,
    /// The maximum.
    Maximum,
    /// The sum of mean and maximum, as published.
    #[default]
    Both,
    /// Generalised mean, (mean xᵖ)^(1/p), with one learned exponent per part (Radenović et al. 2018,
    /// <https://arxiv.org/abs/1711.02512>).
    Gem,
}
