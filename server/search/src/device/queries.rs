//! Numbers of a batch of queries as the device reads them.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use scan::CoarseQuery;

use super::codes::{norm_weight, width};

/// A query whose scores have bounds.
#[derive(Debug)]
pub(super) struct DeviceQuery {
    codes: CoarseQuery,
    /// Score per unit of the device's bounds.
    unit: f32,
    /// Factor of a product of codes, in units.
    factor: f32,
}

impl DeviceQuery {
    /// Prepares a query; `None` if the bounds do not hold for it.
    pub(super) fn new(query: &[f32]) -> Option<Self> {
        let codes = CoarseQuery::new(query)?;
        let weights = codes.weights(true);
        // The bound of a row is at most `unit · (norm_weight · norm + error)`.
        let per_norm = f64::from(weights.per_norm) / norm_weight(query.len());
        let unit = (per_norm as f32).next_up().max(weights.per_error);
        let factor = (f64::from(weights.step) / f64::from(unit)) as f32;
        Some(Self { codes, unit, factor })
    }

    /// Converts a bound of the device to an upper bound of a score.
    pub(super) fn upper(&self, bound: f32) -> f32 {
        ((f64::from(bound) * f64::from(self.unit)) as f32).next_up()
    }
}

/// Queries on a device.
pub(super) struct QueryTensors {
    /// Digits of the codes, `[2 * queries, width]`, int8: the high digits of all queries, then the low ones.
    pub(super) digits: Tensor<2, Int>,
    /// Factors of the products, `[queries, 1]`.
    pub(super) factors: Tensor<2>,
}

impl QueryTensors {
    pub(super) fn new(queries: &[&DeviceQuery], dim: usize, device: &Device) -> Self {
        let codes: Vec<&[i16]> = queries.iter().map(|query| &query.codes.codes()[..dim]).collect();
        let factors: Vec<f32> = queries.iter().map(|query| query.factor).collect();
        let data = TensorData::new(factors, [queries.len(), 1]);
        Self {
            digits: digits(&codes, dim, device),
            factors: Tensor::from_data(data, (device, DType::F32)),
        }
    }
}

/// Splits codes into digits, `[2 * queries, width]`, int8: the high digits of all queries, then the low ones.
pub(super) fn digits(queries: &[&[i16]], dim: usize, device: &Device) -> Tensor<2, Int> {
    let width = width(dim);
    let mut numbers = vec![0i8; 2 * queries.len() * width];
    let (high, low) = numbers.split_at_mut(queries.len() * width);
    for (at, codes) in queries.iter().enumerate() {
        for (place, code) in codes.iter().enumerate() {
            let code = i32::from(*code);
            let digit = (code + 128) >> 8;
            high[at * width + place] = digit as i8;
            low[at * width + place] = (code - 256 * digit) as i8;
        }
    }
    let data = TensorData::new(numbers, [2 * queries.len(), width]);
    Tensor::from_data(data, (device, DType::I8))
}
