//! Part pooling of the multi-granularity network: stripes (Wang et al. 2018, <https://arxiv.org/abs/1804.01438>) and
//! concentric square rings (champion of the JD AI Fashion Challenge 2018).
//!
//! **Invariant:** ring pooling of a map gives the same result when the map is rotated by quarter turns or mirrored.

use crate::model::config::Pooling;
use burn::tensor::{Device, Int, Tensor, TensorData};
use std::ops::Range;

/// Initial exponent of generalised means, as published.
pub(crate) const GEM_START: f32 = 3.0;
/// Lower limit of features, so that their logarithm is finite.
const GEM_SMALLEST: f32 = 1e-6;

/// Direction in which a map is cut into parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cut {
    /// Horizontal stripes, from the top.
    Horizontal,
    /// Vertical stripes, from the left.
    Vertical,
    /// Concentric square rings, from the border inwards.
    Ring,
}

impl Cut {
    /// Returns the positions, row-major, of each of `parts` parts of a `height × width` map.
    ///
    /// Sizes that `parts` does not divide are split as in adaptive pooling: part `i` of `n` covers rows ⌊i·h/n⌋ to
    /// ⌈(i+1)·h/n⌉. Neighbours may overlap by one row, and no part is empty.
    pub(crate) fn positions(self, parts: usize, height: usize, width: usize) -> Vec<Vec<usize>> {
        let layers = match self {
            Self::Horizontal => height,
            Self::Vertical => width,
            Self::Ring => ring_layers(height, width),
        };
        let layer = |y: usize, x: usize| match self {
            Self::Horizontal => y,
            Self::Vertical => x,
            Self::Ring => y.min(x).min(height - 1 - y).min(width - 1 - x),
        };
        (0..parts)
            .map(|part| {
                let range = part_rows(layers, part, parts);
                (0..height * width)
                    .filter(|at| range.contains(&layer(at / width, at % width)))
                    .collect()
            })
            .collect()
    }
}

/// Number of concentric layers of a map.
fn ring_layers(height: usize, width: usize) -> usize {
    height.min(width).div_ceil(2)
}

/// Returns the layers, counted from the border, of each of `parts` rings of a `height × width` map. Rings overlap if their
/// number does not divide the number of layers.
pub fn ring_parts(parts: usize, height: usize, width: usize) -> Vec<Range<usize>> {
    let layers = ring_layers(height, width);
    (0..parts).map(|part| part_rows(layers, part, parts)).collect()
}

/// Rows of part `part` of `parts` of a side; see [`Cut::positions`].
pub(crate) fn part_rows(length: usize, part: usize, parts: usize) -> Range<usize> {
    part * length / parts..((part + 1) * length).div_ceil(parts)
}

impl Pooling {
    /// `[batch, channels, h, w]` → `[batch, channels]` over the given positions of the map, or over all positions.
    ///
    /// `exponent`, `[1]`, is the exponent of the generalised mean, 3 if `None`. The other poolings do not use it.
    pub fn pool(self, x: Tensor<4>, positions: Option<&[usize]>, exponent: Option<Tensor<1>>) -> Tensor<2> {
        let [batch, channels, height, width] = x.dims();
        let flat = x.reshape([batch, channels, height * width]);
        let part = match positions {
            Some(positions) => {
                let index = index_tensor(positions, &flat.device());
                flat.select(2, index)
            }
            None => flat,
        };
        let average = |x: Tensor<3>| x.mean_dim(2).reshape([batch, channels]);
        let maximum = |x: Tensor<3>| x.max_dim(2).reshape([batch, channels]);
        match self {
            Self::Average => average(part),
            Self::Maximum => maximum(part),
            Self::Both => average(part.clone()) + maximum(part),
            Self::Gem => {
                let exponent = exponent.unwrap_or_else(|| Tensor::from_floats([GEM_START], &part.device()));
                generalised_mean(part, exponent).reshape([batch, channels])
            }
        }
    }
}

/// `[batch, channels, n]` → `[batch, channels, 1]`. An exponent below 1 counts as 1, which gives the mean.
fn generalised_mean(x: Tensor<3>, exponent: Tensor<1>) -> Tensor<3> {
    let exponent = exponent.clamp_min(1.0).reshape([1, 1, 1]);
    let x = x.clamp_min(GEM_SMALLEST);
    // The division by the largest value cancels out. It keeps the powers within the range of f32.
    let largest = x.clone().max_dim(2).detach();
    let mean = ((x / largest.clone()).log() * exponent.clone()).exp().mean_dim(2);
    (mean.log() / exponent).exp() * largest
}

fn index_tensor(positions: &[usize], device: &Device) -> Tensor<1, Int> {
    let index: Vec<i32> = positions.iter().map(|at| *at as i32).collect();
    let length = index.len();
    Tensor::from_data(TensorData::new(index, [length]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: [(usize, usize); 8] = [(12, 12), (7, 7), (4, 4), (6, 8), (5, 4), (3, 7), (2, 2), (1, 1)];

    #[test]
    fn parts_cover_the_map_and_are_not_empty() {
        for cut in [Cut::Horizontal, Cut::Vertical, Cut::Ring] {
            for parts in 1..=3 {
                for (height, width) in SIZES {
                    let positions = cut.positions(parts, height, width);
                    assert!(
                        positions.iter().all(|part| !part.is_empty()),
                        "{cut:?} {parts} {height}×{width}"
                    );
                    let mut seen = vec![false; height * width];
                    positions.iter().flatten().for_each(|at| seen[*at] = true);
                    assert!(seen.iter().all(|seen| *seen));
                }
            }
        }
        // Where the layers divide, parts are disjoint.
        let lengths = |cut: Cut, n| cut.positions(n, 12, 12).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths(Cut::Horizontal, 3), [48, 48, 48]);
        assert_eq!(lengths(Cut::Ring, 3), [80, 48, 16]);
    }

    /// Whole numbers, whose sums are exact in any order, so that the test can compare bits.
    fn map(height: usize, width: usize, at: impl Fn(usize, usize) -> (usize, usize), source_width: usize) -> Tensor<4> {
        let value = |c: usize, y: usize, x: usize| {
            let (y, x) = at(y, x);
            ((c * 977 + y * source_width * 31 + x * 17 + y * x * 7) % 251) as f32
        };
        let data: Vec<f32> = (0..3 * height * width)
            .map(|i| value(i / (height * width), i / width % height, i % width))
            .collect();
        Tensor::from_data(TensorData::new(data, [1, 3, height, width]), &Device::flex())
    }

    fn values(x: Tensor<2>) -> Vec<f32> {
        x.into_data().iter::<f32>().collect()
    }

    fn pooled(pooling: Pooling, cut: Cut, parts: usize, x: &Tensor<4>) -> Vec<f32> {
        let [_, _, height, width] = x.dims();
        cut.positions(parts, height, width)
            .iter()
            .flat_map(|part| values(pooling.pool(x.clone(), Some(part), None)))
            .collect()
    }

    fn close(ours: &[f32], theirs: &[f32], relative: f32) -> bool {
        ours.len() == theirs.len()
            && ours
                .iter()
                .zip(theirs)
                .all(|(a, b)| (a - b).abs() <= relative * b.abs())
    }

    #[test]
    fn the_generalised_mean_lies_between_the_average_and_the_maximum() {
        let x = map(6, 8, |y, x| (y, x), 8) + 0.5;
        let at = |pooling: Pooling, exponent: f32| {
            let exponent = Tensor::from_floats([exponent], &Device::flex());
            values(pooling.pool(x.clone(), Some(&[0, 3, 9, 10, 40]), Some(exponent)))
        };
        let (average, maximum) = (at(Pooling::Average, 1.0), at(Pooling::Maximum, 1.0));
        assert!(close(&at(Pooling::Gem, 1.0), &average, 1e-5));
        assert!(close(&at(Pooling::Gem, 1e4), &maximum, 1e-3), "powers do not overflow");
        let [low, high] = [3.0, 10.0].map(|exponent| at(Pooling::Gem, exponent));
        for (((average, low), high), maximum) in average.iter().zip(&low).zip(&high).zip(&maximum) {
            assert!(
                average < low && low < high && high < maximum,
                "{average} {low} {high} {maximum}"
            );
        }
        let nothing = Tensor::<4>::zeros([1, 3, 6, 8], &Device::flex());
        assert!(
            values(Pooling::Gem.pool(nothing, None, None))
                .iter()
                .all(|value| value.abs() < 1e-5)
        );
    }

    #[test]
    fn rings_are_invariant_to_quarter_turns_and_stripes_are_not() {
        for (height, width) in SIZES {
            let upright = map(height, width, |y, x| (y, x), width);
            let quarter = map(width, height, |y, x| (height - 1 - x, y), width);
            let half = map(height, width, |y, x| (height - 1 - y, width - 1 - x), width);
            let three = map(width, height, |y, x| (x, width - 1 - y), width);
            let mirror = map(height, width, |y, x| (y, width - 1 - x), width);
            // Sums of whole numbers are exact; powers are not.
            for (pooling, relative) in [
                (Pooling::Average, 0.0),
                (Pooling::Maximum, 0.0),
                (Pooling::Both, 0.0),
                (Pooling::Gem, 1e-5),
            ] {
                for parts in 1..=3 {
                    let expected = pooled(pooling, Cut::Ring, parts, &upright);
                    for rotated in [&quarter, &half, &three, &mirror] {
                        let rotated = pooled(pooling, Cut::Ring, parts, rotated);
                        assert!(
                            close(&rotated, &expected, relative),
                            "{pooling:?}, {parts} rings of {height}×{width}"
                        );
                    }
                }
                if height * width > 1 {
                    let stripes = |x| pooled(pooling, Cut::Horizontal, 2, x);
                    assert!(!close(&stripes(&half), &stripes(&upright), 1e-3));
                }
            }
        }
    }
}
