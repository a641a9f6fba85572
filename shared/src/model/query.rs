//! The query encoder: a network small enough for a phone that embeds photos into the space of a larger network (Budnik &
//! Avrithis 2021, "Asymmetric metric learning", <https://arxiv.org/abs/2006.16331>).
//!
//! A catalog that the larger network embedded is searched without that network. The encoder is a style network with a linear
//! head: a backbone, global average pooling and a projection to the embedding.

use super::backbone::UnknownBackbone;
use super::config::{HeadConfig, Hidden, QueryConfig};
use super::style::{NetShape, StyleNet};
use burn::tensor::Device;

impl QueryConfig {
    /// Builds the network with random weights: `[batch, 3, h, w]` → `[batch, embedding_dim]`. The direction of a row is the
    /// embedding. The length of a row means nothing.
    ///
    /// # Errors
    /// [`UnknownBackbone`] if no backbone has this name.
    pub fn init(&self, device: &Device) -> Result<StyleNet, UnknownBackbone> {
        let shape = NetShape {
            head: &HeadConfig::Style { hidden: Hidden::none() },
            dense: None,
            n_outputs: self.embedding_dim,
        };
        StyleNet::new(&self.backbone, &shape, device)
    }
}
