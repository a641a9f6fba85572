//! The catalog service: products and their embeddings, the embedding queue, and HTTP.
//!
//! It gives [`catalog::index`], which makes a catalog of a shop's dataset, and [`http::serve`], which serves one.
//! **Invariant:** `catalog` and `embed` do not depend on `http`.

pub mod catalog;
pub mod embed;
pub mod http;
mod job_queue;
mod memory;
mod shutdown;
pub mod telemetry;
