//! Exact vector search on the CPU or a GPU: storage of embeddings, top-k, re-ranking, whitening and normalisation to unit length.
//!
//! **Invariant:** evaluation and service use the same code. A result depends on the data alone, not on the number of threads.

mod at_least;
pub mod device;
pub mod gallery;
mod options;
pub mod parts;
pub mod rerank;
pub mod storage;
mod unit;
pub mod whitening;

pub use device::{DeviceScan, SearchDevice};
pub use gallery::Gallery;
pub use options::{Match, SearchOptions};
pub use parts::Parts;
pub use rerank::{Rerank, Reranking};
pub use storage::{Block, MappedRows, Storage, Stored};
pub use unit::unit;
