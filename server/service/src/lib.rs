//! The catalog service: products and their embeddings, the embedding queue, and HTTP.
//!
//! **Invariant:** `catalog` and `embed` do not depend on `http`.

pub mod catalog;
pub mod embed;
pub mod http;
mod line;
mod memory;
pub mod shutdown;
pub mod telemetry;
