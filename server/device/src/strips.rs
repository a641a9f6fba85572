//! Rows and queries of an exact search on a device.

use burn::tensor::{Int, Tensor};

/// Rows of a strip. The kernel of exact search keeps the greatest bound of each strip.
pub const STRIP: usize = 64;
/// Multiple of the rows that the kernel of exact search reads.
pub const STRIP_ROWS: usize = 4 * STRIP;
/// Multiple of the width of the rows that the kernel of exact search reads.
pub const STRIP_WIDTH: usize = 64;
/// True if the build has the kernel of exact search.
pub const HAS_STRIPS: bool = cfg!(feature = "cuda");

/// Codes of rows and queries on a device.
#[derive(Debug, Clone, Copy)]
pub struct Strips<'a> {
    /// Codes of the rows, `[rows, width]`, int8. `rows` is a multiple of [`STRIP_ROWS`], and `width` of [`STRIP_WIDTH`].
    pub codes: &'a Tensor<2, Int>,
    /// Digits of the queries' codes, `[2 * queries, width]`, int8: the high digits of all queries, then the low ones. A code is 256
    /// times the high digit plus the low one.
    pub digits: &'a Tensor<2, Int>,
    /// Factors of the products, `[queries, 1]`.
    pub factors: &'a Tensor<2>,
    /// Scales of the rows, `[1, rows]`.
    pub scales: &'a Tensor<2>,
    /// Numbers to add to the bounds, `[1, rows]`.
    pub errors: &'a Tensor<2>,
}
