//! The query encoder: a network small enough for a phone that answers with embeddings in a larger network's space, so
//! that a gallery embedded by the large network is searched without it (Budnik & Avrithis 2021, "Asymmetric metric
//! learning", <https://arxiv.org/abs/2006.16331>).
//!
//! It is the style student's network with a linear head: a backbone, global average pooling, and a projection to the
//! values of the embedding. Whoever runs both in a browser runs the same code.

use super::backbone::UnknownBackbone;
use super::style::{HeadConfig, Hidden, StyleConfig, StyleNet};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

/// A query encoder's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryConfig {
    /// Name in the registry of backbones.
    pub backbone: String,
    /// Length of the embedding: that of the space it is projected into, at least 1.
    pub embedding_dim: usize,
}

impl QueryConfig {
    /// The network with random weights: `[batch, 3, h, w]` → `[batch, embedding_dim]`, whose direction is the embedding;
    /// its length means nothing.
    ///
    /// # Errors
    /// [`UnknownBackbone`].
    pub fn init(&self, device: &Device) -> Result<StyleNet, UnknownBackbone> {
        StyleConfig {
            backbone: self.backbone.clone(),
            head: HeadConfig::Style { hidden: Hidden::none() },
            #[cfg(feature = "backbones")]
            dense: None,
            #[cfg(feature = "backbones")]
            per_label: false,
            n_labels: self.embedding_dim,
        }
        .init(device)
    }
}
