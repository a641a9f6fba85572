//! Configuration of a query encoder.

use super::retrieval::{Pooling, RetrievalConfig, RetrievalConfigError, is_zero};
use serde::{Deserialize, Serialize};

/// A query encoder's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryConfig {
    /// Name in the registry of backbones.
    pub backbone: String,
    /// Length of the embedding, at least 1: the length of the embeddings in the space that the encoder embeds into.
    pub embedding_dim: usize,
    /// Parts of the encoder's map, as in a retrieval network. Without them the whole map is averaged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<PartsConfig>,
}

/// Parts that a query encoder cuts its map into. If their vectors together are shorter or longer than the embedding, a linear
/// layer follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PartsConfig {
    /// True if the whole map is a part.
    pub global: bool,
    /// Numbers of horizontal stripes.
    pub horizontal: Vec<usize>,
    /// Numbers of vertical stripes.
    pub vertical: Vec<usize>,
    /// Numbers of concentric square rings.
    pub ring: Vec<usize>,
    /// Number of maps before the last stage that are pooled whole as further parts.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub levels: usize,
    /// Length of each part's vector.
    pub part_dim: usize,
    /// Pooling of each part.
    #[serde(default)]
    pub pooling: Pooling,
    /// Stride of the last stage.
    pub last_stride: usize,
}

/// Errors of building a query encoder.
pub type QueryConfigError = RetrievalConfigError;

impl PartsConfig {
    /// Returns the parts of a retrieval network, so that an encoder can learn each of them.
    pub fn of(config: &RetrievalConfig) -> Self {
        Self {
            global: config.global,
            horizontal: config.horizontal.clone(),
            vertical: config.vertical.clone(),
            ring: config.ring.clone(),
            levels: config.levels,
            part_dim: config.part_dim,
            pooling: config.pooling,
            last_stride: config.last_stride,
        }
    }

    /// Returns the retrieval network that computes the parts over a backbone. All branches share its last stage.
    pub(crate) fn network(&self, backbone: &str) -> RetrievalConfig {
        RetrievalConfig {
            global: self.global,
            horizontal: self.horizontal.clone(),
            vertical: self.vertical.clone(),
            ring: self.ring.clone(),
            levels: self.levels,
            part_dim: self.part_dim,
            pooling: self.pooling,
            last_stride: self.last_stride,
            shared_last_stage: true,
            ..RetrievalConfig::published(backbone)
        }
    }
}
