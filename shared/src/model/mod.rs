//! Every model, defined once: backbones by name, the style network and the retrieval network over any of them, and
//! the segmentation network over residual ones.
//!
//! Tensors are `[batch, channels, height, width]`. Parameters carry torchvision's names on disk (see
//! [`weights`](crate::weights)), so pretrained weights of the same layout can be read.

#[cfg(feature = "backbones")]
pub mod attention;
pub mod backbone;
pub mod block;
#[cfg(feature = "backbones")]
pub mod dense;
#[cfg(feature = "backbones")]
pub mod densenet;
#[cfg(feature = "backbones")]
pub mod inception;
pub mod mobilenet;
pub mod pooling;
#[cfg(feature = "backbones")]
pub mod projection;
pub mod query;
pub mod resnet;
pub mod retrieval;
pub mod style;
#[cfg(feature = "backbones")]
pub mod unet;
#[cfg(feature = "backbones")]
pub mod xception;

pub use backbone::{Backbone, BackboneConfig, InputContract, UnknownBackbone};
#[cfg(feature = "backbones")]
pub use dense::DenseConfig;
#[cfg(feature = "backbones")]
pub use projection::Projection;
pub use query::QueryConfig;
pub use retrieval::{RetrievalConfig, RetrievalNet};
pub use style::{HeadConfig, Hidden, StyleConfig, StyleNet};
#[cfg(feature = "backbones")]
pub use unet::{SegmentConfig, UNet};

use serde::{Deserialize, Serialize};

/// A configuration that names a whole network, as recipes and bundles store it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "lowercase")]
pub enum Architecture {
    /// Multi-label classification.
    Style(StyleConfig),
    /// Embeddings for search.
    Retrieval(RetrievalConfig),
    /// Embeddings in the space of a retrieval network, from a network small enough for a phone.
    Query(QueryConfig),
    /// Classes pixel by pixel.
    #[cfg(feature = "backbones")]
    Segment(SegmentConfig),
}
