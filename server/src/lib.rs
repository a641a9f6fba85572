//! Selvedge's server side: datasets, training, evaluation, the catalogue and its service.
//!
//! **Invariant:** `train`, `evaluate` and `ensemble` know no HTTP; `http` reaches models only through `embed` and `catalog`.

pub mod ablate;
pub mod bundle_io;
pub mod catalog;
pub mod cli;
pub mod data;
pub mod device;
pub mod embed;
pub mod ensemble;
pub mod evaluate;
pub mod http;
mod line;
mod memory;
pub mod pretrained;
pub mod render;
pub mod report;
pub mod segmenter;
pub mod shutdown;
pub mod telemetry;
pub mod train;
