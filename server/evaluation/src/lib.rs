//! Metrics of multi-label classification, retrieval and segmentation, each next to a trivial guess.

pub mod asymmetric;
pub mod bootstrap;
pub mod calibration;
pub mod categories;
pub mod classification;
pub mod exclusive;
pub mod floor;
pub mod forward;
pub mod fusion;
pub mod gap;
pub mod instances;
pub mod lbfgsb;
pub mod multilabel;
pub mod outcomes;
pub mod points;
pub mod precise;
pub mod ranking;
pub mod retrieval;
pub mod run;
pub mod search;
pub mod segment;
pub mod segmenter;
pub mod thresholds;
pub mod views;
pub mod whiten;

pub use bootstrap::Interval;
