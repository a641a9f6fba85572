//! Networks that browsers run, their layers, and the configurations of all networks. Each model is defined once.
//!
//! The registry of backbones maps names to configurations. A style network and a query encoder can have any backbone. The
//! networks that run on servers alone are in [`server_models`](crate::server_models).
//!
//! Tensors are `[batch, channels, height, width]`. In files, parameters have torchvision's names (see [`keys`]), so that
//! pretrained weights of the same layout can be read.

pub mod backbone;
pub mod block;
pub mod config;
pub mod contract;
pub mod efficientnet_lite;
pub mod keys;
pub mod mobilenet;
pub mod query;
pub mod resnet;
pub mod style;

pub use backbone::{Backbone, BackboneConfig, UnknownBackbone};
pub use config::{
    Architecture, Attention, DenseConfig, HeadConfig, Hidden, Pooling, QueryConfig, RetrievalConfig, SegmentConfig,
    StyleConfig,
};
pub use contract::InputContract;
pub use style::StyleNet;
