//! Exact vector search: storage of embeddings, top-k, re-ranking, whitening, unit length.
//!
//! **Invariant:** evaluation and service call the same code, and a result depends on the data alone.

pub mod gallery;
pub mod rerank;
pub mod storage;
mod top;
pub mod unit;
pub mod whitening;

pub use gallery::{Gallery, Match, SearchOptions};
pub use rerank::Rerank;
pub use storage::{Storage, Stored};
pub use unit::unit;
