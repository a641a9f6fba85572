//! Rows and queries as kernels read them.

use std::ops::Range;

/// Lanes of a sum of f32. A query of f32 is padded with zeros to a multiple of them.
pub const LANES: usize = 16;

/// Multiple to which a query of integers is padded with zeros.
pub const CODES: usize = 32;

/// Rows that a kernel reads.
#[derive(Debug, Clone)]
pub enum Pick<'a> {
    /// Adjacent rows.
    Range(Range<usize>),
    /// Any rows.
    List(&'a [u32]),
}

impl Pick<'_> {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Range(range) => range.len(),
            Self::List(list) => list.len(),
        }
    }

    /// True if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Index of the `at`-th row.
    #[inline(always)]
    pub fn row(&self, at: usize) -> usize {
        match self {
            Self::Range(range) => range.start + at,
            Self::List(list) => list[at] as usize,
        }
    }
}

/// Rows of a matrix, `[row][dim]`.
#[derive(Debug)]
pub struct Block<'a, T> {
    /// The matrix.
    pub numbers: &'a [T],
    /// Dimension of a row, at least 1.
    pub dim: usize,
    /// The rows of this block.
    pub pick: Pick<'a>,
}

impl<T> Block<'_, T> {
    pub(super) fn len(&self) -> usize {
        self.pick.len()
    }

    pub(super) fn is_scattered(&self) -> bool {
        matches!(self.pick, Pick::List(_))
    }

    #[inline(always)]
    pub(super) fn row(&self, at: usize) -> &[T] {
        let start = self.pick.row(at) * self.dim;
        &self.numbers[start..start + self.dim]
    }
}

/// Joins vectors, each padded with zeros to a multiple of `multiple`.
pub(crate) fn padded<T: Copy + Default, V: IntoIterator<Item = T>>(
    vectors: impl Iterator<Item = V>,
    multiple: usize,
) -> Vec<T> {
    let mut all = Vec::new();
    for vector in vectors {
        all.extend(vector);
        all.resize(all.len().next_multiple_of(multiple), T::default());
    }
    all
}
