//! Resizing with an antialiased triangle filter, rows first and columns second. A pixel is a vector of four lanes.
//!
//! Each lane is only added and multiplied, in the order of the source's pixels. Vectors give the same bits as single numbers.

use super::pixels::Pixels;
use super::place::Window;
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

/// Resizes `source`, `[x0, y0, x1, y1]` within `window`, to `width × height` in full precision.
pub(super) fn resize(
    pixels: Pixels<'_>,
    window: &Window,
    source: &[f64; 4],
    width: usize,
    height: usize,
) -> Vec<[f32; 3]> {
    let [x0, y0, x1, y1] = *source;
    let across = taps(window.width, x0, x1, width);
    let down = taps(window.height, y0, y1, height);
    let (Some(left), Some(right), Some(top), Some(bottom)) = (across.first(), across.last(), down.first(), down.last())
    else {
        return Vec::new(); // the output is empty
    };
    let (left, right, top, bottom) = (left.first, right.end(), top.first, bottom.end());

    let mut line = vec![f32x4::ZERO; right - left];
    let mut rows = Vec::with_capacity((bottom - top) * width);
    for y in top..bottom {
        pixels.line(window.x + left, window.y + y, &mut line);
        rows.extend(across.iter().map(|taps| {
            let seen = &line[taps.first - left..taps.end() - left];
            seen.iter()
                .zip(&taps.weights)
                .fold(f32x4::ZERO, |sum, (rgb, weight)| sum + f32x4::splat(*weight) * *rgb)
        }));
    }

    let mut resized = Vec::with_capacity(width * height);
    let mut sums = vec![f32x4::ZERO; width];
    for taps in &down {
        sums.fill(f32x4::ZERO);
        let seen = rows[(taps.first - top) * width..].chunks_exact(width);
        for (row, weight) in seen.zip(&taps.weights) {
            let weight = f32x4::splat(*weight);
            sums.iter_mut().zip(row).for_each(|(sum, rgb)| *sum += weight * *rgb);
        }
        resized.extend(sums.iter().map(|sum| {
            let [r, g, b, _] = sum.to_array();
            [r, g, b]
        }));
    }
    resized
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
