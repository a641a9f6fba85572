//! Codes and bounds of a block's rows in the memory of a device.

use ::device::{HAS_STRIPS, STRIP, STRIP_WIDTH};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use scan::{Bounds, Coarse, Rows};

/// Strips of a line. A search reads the greatest bound of each line, and then the bounds of the strips in some lines.
pub(super) const LINE: usize = if cfg!(test) { 4 } else { 64 };
/// Bound of a row that the device does not compare. The sum of three of them is finite.
pub(super) const HIDDEN: f32 = -1e38;
/// Maximum number of codes of a tile. Without a kernel, the search converts one tile at a time to f32, which takes 256 MiB.
const TILE: usize = match (cfg!(test), HAS_STRIPS) {
    (true, _) => 1 << 14,
    (false, true) => 1 << 28,
    (false, false) => 1 << 26,
};
/// Unit of rounding of f32.
const UNIT: f64 = 1.0 / (1 << 24) as f64;
/// Factor that covers rounding errors of a bound itself.
const COVER: f64 = 1.0 + 1.0 / (1 << 18) as f64;

/// Adjacent rows that are compared at once.
#[derive(Debug)]
pub(super) struct Tile {
    /// First row of the tile in its block.
    pub(super) start: usize,
    /// Number of rows without padding.
    pub(super) len: usize,
    /// Codes, `[rows, width]`, int8. The number of rows is a multiple of [`STRIP`] · [`LINE`]. The rows after the first `len` are
    /// padding.
    pub(super) codes: Tensor<2, Int>,
    /// Scales of the codes, `[1, rows]`.
    pub(super) scales: Tensor<2>,
    /// Bounds of the errors of the estimates, per unit of a query, `[1, rows]`. [`HIDDEN`] for rows that are not compared.
    pub(super) errors: Tensor<2>,
}

/// Rows of a block on a device.
#[derive(Debug)]
pub(crate) struct DeviceCodes {
    device: Device,
    pub(super) tiles: Vec<Tile>,
    /// Rows without a bound, in ascending order.
    pub(super) unbounded: Vec<u32>,
}

/// Number of values of a row on the device.
pub(super) fn width(dim: usize) -> usize {
    dim.next_multiple_of(STRIP_WIDTH)
}

/// Weight of a row's norm in its bound, next to a weight of 1 of its error.
///
/// It is about the quotient `per_norm / per_error` of a dense query (see [`scan::Weights`]). Any positive number is right,
/// because a query's unit covers the difference.
pub(super) fn norm_weight(dim: usize) -> f64 {
    (dim as f64).sqrt() / 65_536.0 + (dim as f64 / 8.0 + 32.0) * UNIT
}

/// Bound of the error of a row's estimate, per unit of a query.
///
/// The device computes `product · scale · factor + error`. The product, its two factors and the sum are rounded, and so was
/// `factor`. Per unit of the query, the magnitude of the product is at most the norm of the row's codes times their scale,
/// which is at most twice the row's norm. So these roundings add at most 2·5·u·norm and u·error, with u = 2⁻²⁴. The margin of
/// 32·u·norm and the factor of 1 + 2⁻¹⁸ cover them.
fn error(norm: f32, error: f32, norm_weight: f64) -> f32 {
    (((norm_weight + 32.0 * UNIT) * f64::from(norm) + f64::from(error)) * COVER) as f32
}

impl DeviceCodes {
    /// Copies the codes of `rows` to a device. `coarse` was computed from `rows`.
    pub(crate) fn new(rows: &Rows<'_>, coarse: &Coarse, device: &Device) -> Self {
        let bounds = coarse.bounds(rows);
        let dim = rows.dim();
        let size = (TILE / width(dim).max(1) / (STRIP * LINE)).max(1) * STRIP * LINE;
        let starts = (0..rows.len()).step_by(size);
        let is_unbounded = |row: &u32| bounds.norms[*row as usize].is_infinite();
        Self {
            device: device.clone(),
            tiles: starts
                .map(|start| Tile::new(&bounds, dim, start..(start + size).min(rows.len()), device))
                .collect(),
            unbounded: (0..rows.len() as u32).filter(is_unbounded).collect(),
        }
    }

    /// Device whose memory has the codes.
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }
}

impl Tile {
    fn new(bounds: &Bounds<'_>, dim: usize, rows: std::ops::Range<usize>, device: &Device) -> Self {
        let (len, width) = (rows.len(), width(dim));
        let padded = len.next_multiple_of(STRIP * LINE);
        let mut codes = vec![0i8; padded * width];
        let (mut scales, mut errors) = (vec![0.0; padded], vec![HIDDEN; padded]);
        let norm_weight = norm_weight(dim);
        for (at, row) in rows.clone().enumerate() {
            if bounds.norms[row].is_infinite() {
                continue;
            }
            codes[at * width..at * width + dim].copy_from_slice(&bounds.codes[row * dim..(row + 1) * dim]);
            scales[at] = bounds.scales[row];
            let of_codes = bounds.errors.get(row).copied().unwrap_or(0.0);
            errors[at] = error(bounds.norms[row], of_codes, norm_weight);
        }
        let floats = |numbers| Tensor::from_data(TensorData::new(numbers, [1, padded]), (device, DType::F32));
        Self {
            start: rows.start,
            len,
            codes: Tensor::from_data(TensorData::new(codes, [padded, width]), (device, DType::I8)),
            scales: floats(scales),
            errors: floats(errors),
        }
    }

    /// Number of rows with padding.
    pub(super) fn padded(&self) -> usize {
        self.len.next_multiple_of(STRIP * LINE)
    }
}
