//! Exact search on a device of Burn, such as a GPU.
//!
//! The device multiplies the int8 codes of the rows and the codes of the queries, turns the products into upper bounds of the
//! scores, and keeps the greatest bound of each strip of 64 rows. The CPU computes the scores of the rows in the few strips whose
//! bounds are great enough. **Invariant:** the hits are those of [`scan::Scanner`], and their scores have the same bits.
//!
//! - `codes` has the rows of a block in the device's memory.
//! - `queries` has the numbers of a batch of queries.
//! - `bounds` computes the upper bounds, and checks the arithmetic of a device. On an NVIDIA GPU, one kernel of the package `device`
//!   reads the codes once. Elsewhere, operations of Burn compute the bounds.
//! - `search` searches with the bounds.
//!
//! A code of a query is 256·h + l with integers h and l from −128 to 127, its digits. The kernel sums their products with the codes
//! of the rows as integers. The operations of Burn sum them as f32: the digits and the codes are exact in f32, TF32, f16 and bf16. A
//! sum of at most 1,024 of their products is at most 2²⁴ in magnitude, and so is each of its partial sums. All integers up to 2²⁴ are
//! exact in f32. So the order of the summation does not matter, and the sum is that of the CPU.

mod bounds;
pub(crate) mod codes;
mod queries;
mod search;
#[cfg(test)]
mod tests;

pub use bounds::SearchDevice;
pub use search::DeviceScan;
pub(crate) use search::search;
