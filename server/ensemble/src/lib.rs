//! Ensembles of networks: collect what they predicted, keep the best and most different, stack boosters on them.
//!
//! `zoo` gathers and checks predictions, `filter` chooses networks a label and fold, `stack` fits boosters by `xgboost`
//! over a `grid`, `folder` keeps them (and shares the work over machines), `predict` applies them, `report` says what it
//! was worth.

pub mod filter;
pub mod folder;
pub mod grid;
pub mod predict;
pub mod report;
mod score;
pub mod stack;
pub mod xgboost;
pub mod zoo;

pub use filter::{FilterOptions, filter};
pub use folder::{Ensemble, Origin, Shard, ZooFile};
pub use grid::Grid;
pub use predict::Bagging;
pub use report::report;
pub use stack::{FitOptions, Fitted};
pub use xgboost::XgBoost;
pub use zoo::{Zoo, collect};
