//! Inner products of a block of rows and a batch of queries, for every CPU.
//!
//! A tile of rows and queries is computed at once, so that each number that was read is used several times.

#![allow(clippy::needless_range_loop)] // Closures could keep the compiler from using the instructions.

use super::block::{Block, LANES};

/// Registers of f32, as many as hold [`LANES`] numbers. A value of the type proves that the CPU has the instructions.
pub(super) trait Floats: Copy {
    /// A register.
    type Part: Copy;
    /// Returns a register of zeros.
    fn zero(self) -> Self::Part;
    /// Reads the `part`-th register of 16 numbers.
    fn load(self, numbers: &[f32; LANES], part: usize) -> Self::Part;
    /// Computes `sum + x * y`, with one rounding after each of the two operations.
    fn add_product(self, sum: Self::Part, x: Self::Part, y: Self::Part) -> Self::Part;
    /// Adds the 16 lanes of a sum in the order of [`tree`].
    fn reduce<const P: usize>(self, sum: [Self::Part; P]) -> f32;
    /// Computes two sums as [`reduce`](Self::reduce) does.
    #[inline(always)]
    fn reduce_pair<const P: usize>(self, a: [Self::Part; P], b: [Self::Part; P]) -> [f32; 2] {
        [self.reduce(a), self.reduce(b)]
    }
    /// Starts to read `row` into the cache.
    #[inline(always)]
    fn prefetch<T>(self, row: &[T]) {
        let _ = row;
    }
}

/// Registers of integers. A value of the type proves that the CPU has the instructions.
pub(super) trait Integers<const STEP: usize>: Copy {
    /// `STEP` numbers.
    type Numbers: Copy;
    /// Partial sums.
    type Sum: Copy;
    /// Returns sums of zero.
    fn zero(self) -> Self::Sum;
    /// Reads codes of a row.
    fn row(self, codes: &[i8; STEP]) -> Self::Numbers;
    /// Reads codes of a query.
    fn query(self, codes: &[i16; STEP]) -> Self::Numbers;
    /// Adds the products of all numbers to partial sums.
    fn add_products(self, sum: Self::Sum, x: Self::Numbers, y: Self::Numbers) -> Self::Sum;
    /// Adds the partial sums.
    fn reduce(self, sum: Self::Sum) -> i32;
    /// Computes two sums as [`reduce`](Self::reduce) does.
    #[inline(always)]
    fn reduce_pair(self, a: Self::Sum, b: Self::Sum) -> [i32; 2] {
        [self.reduce(a), self.reduce(b)]
    }
    /// Starts to read `row` into the cache.
    #[inline(always)]
    fn prefetch<T>(self, row: &[T]) {
        let _ = row;
    }
}

/// Adds 16 lanes: lane `i` and `i + 8`, then `i` and `i + 4`, then `i` and `i + 2`, then the last two. The order is a part of
/// the definition of [`Rows::dot`](crate::Rows::dot).
#[inline(always)]
pub(super) fn tree(mut lanes: [f32; LANES]) -> f32 {
    for half in [8, 4, 2, 1] {
        for at in 0..half {
            lanes[at] += lanes[at + half];
        }
    }
    lanes[0]
}

/// Number of tiles between the prefetch of a row and its use.
const AHEAD: usize = 4;

/// Computes the products of `block` and `queries`, `[query][width]`, with tiles of two rows and `Q` queries.
///
/// A query's width is its dimension rounded up to a multiple of 16, and `P` registers hold 16 numbers. `out` is
/// `[query][row]`.
#[inline(always)]
pub(super) fn floats<F: Floats, const Q: usize, const P: usize>(
    cpu: F,
    block: &Block<'_, f32>,
    queries: &[f32],
    out: &mut [f32],
) {
    let (rows, width) = (block.len(), block.dim.next_multiple_of(LANES));
    let mut left = (queries, out);
    while left.0.len() >= Q * width {
        let (now, later) = (left.0.split_at(Q * width), left.1.split_at_mut(Q * rows));
        float_rows::<F, Q, P>(cpu, block, now.0, later.0);
        left = (now.1, later.1);
    }
    if Q > 2 && left.0.len() >= 2 * width {
        let (now, later) = (left.0.split_at(2 * width), left.1.split_at_mut(2 * rows));
        float_rows::<F, 2, P>(cpu, block, now.0, later.0);
        left = (now.1, later.1);
    }
    for (query, out) in left.0.chunks_exact(width).zip(left.1.chunks_exact_mut(rows)) {
        float_rows::<F, 1, P>(cpu, block, query, out);
    }
}

#[inline(always)]
fn float_rows<F: Floats, const Q: usize, const P: usize>(
    cpu: F,
    block: &Block<'_, f32>,
    queries: &[f32],
    out: &mut [f32],
) {
    let (rows, width) = (block.len(), block.dim.next_multiple_of(LANES));
    let queries: [&[f32]; Q] = std::array::from_fn(|at| &queries[at * width..(at + 1) * width]);
    for row in (0..rows.saturating_sub(1)).step_by(2) {
        if (Q == 1 || block.is_scattered()) && row + 2 * AHEAD + 1 < rows {
            cpu.prefetch(block.row(row + 2 * AHEAD));
            cpu.prefetch(block.row(row + 2 * AHEAD + 1));
        }
        let sums = float_tile::<F, 2, Q, P>(cpu, [block.row(row), block.row(row + 1)], queries);
        for query in 0..Q {
            let pair = cpu.reduce_pair(sums[query][0], sums[query][1]);
            out[query * rows + row..query * rows + row + 2].copy_from_slice(&pair);
        }
    }
    if rows % 2 == 1 {
        let sums = float_tile::<F, 1, Q, P>(cpu, [block.row(rows - 1)], queries);
        for query in 0..Q {
            out[query * rows + rows - 1] = cpu.reduce(sums[query][0]);
        }
    }
}

#[inline(always)]
fn float_tile<F: Floats, const R: usize, const Q: usize, const P: usize>(
    cpu: F,
    rows: [&[f32]; R],
    queries: [&[f32]; Q],
) -> [[[F::Part; P]; R]; Q] {
    let mut sums = [[[cpu.zero(); P]; R]; Q];
    let whole = rows[0].len() / LANES;
    let queries = queries.map(|query| query.as_chunks::<LANES>().0);
    let (heads, tails) = (
        rows.map(|row| &row.as_chunks::<LANES>().0[..whole]),
        rows.map(|row| row.as_chunks::<LANES>().1),
    );
    let fronts = queries.map(|query| &query[..whole]);
    // `heads` and `fronts` have `whole` chunks each.
    for at in 0..whole {
        for part in 0..P {
            let mut x = [cpu.zero(); R];
            for row in 0..R {
                x[row] = cpu.load(chunk(heads[row], at), part);
            }
            for query in 0..Q {
                let y = cpu.load(chunk(fronts[query], at), part);
                for row in 0..R {
                    sums[query][row][part] = cpu.add_product(sums[query][row][part], x[row], y);
                }
            }
        }
    }
    if !tails[0].is_empty() {
        let padded: [[f32; LANES]; R] = tails.map(padded);
        for part in 0..P {
            for query in 0..Q {
                let y = cpu.load(&queries[query][whole], part);
                for row in 0..R {
                    let x = cpu.load(&padded[row], part);
                    sums[query][row][part] = cpu.add_product(sums[query][row][part], x, y);
                }
            }
        }
    }
    sums
}

/// Computes the products of `block` and `queries`, `[query][width]`, with tiles of two rows and `Q` queries.
///
/// A query's width is its dimension rounded up to a multiple of [`super::block::CODES`]. `out` is `[query][row]`.
#[inline(always)]
pub(super) fn integers<I: Integers<STEP>, const Q: usize, const STEP: usize>(
    cpu: I,
    block: &Block<'_, i8>,
    queries: &[i16],
    out: &mut [i32],
) {
    let (rows, width) = (block.len(), block.dim.next_multiple_of(super::block::CODES));
    let mut left = (queries, out);
    while left.0.len() >= Q * width {
        let (now, later) = (left.0.split_at(Q * width), left.1.split_at_mut(Q * rows));
        integer_rows::<I, Q, STEP>(cpu, block, now.0, later.0);
        left = (now.1, later.1);
    }
    while Q > 2 && left.0.len() >= 2 * width {
        let (now, later) = (left.0.split_at(2 * width), left.1.split_at_mut(2 * rows));
        integer_rows::<I, 2, STEP>(cpu, block, now.0, later.0);
        left = (now.1, later.1);
    }
    for (query, out) in left.0.chunks_exact(width).zip(left.1.chunks_exact_mut(rows)) {
        integer_rows::<I, 1, STEP>(cpu, block, query, out);
    }
}

#[inline(always)]
fn integer_rows<I: Integers<STEP>, const Q: usize, const STEP: usize>(
    cpu: I,
    block: &Block<'_, i8>,
    queries: &[i16],
    out: &mut [i32],
) {
    let (rows, width) = (block.len(), block.dim.next_multiple_of(super::block::CODES));
    let queries: [&[i16]; Q] = std::array::from_fn(|at| &queries[at * width..(at + 1) * width]);
    for row in (0..rows.saturating_sub(1)).step_by(2) {
        if (Q == 1 || block.is_scattered()) && row + 2 * AHEAD + 1 < rows {
            cpu.prefetch(block.row(row + 2 * AHEAD));
            cpu.prefetch(block.row(row + 2 * AHEAD + 1));
        }
        let sums = integer_tile::<I, 2, Q, STEP>(cpu, [block.row(row), block.row(row + 1)], queries);
        for query in 0..Q {
            let pair = cpu.reduce_pair(sums[query][0], sums[query][1]);
            out[query * rows + row..query * rows + row + 2].copy_from_slice(&pair);
        }
    }
    if rows % 2 == 1 {
        let sums = integer_tile::<I, 1, Q, STEP>(cpu, [block.row(rows - 1)], queries);
        for query in 0..Q {
            out[query * rows + rows - 1] = cpu.reduce(sums[query][0]);
        }
    }
}

#[inline(always)]
fn integer_tile<I: Integers<STEP>, const R: usize, const Q: usize, const STEP: usize>(
    cpu: I,
    rows: [&[i8]; R],
    queries: [&[i16]; Q],
) -> [[I::Sum; R]; Q] {
    let mut sums = [[cpu.zero(); R]; Q];
    let whole = rows[0].len() / STEP;
    let queries = queries.map(|query| query.as_chunks::<STEP>().0);
    let (heads, tails) = (
        rows.map(|row| &row.as_chunks::<STEP>().0[..whole]),
        rows.map(|row| row.as_chunks::<STEP>().1),
    );
    let fronts = queries.map(|query| &query[..whole]);
    // `heads` and `fronts` have `whole` chunks each.
    for at in 0..whole {
        let mut x = [cpu.row(chunk(heads[0], at)); R];
        for row in 1..R {
            x[row] = cpu.row(chunk(heads[row], at));
        }
        for query in 0..Q {
            let y = cpu.query(chunk(fronts[query], at));
            for row in 0..R {
                sums[query][row] = cpu.add_products(sums[query][row], x[row], y);
            }
        }
    }
    if !tails[0].is_empty() {
        let padded: [[i8; STEP]; R] = tails.map(padded);
        for query in 0..Q {
            let y = cpu.query(&queries[query][whole]);
            for row in 0..R {
                sums[query][row] = cpu.add_products(sums[query][row], cpu.row(&padded[row]), y);
            }
        }
    }
    sums
}

/// The `at`-th chunk, which must exist. A check in the innermost loop would cost a fifth of its time.
#[inline(always)]
fn chunk<T, const N: usize>(chunks: &[[T; N]], at: usize) -> &[T; N] {
    debug_assert!(at < chunks.len());
    // SAFETY: all callers pass slices of `whole` chunks and an `at` from `0..whole`.
    unsafe { chunks.get_unchecked(at) }
}

/// Copies fewer than `N` numbers and fills up with zeros.
#[inline(always)]
fn padded<T: Copy + Default, const N: usize>(tail: &[T]) -> [T; N] {
    let mut padded = [T::default(); N];
    padded[..tail.len()].copy_from_slice(tail);
    padded
}
