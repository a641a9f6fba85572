//! Ensembles of networks: boosters that are stacked on the predictions of many networks.
//!
//! `collect` and `prediction_set` read and check predictions. `filter` chooses networks per label and fold. `stack` fits boosters with
//! `xgboost` over a `grid`. `folder` stores them, and divides a fit over machines. `predict` applies them. `report` compares
//! them with simpler methods.

mod collect;
pub mod filter;
pub mod folder;
pub mod grid;
mod predict;
mod prediction_set;
mod report;
mod score;
mod shard;
mod stack;
mod xgboost;

pub use collect::collect;
pub use filter::{FilterOptions, filter};
pub use folder::{Ensemble, Origin, PredictionSetFile};
pub use grid::Grid;
pub use predict::Bagging;
pub use prediction_set::{Candidate, PredictionSet, Sample, Split};
pub use report::{MethodMetrics, Report, report};
pub use shard::Shard;
pub use stack::{FitOptions, LabelModel, Predictor};
pub use xgboost::{Booster, Matrix, XgBoost};
