//! Stored rows, and the inner product of a query and a row.

use half::f16;
use half::slice::HalfFloatSliceExt;
use thiserror::Error;

use crate::simd::{Block, Kernels, LANES, Pick, padded};

/// Numbers of a matrix, `[row][dim]`.
#[derive(Debug, Clone, Copy)]
pub enum Values<'a> {
    /// Four bytes per number.
    F32(&'a [f32]),
    /// Two bytes per number.
    F16(&'a [f16]),
    /// One byte per number. A number is its code times the scale of its row.
    Int8 {
        /// Codes, `[row][dim]`.
        codes: &'a [i8],
        /// Scales, `[row]`.
        scales: &'a [f32],
    },
}

/// Error of numbers that are not a matrix, or of matrices that do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{numbers} numbers are not {expected}")]
pub struct ShapeError {
    /// Number of numbers.
    pub numbers: usize,
    /// The expected shape.
    pub expected: String,
}

/// Rows of one dimension.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    values: Values<'a>,
    dim: usize,
    len: usize,
}

impl<'a> Rows<'a> {
    /// Borrows rows of `dim` numbers.
    ///
    /// # Errors
    /// If the numbers are not whole rows, or the number of scales differs from the number of rows.
    pub fn new(dim: usize, values: Values<'a>) -> Result<Self, ShapeError> {
        let numbers = match values {
            Values::F32(numbers) => numbers.len(),
            Values::F16(numbers) => numbers.len(),
            Values::Int8 { codes, .. } => codes.len(),
        };
        let len = numbers.checked_div(dim).unwrap_or(0);
        let scales = match values {
            Values::Int8 { scales, .. } => scales.len(),
            _ => len,
        };
        if len * dim != numbers || scales != len {
            let expected = format!("rows of {dim} numbers with {scales} scales");
            return Err(ShapeError { numbers, expected });
        }
        Ok(Self { values, dim, len })
    }

    /// Dimension of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The numbers.
    pub(crate) fn values(&self) -> Values<'a> {
        self.values
    }

    /// Computes the inner product of `query`, `[dim]`, and a row, with one order of f32 operations on all CPUs.
    ///
    /// Lane `i` of 16 adds the products of the numbers `i`, `i + 16`, …, each product and each sum rounded to f32. The lanes
    /// are added pairwise: `i` and `i + 8`, then 4, 2 and 1 apart. Numbers that are stored in fewer bytes are converted
    /// first. The scale of int8 is applied to the sum.
    ///
    /// # Panics
    /// If `query` has another dimension, or there is no such row.
    pub fn dot(&self, query: &[f32], row: usize) -> f32 {
        let (query, mut out) = (padded(std::iter::once(query.iter().copied()), LANES), [0.0]);
        let pick = Pick::Range(row..row + 1);
        self.products(Kernels::best(), pick, &query, &mut Vec::new(), &mut out);
        out[0]
    }

    /// Computes the products of rows and padded queries, `[query][row]`, as [`dot`](Self::dot) does.
    pub(crate) fn products(
        &self,
        kernels: Kernels,
        pick: Pick<'_>,
        queries: &[f32],
        buffer: &mut Vec<f32>,
        out: &mut [f32],
    ) {
        let (dim, rows) = (self.dim, pick.len());
        if let Values::F32(numbers) = self.values {
            return kernels.products(&Block { numbers, dim, pick }, queries, out);
        }
        buffer.resize(rows * dim, 0.0);
        for (at, buffer) in buffer.chunks_exact_mut(dim.max(1)).enumerate() {
            self.expand(pick.row(at), buffer);
        }
        let block = Block {
            numbers: buffer,
            dim,
            pick: Pick::Range(0..rows),
        };
        kernels.products(&block, queries, out);
        if let Values::Int8 { scales, .. } = self.values {
            for products in out.chunks_exact_mut(rows.max(1)) {
                for (at, product) in products.iter_mut().enumerate() {
                    *product *= scales[pick.row(at)];
                }
            }
        }
    }

    /// Converts the stored numbers of a row, without the scale of int8.
    fn expand(&self, row: usize, buffer: &mut [f32]) {
        let range = row * self.dim..(row + 1) * self.dim;
        match self.values {
            Values::F32(numbers) => buffer.copy_from_slice(&numbers[range]),
            Values::F16(numbers) => numbers[range].convert_to_f32_slice(buffer),
            Values::Int8 { codes, .. } => buffer
                .iter_mut()
                .zip(&codes[range])
                .for_each(|(number, code)| *number = f32::from(*code)),
        }
    }

    /// Converts a row to f32. Returns the scale of its numbers.
    pub(crate) fn read(&self, row: usize, buffer: &mut [f32]) -> f32 {
        self.expand(row, buffer);
        match self.values {
            Values::Int8 { scales, .. } => scales[row],
            _ => 1.0,
        }
    }
}
