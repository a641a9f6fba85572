//! Upper bounds of scores on a device, and a check of the device's arithmetic.

use std::sync::{Arc, OnceLock};

use anyhow::{Context, ensure};
use burn::tensor::{DType, Device, FloatDType, Int, IntDType, Tensor, TensorData};

use super::codes::Tile;
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
    /// Takes a device after a check of its matrix products, with one query and with 32.
    ///
    /// # Errors
    /// If a product of integers is not exact, or the device fails.
    pub fn open(device: &Device) -> anyhow::Result<Self> {
        let random = |at: usize| (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        // The first rows and queries have the greatest sums: all numbers have the greatest magnitude.
        let row = |at: usize| {
            if at < 2 * DEPTH { i8::MIN } else { random(at) as i8 }
        };
        let rows: Vec<i8> = (0..CHECKED * DEPTH).map(row).collect();
        for count in [1, 32] {
            let code = |at: usize| {
                if at < DEPTH {
                    127 * 256 + 128
                } else {
                    (random(at + 7) % 65_535) as i32 - 32_767
                }
            };
            let queries: Vec<i16> = (0..count * DEPTH).map(|at| code(at) as i16).collect();
            let queries: Vec<&[i16]> = queries.chunks_exact(DEPTH).collect();
            let codes = TensorData::new(rows.clone(), [CHECKED, DEPTH]);
            let codes = Tensor::from_data(codes, (device, DType::I8));
            let sums = read(digit_sums(digits(&queries, DEPTH, device), codes))?;
            let (high, low) = sums.split_at(count * CHECKED);
            let rows = || rows.chunks_exact(DEPTH);
            let pairs = queries.iter().flat_map(|query| rows().map(move |row| (query, row)));
            let is_exact = pairs.zip(high.iter().zip(low)).all(|((query, row), (high, low))| {
                let products = query.iter().zip(row).map(|(x, y)| i64::from(*x) * i64::from(*y));
                256.0 * f64::from(*high) + f64::from(*low) == products.sum::<i64>() as f64
            });
            ensure!(
                is_exact,
                "the device {device:?} does not multiply integers exactly; search on the CPU"
            );
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
fn digit_sums(digits: Tensor<2>, codes: Tensor<2, Int>) -> Tensor<2> {
    digits.matmul(codes.cast(FloatDType::F32).transpose()) // [2 * queries, rows]
}

/// Inner products of the codes of queries and rows, `[queries, rows]`, rounded to f32 once.
pub(super) fn products(digits: &Tensor<2>, codes: &Tensor<2, Int>) -> Tensor<2> {
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

/// Upper bounds of the scores of a tile's rows, in units of the queries, `[queries, rows]`. `hidden` is added, `[1, rows]`.
pub(super) fn upper_bounds(tile: &Tile, queries: &QueryTensors, hidden: Option<&Tensor<2>>) -> Tensor<2> {
    let errors = match hidden {
        Some(hidden) => tile.errors.clone().add(hidden.clone()),
        None => tile.errors.clone(),
    };
    let estimates = products(&queries.digits, &tile.codes)
        .mul(tile.scales.clone())
        .mul(queries.factors.clone());
    estimates.add(errors)
}

/// Reads the numbers of a tensor.
pub(super) fn read(tensor: Tensor<2>) -> anyhow::Result<Vec<f32>> {
    tensor
        .try_into_vec_as::<f32>()
        .map_err(|error| anyhow::anyhow!("{error}"))
        .context("cannot read the bounds of a search from the device")
}
