//! Configurations of whole networks, as recipes and bundles store them.
//!
//! They are data alone. Browsers read all of them, so that a browser can name the task of a bundle that it does not run.

mod architecture;
mod query;
mod retrieval;
mod segment;
mod style;

pub use architecture::Architecture;
pub use query::{PartsConfig, QueryConfig, QueryConfigError};
pub use retrieval::{Attention, Pooling, RetrievalConfig, RetrievalConfigError};
pub use segment::{SegmentConfig, SegmentConfigError, UNLABELLED};
pub use style::{DenseConfig, HeadConfig, Hidden, NoUnits, StyleConfig, StyleConfigError};
