//! How good a model is: metrics of multi-label classification and of retrieval, each beside a trivial guess.

pub mod bootstrap;
pub mod forward;
pub mod multilabel;
pub mod retrieval;
pub mod run;
pub mod table;

pub use bootstrap::Interval;
