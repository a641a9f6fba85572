//! Upper bounds of scores on a device, and a check of the device's arithmetic.

use std::sync::{Arc, OnceLock};

use anyhow::{Context, ensure};
use burn::tensor::{DType, Device, FloatDType, Int, IntDType, Tensor, TensorData};

use ::device::{STRIP, Strips};

use super::codes::{HIDDEN, Tile};
use super::queries::{QueryTensors, digits};

/// Maximum number of products in a sum of f32. All integers up to 1,024·128² = 2²⁴ are exact.
const DEPTH: usize = 1 << 10;
/// Rows that the check of a device multiplies.
const CHECKED: usize = 256;

/// A device that is known to multiply small integers exactly. Clones share its state.
#[derive(Debug, Clone)]
pub struct SearchDevice {
    device: Device,
    error: Arc<OnceLock<String>>,
}

impl SearchDevice {
    /// Takes a device after a check of its products, with few and many queries.
    ///
    /// # Errors
    /// If a product of integers is not exact, or the device fails.
    pub fn open(device: &Device) -> anyhow::Result<Self> {
        let random = |at: usize| (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        // The first rows have the greatest magnitude. So do the sums of the first two queries: of both digits, and of the low ones.
        let row = |at: usize| {
            if at < 2 * DEPTH { i8::MIN } else { random(at) as i8 }
        };
        let rows: Vec<i8> = (0..CHECKED * DEPTH).map(row).collect();
        let code = |at: usize| match (at / DEPTH, at % DEPTH) {
            (0, place) => 32_639 * i16::from(place < 480),
            (1, _) => 128,
            _ => (random(at + 7) % 31_201) as i16 - 15_600,
        };
        for count in [1, 2, 4, 32] {
            let queries: Vec<i16> = (0..count * DEPTH).map(code).collect();
            let queries: Vec<&[i16]> = queries.chunks_exact(DEPTH).collect();
            let floats = |numbers, shape| Tensor::from_data(TensorData::new(numbers, shape), (device, DType::F32));
            let tensors = QueryTensors {
                digits: digits(&queries, DEPTH, device),
                factors: floats(vec![1.0; count], [count, 1]),
            };
            let tile = Tile {
                start: 0,
                len: CHECKED,
                codes: Tensor::from_data(TensorData::new(rows.clone(), [CHECKED, DEPTH]), (device, DType::I8)),
                scales: floats(vec![1.0; CHECKED], [1, CHECKED]),
                errors: floats(vec![0.0; CHECKED], [1, CHECKED]),
            };
            // One row of each strip is compared at a time.
            for place in 0..STRIP {
                let hidden = (0..CHECKED).map(|row| if row % STRIP == place { 0.0 } else { HIDDEN });
                let hidden = floats(hidden.collect(), [1, CHECKED]);
                let found = read(strip_maxima(&tile, &tensors, Some(&hidden)))?;
                let expected = queries.iter().flat_map(|query| {
                    let rows = rows.chunks_exact(DEPTH).skip(place).step_by(STRIP);
                    rows.map(|row| {
                        let products = query.iter().zip(row).map(|(x, y)| i32::from(*x) * i32::from(*y));
                        products.sum::<i32>() as f32
                    })
                });
                ensure!(
                    found.iter().copied().eq(expected),
                    "the device {device:?} does not multiply integers exactly; search on the CPU"
                );
            }
        }
        Ok(Self {
            device: device.clone(),
            error: Arc::default(),
        })
    }

    /// Error of a search. After it, the CPU answers all searches.
    pub fn error(&self) -> Option<&str> {
        self.error.get().map(String::as_str)
    }

    /// Notes an error, unless one is known.
    pub(super) fn fail(&self, error: &anyhow::Error) {
        self.error.get_or_init(|| format!("{error:#}"));
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }
}

/// Sums of the products of the queries' digits `[2 * queries, depth]` and the rows' codes `[rows, depth]`.
fn digit_sums(digits: Tensor<2, Int>, codes: Tensor<2, Int>) -> Tensor<2> {
    let codes = codes.cast(FloatDType::F32).transpose();
    digits.cast(FloatDType::F32).matmul(codes) // [2 * queries, rows]
}

/// Inner products of the codes of queries and rows, `[queries, rows]`, rounded to f32 once.
pub(super) fn products(digits: &Tensor<2, Int>, codes: &Tensor<2, Int>) -> Tensor<2> {
    let [doubled, width] = digits.dims();
    let queries = doubled / 2;
    let high = |sums: &Tensor<2>| sums.clone().narrow(0, 0, queries);
    let low = |sums: Tensor<2>| sums.narrow(0, queries, queries);
    if width <= DEPTH {
        let sums = digit_sums(digits.clone(), codes.clone());
        return high(&sums).mul_scalar(256.0).add(low(sums));
    }
    // The magnitude of an inner product is less than 2³¹, and so is that of a part of it with its high digits alone.
    let part = |start: usize| {
        let depth = DEPTH.min(width - start);
        let sums = digit_sums(
            digits.clone().narrow(1, start, depth),
            codes.clone().narrow(1, start, depth),
        );
        let high = high(&sums).cast(IntDType::I32).mul_scalar(256);
        high.add(low(sums).cast(IntDType::I32))
    };
    let rest = (DEPTH..width).step_by(DEPTH);
    let sum = rest.fold(part(0), |sum, start| sum.add(part(start)));
    sum.cast(FloatDType::F32)
}

/// Greatest upper bound of the scores of each strip of a tile, in units of the queries, `[queries, strips]`. `hidden` is added to
/// the bounds, `[1, rows]`.
pub(super) fn strip_maxima(tile: &Tile, queries: &QueryTensors, hidden: Option<&Tensor<2>>) -> Tensor<2> {
    let errors = match hidden {
        Some(hidden) => tile.errors.clone().add(hidden.clone()),
        None => tile.errors.clone(),
    };
    let strips = Strips {
        codes: &tile.codes,
        digits: &queries.digits,
        factors: &queries.factors,
        scales: &tile.scales,
        errors: &errors,
    };
    if let Some(maxima) = ::device::strip_maxima(&strips) {
        return maxima;
    }
    let estimates = products(&queries.digits, &tile.codes)
        .mul(tile.scales.clone())
        .mul(queries.factors.clone());
    let bounds = estimates.add(errors); // [queries, rows]
    let [queries, rows] = bounds.dims();
    let strips = bounds.reshape([queries * (rows / STRIP), STRIP]);
    strips.max_dim(1).reshape([queries, rows / STRIP])
}

/// Reads the numbers of a tensor.
pub(super) fn read(tensor: Tensor<2>) -> anyhow::Result<Vec<f32>> {
    tensor
        .try_into_vec_as::<f32>()
        .map_err(|error| anyhow::anyhow!("{error}"))
        .context("cannot read the bounds of a search from the device")
}
