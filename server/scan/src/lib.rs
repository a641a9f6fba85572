//! Exact vector search by inner product, at the speed of memory.
//!
//! A [`Scanner`] compares every stored row with every query. Its answer is that of [`Rows::dot`] over all rows, sorted: the
//! same rows, in the same order, with the same scores. **Invariant:** an answer depends on the rows and the query alone. It
//! does not depend on the CPU, the number of threads, the segments, the [`Coarse`] codes or the other queries of a batch.
//!
//! - `simd` has the kernels, one implementation per CPU family, and all `unsafe` code.
//! - `rows` defines the inner product of a query and a stored row.
//! - `coarse` bounds that product by an inner product of integers, which reads a quarter of the bytes.
//! - `scanner` scans with the bounds, and finds the rows that may be among the best.
//! - `ranking` computes the products of these rows. Another scan can use it too, such as one on a GPU.

pub mod bitmap;
mod candidates;
pub mod coarse;
mod pass;
pub mod quantise;
pub mod ranking;
pub mod rows;
pub mod scanner;
mod segment;
pub mod simd;

pub use bitmap::Bitmap;
pub use coarse::{Bounds, Coarse, CoarseQuery, Weights};
pub use quantise::quantise;
pub use ranking::{Bounded, Hit, Ranking};
pub use rows::{Rows, ShapeError, Values};
pub use scanner::{Query, Scanner};
pub use simd::Kernels;
