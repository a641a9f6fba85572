//! Configuration of a query encoder.

use serde::{Deserialize, Serialize};

/// A query encoder's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryConfig {
    /// Name in the registry of backbones.
    pub backbone: String,
    /// Length of the embedding, at least 1: the length of the embeddings in the space that the encoder embeds into.
    pub embedding_dim: usize,
}
