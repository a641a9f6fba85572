//! Exact search on a device of Burn, such as a GPU.
//!
//! The device multiplies the int8 codes of the rows and the codes of the queries as matrices, and turns the products into upper
//! bounds of the scores. The CPU computes the scores of the few rows whose bounds are great enough. **Invariant:** the hits are
//! those of [`scan::Scanner`], and their scores have the same bits.
//!
//! - `codes` has the rows of a block in the device's memory.
//! - `queries` has the numbers of a batch of queries.
//! - `bounds` computes the upper bounds, and checks the arithmetic of a device.
//! - `search` searches with the bounds.
//!
//! A code of a query is 256·h + l with integers h from −128 to 128 and l from −128 to 127. All of these integers, and the codes
//! of the rows, are exact in f32, TF32, f16 and bf16. A sum of at most 1,024 of their products is at most 2²⁴ in magnitude, and
//! so is each of its partial sums. All integers up to 2²⁴ are exact in f32. So the order of the summation does not matter, and
//! the sum is that of the CPU.

mod bounds;
pub(crate) mod codes;
mod queries;
mod search;
#[cfg(test)]
mod tests;

pub use bounds::SearchDevice;
pub use search::DeviceScan;
pub(crate) use search::search;
