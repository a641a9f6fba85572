//! Metrics of classifiers, retrieval networks and segmentation networks, each with an interval and a trivial baseline.
//!
//! Each task has a folder with its options and its report. [`evaluate`] chooses the task by the bundle's architecture.

pub mod classifier;
mod evaluate;
pub mod inference;
mod operating_points;
pub mod retrieval;
pub mod segmentation;
pub mod statistics;
mod summary;

pub use evaluate::{Options, Report, evaluate, evaluate_with};
pub use operating_points::{Chosen, Effect, Rules, choose_points};
pub use statistics::Interval;
pub use summary::Summary;
