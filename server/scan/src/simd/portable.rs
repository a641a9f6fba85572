//! Kernels for every CPU, in plain Rust.

use super::block::{Block, LANES};
use super::tile::{Floats, Integers, floats, integers, tree};

/// Arithmetic that every CPU has.
#[derive(Clone, Copy)]
pub(super) struct Portable;

impl Floats for Portable {
    type Part = [f32; LANES];

    #[inline(always)]
    fn zero(self) -> Self::Part {
        [0.0; LANES]
    }

    #[inline(always)]
    fn load(self, numbers: &[f32; LANES], _part: usize) -> Self::Part {
        *numbers
    }

    #[inline(always)]
    fn add_product(self, sum: Self::Part, x: Self::Part, y: Self::Part) -> Self::Part {
        std::array::from_fn(|lane| sum[lane] + x[lane] * y[lane])
    }

    #[inline(always)]
    fn reduce<const P: usize>(self, sum: [Self::Part; P]) -> f32 {
        tree(sum[0])
    }
}

impl Integers<16> for Portable {
    type Numbers = [i16; 16];
    type Sum = [i32; 8];

    #[inline(always)]
    fn zero(self) -> Self::Sum {
        [0; 8]
    }

    #[inline(always)]
    fn row(self, codes: &[i8; 16]) -> Self::Numbers {
        codes.map(i16::from)
    }

    #[inline(always)]
    fn query(self, codes: &[i16; 16]) -> Self::Numbers {
        *codes
    }

    #[inline(always)]
    fn add_products(self, sum: Self::Sum, x: Self::Numbers, y: Self::Numbers) -> Self::Sum {
        let product = |at: usize| i32::from(x[at]) * i32::from(y[at]);
        std::array::from_fn(|lane| sum[lane] + (product(2 * lane) + product(2 * lane + 1)))
    }

    #[inline(always)]
    fn reduce(self, sum: Self::Sum) -> i32 {
        sum.iter().sum()
    }
}

pub(super) fn floats_of(block: &Block<'_, f32>, queries: &[f32], out: &mut [f32]) {
    floats::<_, 1, 1>(Portable, block, queries, out);
}

pub(super) fn integers_of(block: &Block<'_, i8>, queries: &[i16], out: &mut [i32]) {
    integers::<_, 1, 16>(Portable, block, queries, out);
}
