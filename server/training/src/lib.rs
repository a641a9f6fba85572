//! Training: recipes, resumable runs, and one training loop for every task.
//!
//! [`train`] trains a [`Recipe`] and [`dry_run`] describes what it would do. [`run_report`] writes the report of a run, and
//! [`join::join`] joins retrieval bundles. The losses are public for comparison with other implementations.

mod average;
mod batch;
mod checkpoint;
mod classifier;
mod clip;
mod dense_loss;
mod dry_run;
pub mod embedding_loss;
mod engine;
mod export;
mod group_loss;
mod input_check;
pub mod join;
mod labelled;
pub mod loss;
mod memory;
mod mixup;
mod network;
mod objective;
mod optimiser;
mod parameters;
mod progress;
mod read;
pub mod recipe;
mod recolour;
pub mod run_report;
mod sampling;
mod schedule;
mod shares;
mod sources;
mod stage;
mod task;
mod teacher;
mod train;

pub use dry_run::dry_run;
pub use labelled::Labelled;
pub use recipe::Recipe;
pub use train::{TrainOptions, train};
