//! Training: recipes, runs that can be resumed, and one loop for every task.

pub mod average;
pub mod batch;
pub mod checkpoint;
mod contract;
pub mod distill;
pub mod embedding_loss;
pub mod engine;
pub mod export;
pub mod loss;
pub mod mixup;
pub mod optimiser;
pub mod plan;
pub mod position;
pub mod query;
pub mod recipe;
pub mod recolour;
pub mod retrieval;
pub mod run_report;
pub mod sampling;
pub mod schedule;
pub mod segment;
pub mod stage;
pub mod style;

pub use recipe::Recipe;
