//! Networks that browsers run, their layers, and the configurations of all networks. Each model is defined once.
//!
//! The registry of backbones maps names to configurations. A style network and a query encoder can have any backbone. The
//! networks that run on servers alone are in [`server_models`](crate::server_models).
//!
//! Tensors are `[batch, channels, height, width]`. In files, parameters have torchvision's names (see [`keys`]), so that
//! pretrained weights of the same layout can be read.

pub mod attention;
pub mod backbone;
pub mod block;
pub mod config;
pub mod contract;
pub mod efficientnet_lite;
pub mod keys;
pub mod mobilenet;
pub mod norm;
mod packed_lite;
pub(crate) mod pooling;
pub mod query;
pub mod resnet;
pub(crate) mod retrieval;
mod stages;
pub mod style;
pub mod unet;

pub use backbone::{Backbone, BackboneConfig, UnknownBackbone};
pub use config::{
    Architecture, Attention, DenseConfig, HeadConfig, Hidden, PartsConfig, Pooling, QueryConfig, RetrievalConfig,
    SegmentConfig, StyleConfig,
};
pub use contract::InputContract;
pub use pooling::ring_parts;
pub use query::QueryNet;
pub use retrieval::{Parts, RetrievalNet};
pub use style::StyleNet;
pub use unet::UNet;
