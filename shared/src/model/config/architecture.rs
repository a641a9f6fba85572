//! The configuration of a network of any task.

use super::{QueryConfig, RetrievalConfig, SegmentConfig, StyleConfig};
use serde::{Deserialize, Serialize};

/// A configuration that names a whole network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "lowercase")]
pub enum Architecture {
    /// Multi-label classification.
    Style(StyleConfig),
    /// Embeddings for search.
    Retrieval(RetrievalConfig),
    /// Embeddings in the space of a retrieval network, from a network small enough for a phone.
    Query(QueryConfig),
    /// One class per pixel.
    Segment(SegmentConfig),
}

impl Architecture {
    /// Name of the task: `style`, `retrieval`, `query` or `segment`.
    pub fn task(&self) -> &'static str {
        match self {
            Self::Style(_) => "style",
            Self::Retrieval(_) => "retrieval",
            Self::Query(_) => "query",
            Self::Segment(_) => "segment",
        }
    }

    /// Name of the backbone in the registry of backbones.
    pub fn backbone(&self) -> &str {
        match self {
            Self::Style(style) => &style.backbone,
            Self::Retrieval(retrieval) => &retrieval.backbone,
            Self::Query(query) => &query.backbone,
            Self::Segment(segment) => &segment.backbone,
        }
    }
}
