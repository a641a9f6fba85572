//! Bounds of inner products by products of integers.
//!
//! A row x is approximated by s·c with integers c from −127 to 127, and a query q by t·g with integers g from −32639 to
//! 32639. Let d = x − s·c and e = q − t·g. Then
//!
//! > q·x − (t·g)·(s·c) = e·x + (t·g)·d,
//!
//! and, with the inequality of Cauchy and Schwarz, its magnitude is at most ‖e‖‖x‖ + ‖t·g‖‖d‖. Three rounding errors join it,
//! where u = 2⁻²⁴ is the unit of rounding:
//!
//! 1. [`Rows::dot`] rounds. A product passes through at most m = ⌈dim / 16⌉ + 6 roundings, so its error is at most
//!    m·u / (1 − m·u)·‖q‖‖x‖ (Higham 2002, chapter 3; |q|·|x| ≤ ‖q‖‖x‖).
//! 2. The estimate, fl(fl(fl(g·c)·s)·t), has three roundings: less than 4u·‖t·g‖‖s·c‖, where ‖s·c‖ ≤ ‖x‖ + ‖d‖.
//! 3. The sum of the estimate and the bound has one: u times the magnitude of both.
//!
//! So |`Rows::dot` − estimate| ≤ A‖x‖ + B‖d‖ with A = ‖e‖ + 2(m + 2)u‖q‖ + 8u‖t·g‖ and B = (1 + 8u)‖t·g‖. The norms are
//! computed in f64. A, B, ‖x‖ and ‖d‖ are then increased by a factor of 1 + 2⁻¹⁸ before they are rounded to f32, which covers
//! the rounding of the f64 sums and of the evaluation of the bound.
//!
//! The argument needs that nothing overflows and that underflow is negligible. So it is used only if ‖q‖ lies between 10⁻¹²
//! and 10¹². A row outside of this range, or with a number that is not finite, has an infinite bound and is always compared
//! exactly. A row of zeros has the product 0 and needs no bound. Absolute errors of underflow are less than dim·2⁻¹⁴⁸, far
//! below u‖q‖‖x‖ ≥ 2⁻²⁴·10⁻²⁴, which the factor 2 in A leaves free.

use std::ops::Range;

use rayon::prelude::*;

use crate::rows::{Rows, Values};
use crate::simd::{CODES, padded};

/// Range of norms whose products neither overflow nor underflow.
const NORMS: Range<f64> = 1e-12..1e12;
/// Greatest magnitude of a code of a row.
const ROW_CODE: f32 = 127.0;
/// Greatest magnitude of a code of a query: 127·256 + 127, so that a code has two digits of one byte.
const QUERY_CODE: f64 = 32639.0;
/// Maximum sum of the magnitudes of a query's codes, a little less than 2³¹ / 128.
const QUERY_SUM: f64 = 16_000_000.0;
/// Maximum dimension. The rounding of a query's codes adds at most a half per number to [`QUERY_SUM`].
const DIM: usize = 1 << 20;
/// Unit of rounding of f32.
const UNIT: f64 = 1.0 / (1 << 24) as f64;
/// Factor that covers rounding errors of a bound itself.
const COVER: f64 = 1.0 + 1.0 / (1 << 18) as f64;

/// Codes and bounds of rows, `[row]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Coarse {
    /// Codes, `[row][dim]`. Empty if the rows are stored as int8.
    codes: Vec<i8>,
    /// Scales of `codes`. Empty if the rows are stored as int8.
    scales: Vec<f32>,
    /// Upper bounds of the norms. Infinite if the row must be compared exactly.
    norms: Vec<f32>,
    /// Upper bounds of the norms of the errors. Empty if the rows are stored as int8, which has no error.
    errors: Vec<f32>,
    dim: usize,
}

/// Codes and bounds of a part of the rows.
#[derive(Debug, Clone, Copy)]
pub struct Bounds<'a> {
    /// Codes, `[row][dim]`.
    pub codes: &'a [i8],
    /// Scales of the codes.
    pub scales: &'a [f32],
    /// Upper bounds of the norms. Infinite if the row must be compared exactly.
    pub norms: &'a [f32],
    /// Upper bounds of the norms of the errors. Empty if there are no errors.
    pub errors: &'a [f32],
}

impl Coarse {
    /// Computes the codes and bounds of `rows`, on all threads.
    pub fn new(rows: &Rows<'_>) -> Self {
        let (dim, len) = (rows.dim(), rows.len());
        let mut coarse = Self {
            codes: Vec::new(),
            scales: Vec::new(),
            norms: vec![0.0; len],
            errors: Vec::new(),
            dim,
        };
        if let Values::Int8 { codes, scales } = rows.values() {
            let norms = coarse.norms.par_iter_mut().with_min_len(256).enumerate();
            norms.for_each(|(row, norm)| *norm = stored_norm(&codes[row * dim..(row + 1) * dim], scales[row]));
            return coarse;
        }
        coarse.codes = vec![0; len * dim];
        coarse.scales = vec![0.0; len];
        coarse.errors = vec![0.0; len];
        let numbers = (&mut coarse.norms, &mut coarse.scales, &mut coarse.errors).into_par_iter();
        let codes = coarse.codes.par_chunks_exact_mut(dim.max(1));
        let all = codes.zip(numbers).enumerate().with_min_len(256);
        all.for_each_init(
            || vec![0.0; dim],
            |buffer, (row, (codes, (norm, scale, error)))| {
                rows.read(row, buffer);
                (*norm, *scale, *error) = encode(buffer, codes);
            },
        );
        coarse
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.norms.len()
    }

    /// True if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.norms.is_empty()
    }

    /// Dimension of the rows.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Size in memory, in bytes.
    pub fn bytes(&self) -> usize {
        self.codes.len() + 4 * (self.scales.len() + self.norms.len() + self.errors.len())
    }

    /// Codes and bounds of all `rows`, from which this was computed.
    pub fn bounds<'a>(&'a self, rows: &Rows<'a>) -> Bounds<'a> {
        let (codes, scales) = match rows.values() {
            Values::Int8 { codes, scales } => (codes, scales),
            _ => (&self.codes[..], &self.scales[..]),
        };
        Bounds {
            codes,
            scales,
            norms: &self.norms,
            errors: &self.errors,
        }
    }
}

/// Sum of squares, in an order that the compiler can vectorise.
fn square_sum(numbers: impl ExactSizeIterator<Item = f64>) -> f64 {
    let mut sums = [0.0; 8];
    for (at, number) in numbers.enumerate() {
        sums[at % 8] += number * number;
    }
    sums.iter().sum()
}

/// Rounds a norm up; infinite if the row must be compared exactly.
fn upper_norm(norm: f64) -> f32 {
    if norm == 0.0 || NORMS.contains(&norm) {
        (norm * COVER) as f32
    } else {
        f32::INFINITY
    }
}

fn stored_norm(codes: &[i8], scale: f32) -> f32 {
    let sum: i64 = codes
        .iter()
        .map(|code| i64::from(i32::from(*code) * i32::from(*code)))
        .sum();
    match sum {
        0 if scale.is_finite() => 0.0,
        _ => match upper_norm((sum as f64).sqrt() * f64::from(scale).abs()) {
            // A scale of zero or one that underflows.
            0.0 => f32::INFINITY,
            norm => norm,
        },
    }
}

/// Writes the codes of a row. Returns its norm, scale and error.
fn encode(row: &[f32], codes: &mut [i8]) -> (f32, f32, f32) {
    let norm = upper_norm(square_sum(row.iter().map(|number| f64::from(*number))).sqrt());
    if norm == 0.0 || norm.is_infinite() {
        codes.fill(0);
        return (norm, 0.0, 0.0);
    }
    let greatest = row.iter().fold(0.0f32, |most, number| most.max(number.abs()));
    let (scale, inverse) = (greatest / ROW_CODE, ROW_CODE / greatest);
    // The sum's last byte is the nearest integer as two's complement, because the sum lies between 2²³ and 2²⁴.
    let magic = 12_582_912.0_f32;
    for (code, number) in codes.iter_mut().zip(row) {
        *code = (number * inverse + magic).to_bits() as i8;
    }
    let pairs = row.iter().zip(&*codes);
    let error = square_sum(pairs.map(|(number, code)| f64::from(*number) - f64::from(scale) * f64::from(*code))).sqrt();
    (norm, scale, (error * COVER) as f32)
}

/// Codes and bounds of a query. With them a caller can compute the inner products of the codes by other means than the kernels
/// of this package, and still bound [`Rows::dot`].
#[derive(Debug, Clone)]
pub struct CoarseQuery {
    /// Codes, padded to a multiple of [`CODES`].
    pub(crate) codes: Vec<i16>,
    step: f32,
    per_norm: f32,
    per_error: f32,
}

impl CoarseQuery {
    /// Computes codes; `None` if the bounds do not hold for the query.
    pub fn new(query: &[f32]) -> Option<Self> {
        let wide = || query.iter().map(|number| f64::from(*number));
        let norm = square_sum(wide()).sqrt();
        if !NORMS.contains(&norm) || query.len() > DIM {
            return None;
        }
        let greatest = wide().fold(0.0, |most: f64, number| most.max(number.abs()));
        let sum: f64 = wide().map(f64::abs).sum();
        let step = (greatest / QUERY_CODE).max(sum / (QUERY_SUM - DIM as f64 / 2.0)) * COVER;
        let step = step as f32;
        let exact_step = f64::from(step);
        let codes: Vec<i16> = wide().map(|number| (number / exact_step).round() as i16).collect();
        let kept = |code: &i16| exact_step * f64::from(*code);
        let error = square_sum(
            query
                .iter()
                .zip(&codes)
                .map(|(number, code)| f64::from(*number) - kept(code)),
        )
        .sqrt();
        let kept = square_sum(codes.iter().map(kept)).sqrt();
        let roundings = query.len().div_ceil(16) as f64 + 8.0;
        Some(Self {
            codes: padded(std::iter::once(codes), CODES),
            step,
            per_norm: ((error + 2.0 * roundings * UNIT * norm + 8.0 * UNIT * kept) * COVER) as f32,
            per_error: (kept * (1.0 + 8.0 * UNIT) * COVER) as f32,
        })
    }

    /// Codes from −32639 to 32639, followed by zeros up to a multiple of [`CODES`]. The inner product with the codes of any row,
    /// and each of its partial sums, is less than 2³¹ in magnitude.
    pub fn codes(&self) -> &[i16] {
        &self.codes
    }

    /// Weights for rows with or without errors.
    pub fn weights(&self, has_errors: bool) -> Weights {
        Weights {
            step: self.step,
            per_norm: self.per_norm,
            per_error: if has_errors { self.per_error } else { 0.0 },
        }
    }
}

/// Numbers of a query that turn those of a row into bounds.
#[derive(Debug, Clone, Copy)]
pub struct Weights {
    /// Factor of the query's codes, greater than 0.
    pub step: f32,
    /// Bound of the error per unit of a row's norm.
    pub per_norm: f32,
    /// Bound of the error per unit of the norm of a row's error. 0 for rows without errors.
    pub per_error: f32,
}

impl Weights {
    /// Returns an estimate of the inner product with a row, and the bound of its error. `product` is the inner product of the
    /// codes. The other numbers are those of the row in [`Bounds`]. If the estimate or the bound is not finite, nothing is known.
    #[inline(always)]
    pub fn estimate(self, product: i32, scale: f32, norm: f32, error: f32) -> (f32, f32) {
        (
            product as f32 * scale * self.step,
            norm * self.per_norm + error * self.per_error,
        )
    }
}

#[cfg(test)]
mod tests {
    use half::f16;
    use proptest::prelude::*;

    use super::*;
    use crate::simd::{Block, Kernels, Pick};

    /// Numbers of very different magnitudes.
    fn number() -> impl Strategy<Value = f32> {
        let special = proptest::sample::select(vec![0.0, 1e-30, 3e-9, 1e6, 1e13, -1e25, f32::NAN, f32::INFINITY]);
        prop_oneof![20 => -1f32..1.0, 1 => special]
    }

    proptest! {
        #[test]
        fn a_product_differs_from_its_estimate_by_at_most_the_bound(
            dim in 1usize..90, numbers in proptest::collection::vec(number(), 700), size in 1e-14f32..1e8,
            codes in proptest::collection::vec(any::<i8>(), 90), scale in prop_oneof![-2f32..2.0, number()],
        ) {
            let (query, numbers) = numbers.split_at(dim);
            let numbers: Vec<f32> = numbers[..numbers.len() / dim * dim].iter().map(|number| number * size).collect();
            let small: Vec<f16> = numbers.iter().map(|number| f16::from_f32(*number)).collect();
            let int8 = Values::Int8 { codes: &codes[..dim], scales: &[scale] };
            for values in [Values::F32(&numbers), Values::F16(&small), int8] {
                let rows = Rows::new(dim, values).expect("the numbers are whole rows");
                let coarse = Coarse::new(&rows);
                let Some(query_codes) = CoarseQuery::new(query) else { continue };
                let bounds = coarse.bounds(&rows);
                let mut products = vec![0; rows.len()];
                let block = Block { numbers: bounds.codes, dim, pick: Pick::Range(0..rows.len()) };
                Kernels::best().integer_products(&block, &query_codes.codes, &mut products);
                for (row, product) in products.into_iter().enumerate() {
                    let error = bounds.errors.get(row).copied().unwrap_or(0.0);
                    let weights = query_codes.weights(!bounds.errors.is_empty());
                    let (estimate, bound) = weights.estimate(product, bounds.scales[row], bounds.norms[row], error);
                    let exact = rows.dot(query, row);
                    let is_outside = exact > estimate + bound || exact < estimate - bound;
                    prop_assert!(!is_outside, "{exact} is not {estimate} ± {bound}");
                    let usual = bounds.norms[row].is_finite();
                    prop_assert!(!usual || exact.is_finite(), "{exact} with a norm of {}", bounds.norms[row]);
                }
            }
        }
    }
}
