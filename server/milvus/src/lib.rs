//! A vector engine over a Milvus server, for catalogs that one machine cannot search fast enough.
//!
//! # Exactness
//!
//! * A collection has the index `FLAT` with the metric `IP`. So Milvus compares every vector that the condition admits, and it
//!   stores 32-bit floats. Searches and queries have the consistency level `Strong`.
//! * Milvus may round an inner product in another order than `scan` does, and differently per batch. So the engine reads the
//!   vectors of the candidates and computes their scores again with `scan::Rows::dot`. Candidates are read until no other
//!   product can belong to the hits, with a margin for the rounding of both sides.
//! * The engine groups the rows by product, and does not rely on the grouping of Milvus.
//! * So the hits, their scores and their order are those of `engine::ExactEngine`. The exceptions are in [`MilvusEngine`].
//!
//! # Failures
//!
//! * A request that does not end within [`MilvusOptions::timeout`] fails with `EngineError::Away`. Repetitions are included.
//! * After [`MilvusOptions::failures`] failures in a row, requests fail at once for [`MilvusOptions::pause`]. Then one request
//!   tries again.
//!
//! # Parts
//!
//! - `client` is the only file that uses the SDK. Another version of Milvus changes this file only.
//! - `server` repeats requests. `circuit` decides if a request may be sent.
//! - `expression` writes conditions in the language of Milvus.
//! - `row` converts products to rows.
//! - `search` reads candidates until the hits are certain.
//! - `engine` implements the trait.

mod answer;
mod circuit;
mod client;
mod engine;
mod expression;
mod options;
mod row;
mod search;
mod server;

pub use engine::MilvusEngine;
pub use options::MilvusOptions;
