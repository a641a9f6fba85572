//! Resizing with an antialiased triangle filter, rows first and columns second. A pixel is a vector of four lanes.
//!
//! Each lane is only added and multiplied, in the order of the source's pixels. Vectors give the same bits as single numbers.

use std::ops::Range;

use super::pixels::Pixels;
use wide::f32x4;

/// First source index and weights of one output position. The weights sum to one.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

impl Taps {
    /// Index after the last source pixel.
    fn end(&self) -> usize {
        self.first + self.weights.len()
    }
}

/// Returns the weights of a triangle filter over `[from, to)` of `length` source pixels. The filter is widened for shrinking, as
/// in Pillow's bilinear resize.
fn taps(length: usize, from: f64, to: f64, outputs: usize) -> Vec<Taps> {
    let scale = (to - from) / outputs as f64;
    let support = scale.max(1.0);
    (0..outputs)
        .map(|i| {
            let centre = from + (i as f64 + 0.5) * scale;
            let first = (centre - support + 0.5).max(0.0) as usize;
            let last = ((centre + support + 0.5) as usize).min(length);
            let raw: Vec<f64> = (first..last)
                .map(|x| (1.0 - ((x as f64 + 0.5 - centre) / support).abs()).max(0.0))
                .collect();
            let total: f64 = raw.iter().sum();
            Taps {
                first,
                weights: raw.into_iter().map(|weight| (weight / total) as f32).collect(),
            }
        })
        .collect()
}

/// Resize of a part of an image whose rows arrive from top to bottom. It keeps the output and one row of the image.
pub(super) struct Resizer {
    across: Vec<Taps>,
    down: Vec<Taps>,
    /// First and end column of the image that the output needs.
    columns: Range<usize>,
    /// Rows of the image that came.
    seen: usize,
    /// First output row that still needs rows.
    open: usize,
    line: Vec<f32x4>,
    row: Vec<f32x4>,
    sums: Vec<f32x4>,
}

impl Resizer {
    /// Prepares the resize of `source`, `[x0, y0, x1, y1]` within an image of `size`, to `outputs`. Both sizes are (width, height).
    pub(super) fn new(size: (usize, usize), source: &[f64; 4], outputs: (usize, usize)) -> Self {
        let [x0, y0, x1, y1] = *source;
        let across = taps(size.0, x0, x1, outputs.0);
        let down = taps(size.1, y0, y1, outputs.1);
        let first = across.first().map_or(0, |taps| taps.first);
        let columns = first..across.last().map_or(first, Taps::end);
        Self {
            line: vec![f32x4::ZERO; columns.len()],
            row: vec![f32x4::ZERO; outputs.0],
            sums: vec![f32x4::ZERO; outputs.0 * outputs.1],
            across,
            down,
            columns,
            seen: 0,
            open: 0,
        }
    }

    /// Adds the next row of the image. It begins at column `x` of row `y` of `pixels`.
    pub(super) fn push(&mut self, pixels: Pixels<'_>, x: usize, y: usize) {
        let at = self.seen;
        self.seen += 1;
        while self.down.get(self.open).is_some_and(|taps| taps.end() <= at) {
            self.open += 1;
        }
        let using = self.down[self.open..]
            .iter()
            .take_while(|taps| taps.first <= at)
            .count();
        if using == 0 {
            return;
        }
        pixels.line(x + self.columns.start, y, &mut self.line);
        for (value, taps) in self.row.iter_mut().zip(&self.across) {
            let seen = &self.line[taps.first - self.columns.start..taps.end() - self.columns.start];
            *value = seen
                .iter()
                .zip(&taps.weights)
                .fold(f32x4::ZERO, |sum, (rgb, weight)| sum + f32x4::splat(*weight) * *rgb);
        }
        let width = self.row.len();
        for output in self.open..self.open + using {
            let taps = &self.down[output];
            let weight = f32x4::splat(taps.weights[at - taps.first]);
            let sums = &mut self.sums[output * width..(output + 1) * width];
            sums.iter_mut()
                .zip(&self.row)
                .for_each(|(sum, rgb)| *sum += weight * *rgb);
        }
    }

    /// Returns the output, row by row, with the values 0 to 255 of red, green and blue.
    pub(super) fn finish(self) -> Vec<[f32; 3]> {
        let rgb = self.sums.into_iter().map(|sum| {
            let [r, g, b, _] = sum.to_array();
            [r, g, b]
        });
        rgb.collect()
    }
}

impl Pixels<'_> {
    /// Reads `line.len()` pixels of row `y`, starting at column `x`, as red, green, blue and 0.
    fn line(&self, x: usize, y: usize, line: &mut [f32x4]) {
        let at = (y * self.width + x) * self.channels;
        let bytes = &self.data[at..at + line.len() * self.channels];
        let opaque = |rgb: &[u8]| f32x4::new([f32::from(rgb[0]), f32::from(rgb[1]), f32::from(rgb[2]), 0.0]);
        for (value, pixel) in line.iter_mut().zip(bytes.chunks_exact(self.channels)) {
            *value = match pixel.get(3) {
                None | Some(255) => opaque(pixel),
                Some(&alpha) => {
                    let alpha = f32::from(alpha) / 255.0;
                    opaque(pixel) * f32x4::splat(alpha) + f32x4::splat(255.0 * (1.0 - alpha))
                }
            };
        }
    }
}
