//! EfficientNet-Lite on one thread of a CPU, for browsers: the same function as that of the Burn layers, in a third of the time.
//!
//! A map is stored by pixels, and the channels of a pixel are vectors of four lanes. Convolutions keep their sums in registers and
//! limit them to 0–6 before they store them. The expansion of a block writes into a map with a border of zeros, so that the
//! depthwise convolution needs no checks at the edges.

use super::block::ConvBn;
use burn::tensor::{Device, Tensor, TensorData};
use bytemuck::cast_slice;
use wide::f32x4;

/// Pixels that a 1×1 convolution computes at once.
const TILE: usize = 4;
/// Values of a patch of the first convolution: 3 × 3 pixels of 3 channels.
const PATCH: usize = 27;

/// A 1×1 convolution.
#[derive(Debug)]
struct Point {
    input: usize,
    output: usize,
    /// `[output / 8][input][8]`
    weights: Vec<f32x4>,
    /// `[output]`
    bias: Vec<f32x4>,
}

/// A depthwise convolution.
#[derive(Debug)]
struct Depthwise {
    kernel: usize,
    stride: usize,
    /// `[kernel²][channels]`
    weights: Vec<f32x4>,
    /// `[channels]`
    bias: Vec<f32x4>,
}

/// Layers of a block of an EfficientNet-Lite.
pub(super) struct BlockLayers<'a> {
    /// The expansion, if the block has one.
    pub(super) expand: Option<&'a ConvBn>,
    pub(super) depthwise: &'a ConvBn,
    pub(super) project: &'a ConvBn,
    /// True if the input is added to the output.
    pub(super) residual: bool,
}

#[derive(Debug)]
struct Block {
    expand: Option<Point>,
    depthwise: Depthwise,
    project: Point,
    residual: bool,
}

/// Weights of an EfficientNet-Lite, or of a range of its stages, in the order in which the kernels read them.
#[derive(Debug)]
pub(super) struct PackedLite {
    stem: Option<Point>,
    blocks: Vec<Block>,
    head: Option<Point>,
}

/// A map of `height × width` pixels, `[height][width][channels]`.
struct Map {
    values: Vec<f32x4>,
    height: usize,
    width: usize,
}

impl PackedLite {
    /// Packs the layers of a network. Returns `None` if a norm is not folded, or if a number of channels is not a multiple of 8.
    pub(super) fn new<'a>(
        stem: Option<&ConvBn>,
        blocks: impl Iterator<Item = BlockLayers<'a>>,
        head: Option<&ConvBn>,
    ) -> Option<Self> {
        let optional = |layer: Option<&ConvBn>| match layer {
            Some(layer) => Point::new(layer).map(Some),
            None => Some(None),
        };
        let block = |layers: BlockLayers<'_>| {
            Some(Block {
                expand: optional(layers.expand)?,
                depthwise: Depthwise::new(layers.depthwise)?,
                project: Point::new(layers.project)?,
                residual: layers.residual,
            })
        };
        Some(Self {
            stem: optional(stem)?,
            blocks: blocks.map(block).collect::<Option<_>>()?,
            head: optional(head)?,
        })
    }

    /// `[batch, c, h, w]` → the maps after the blocks with the numbers `ends`, counted from 1, in order. The last convolution, if the
    /// network has it, is in the last map.
    pub(super) fn forward(&self, x: Tensor<4>, ends: &[usize]) -> Vec<Tensor<4>> {
        let device = x.device();
        let [batch, channels, height, width] = x.dims();
        let values: Vec<f32> = x.into_data().iter::<f32>().collect();
        let images = values.chunks_exact((channels * height * width).max(1)).take(batch);
        let maps: Vec<Vec<Map>> = images
            .map(|image| self.maps(image, channels, height, width, ends))
            .collect();
        let level = |at: usize| Map::batch(maps.iter().filter_map(|maps| maps.get(at)), &device);
        (0..ends.len()).map(level).collect()
    }

    /// Returns the maps of one image `[channels, height, width]`.
    fn maps(&self, image: &[f32], channels: usize, height: usize, width: usize, ends: &[usize]) -> Vec<Map> {
        let mut map = match &self.stem {
            Some(stem) => first_convolution(stem, image, height, width),
            None => Map::from_planes(image, channels, height, width),
        };
        let mut maps = Vec::with_capacity(ends.len());
        let (mut padded, mut deep) = (Vec::new(), Vec::new());
        for (block, number) in self.blocks.iter().zip(1..) {
            let next = block.forward(&map, &mut padded, &mut deep);
            let before = std::mem::replace(&mut map, next);
            if number > 1 && ends.contains(&(number - 1)) {
                maps.push(before);
            }
        }
        if let Some(head) = &self.head {
            let mut values = vec![f32x4::ZERO; map.height * map.width * head.output / 4];
            head.forward::<true>(cast_slice(&map.values), &mut values, None);
            map.values = values;
        }
        maps.push(map);
        maps
    }
}

impl Map {
    /// Reads an image `[channels, height, width]`. The number of channels is a multiple of 4.
    fn from_planes(planes: &[f32], channels: usize, height: usize, width: usize) -> Self {
        let plane = height * width;
        let lanes =
            |pixel: usize, four: usize| f32x4::new([0, 1, 2, 3].map(|lane| planes[(4 * four + lane) * plane + pixel]));
        let values = (0..plane).flat_map(|pixel| (0..channels / 4).map(move |four| (pixel, four)));
        Self {
            values: values.map(|(pixel, four)| lanes(pixel, four)).collect(),
            height,
            width,
        }
    }

    /// Joins the maps of several images to `[batch, channels, height, width]`.
    fn batch<'a>(maps: impl Iterator<Item = &'a Self>, device: &Device) -> Tensor<4> {
        let mut planes: Vec<f32> = Vec::new();
        let mut shape = [0; 4];
        for map in maps {
            let pixels = map.height * map.width;
            let values: &[f32] = cast_slice(&map.values);
            let channels = values.len() / pixels.max(1);
            shape = [shape[0] + 1, channels, map.height, map.width];
            planes.reserve(values.len());
            for channel in 0..channels {
                planes.extend(values.iter().skip(channel).step_by(channels));
            }
        }
        Tensor::from_data(TensorData::new(planes, shape), device)
    }
}

/// Computes the first convolution, 3×3 with stride 2, on patches of one row at a time.
fn first_convolution(stem: &Point, image: &[f32], height: usize, width: usize) -> Map {
    let (rows, columns) = (height.div_ceil(2), width.div_ceil(2));
    let ((top, _), (left, _)) = (zeros(height, 3, 2), zeros(width, 3, 2));
    let channels = stem.output / 4;
    let mut patches = vec![0.0; columns * PATCH];
    let mut values = vec![f32x4::ZERO; rows * columns * channels];
    for (y, out) in values.chunks_exact_mut(columns * channels).enumerate() {
        for (x, patch) in patches.chunks_exact_mut(PATCH).enumerate() {
            for (at, rgb) in patch.chunks_exact_mut(3).enumerate() {
                let (row, column) = ((2 * y + at / 3).wrapping_sub(top), (2 * x + at % 3).wrapping_sub(left));
                let inside = row < height && column < width;
                for (channel, value) in rgb.iter_mut().enumerate() {
                    *value = if inside {
                        image[(channel * height + row) * width + column]
                    } else {
                        0.0
                    };
                }
            }
        }
        stem.forward::<true>(&patches, out, None);
    }
    Map {
        values,
        height: rows,
        width: columns,
    }
}

impl Block {
    /// Computes the block. `padded` and `deep` are memory that the blocks share.
    fn forward(&self, map: &Map, padded: &mut Vec<f32x4>, deep: &mut Vec<f32x4>) -> Map {
        let Depthwise { kernel, stride, .. } = self.depthwise;
        let (height, width) = (map.height, map.width);
        let ((top, bottom), (left, right)) = (zeros(height, kernel, stride), zeros(width, kernel, stride));
        let channels = self.depthwise.bias.len();
        let columns = left + width + right;
        padded.clear();
        padded.resize((top + height + bottom) * columns * channels, f32x4::ZERO);
        let inputs = map.values.len() / (height * width).max(1);
        for (y, source) in map.values.chunks_exact(width * inputs).enumerate() {
            let start = ((top + y) * columns + left) * channels;
            let target = &mut padded[start..start + width * channels];
            match &self.expand {
                Some(expand) => expand.forward::<true>(cast_slice(source), target, None),
                None => target.copy_from_slice(source),
            }
        }
        let (height, width) = (height.div_ceil(stride), width.div_ceil(stride));
        deep.clear();
        deep.resize(height * width * channels, f32x4::ZERO);
        match kernel {
            3 => self.depthwise.forward::<3>(padded, columns, deep, width),
            _ => self.depthwise.forward::<5>(padded, columns, deep, width),
        }
        let mut values = vec![f32x4::ZERO; height * width * self.project.output / 4];
        let residual = self.residual.then_some(&map.values[..]);
        self.project.forward::<false>(cast_slice(deep), &mut values, residual);
        Map { values, height, width }
    }
}

impl Point {
    /// Packs a convolution of the kernel 1×1, or the first convolution.
    fn new(layer: &ConvBn) -> Option<Self> {
        let (weights, [output, input, rows, columns], bias) = parameters(layer)?;
        let input = input * rows * columns;
        // The order of a patch is [row][column][channel], that of the weights [channel][row][column].
        let area = rows * columns;
        let place = |k: usize| (k % (input / area)) * area + k / (input / area);
        let lanes =
            |first: usize, k: usize| f32x4::new([0, 1, 2, 3].map(|lane| weights[(first + lane) * input + place(k)]));
        let packed = (0..output).step_by(8).flat_map(|first| {
            let lanes = &lanes;
            (0..input).flat_map(move |k| [lanes(first, k), lanes(first + 4, k)])
        });
        (output % 8 == 0).then(|| Self {
            input,
            output,
            weights: packed.collect(),
            bias: fours(&bias),
        })
    }

    /// Computes the pixels `x`, `[pixels][input]`, into `out`, `[pixels][output]`, and adds `residual`, `[pixels][output]`.
    fn forward<const RELU6: bool>(&self, x: &[f32], out: &mut [f32x4], residual: Option<&[f32x4]>) {
        let fours = self.output / 4;
        let (mut at, pixels) = (0, x.len() / self.input);
        while at < pixels {
            let tile = if at + TILE <= pixels { TILE } else { 1 };
            let x = &x[at * self.input..(at + tile) * self.input];
            let range = at * fours..(at + tile) * fours;
            let residual = residual.map(|residual| &residual[range.clone()]);
            let out = &mut out[range];
            match tile {
                TILE => self.tile::<TILE, RELU6>(x, out, residual),
                _ => self.tile::<1, RELU6>(x, out, residual),
            }
            at += tile;
        }
    }

    /// Computes `P` pixels, eight outputs at a time.
    #[inline(always)]
    fn tile<const P: usize, const RELU6: bool>(&self, x: &[f32], out: &mut [f32x4], residual: Option<&[f32x4]>) {
        let (n, fours) = (self.input, self.output / 4);
        let pixels: [&[f32]; P] = std::array::from_fn(|pixel| &x[pixel * n..][..n]);
        let outputs = self.weights.chunks_exact(2 * n).zip(self.bias.chunks_exact(2));
        for (block, (weights, bias)) in outputs.enumerate() {
            let mut sums = [[bias[0], bias[1]]; P];
            for k in 0..n {
                let (first, second) = (weights[2 * k], weights[2 * k + 1]);
                for (sums, pixel) in sums.iter_mut().zip(&pixels) {
                    let value = f32x4::splat(pixel[k]);
                    sums[0] += value * first;
                    sums[1] += value * second;
                }
            }
            for (pixel, [first, second]) in sums.into_iter().enumerate() {
                let at = pixel * fours + 2 * block;
                let more = residual.map_or([f32x4::ZERO; 2], |residual| [residual[at], residual[at + 1]]);
                out[at] = limited::<RELU6>(first + more[0]);
                out[at + 1] = limited::<RELU6>(second + more[1]);
            }
        }
    }
}

impl Depthwise {
    fn new(layer: &ConvBn) -> Option<Self> {
        let (weights, [channels, _, kernel, columns], bias) = parameters(layer)?;
        let area = kernel * columns;
        let lanes =
            |tap: usize, four: usize| f32x4::new([0, 1, 2, 3].map(|lane| weights[(4 * four + lane) * area + tap]));
        let packed = (0..area).flat_map(|tap| (0..channels / 4).map(move |four| (tap, four)));
        (channels % 4 == 0 && kernel == columns && [3, 5].contains(&kernel)).then(|| Self {
            kernel,
            stride: layer.conv.stride[0],
            weights: packed.map(|(tap, four)| lanes(tap, four)).collect(),
            bias: fours(&bias),
        })
    }

    /// Computes the rows of `width` pixels of `out`. `x` has a border of zeros, and `columns` pixels per row.
    fn forward<const K: usize>(&self, x: &[f32x4], columns: usize, out: &mut [f32x4], width: usize) {
        let channels = self.bias.len();
        let bias = &self.bias[..channels];
        let weights: [[&[f32x4]; K]; K] = std::array::from_fn(|row| {
            std::array::from_fn(|column| &self.weights[(row * K + column) * channels..][..channels])
        });
        for (at, out) in out.chunks_exact_mut(channels).enumerate() {
            let first = (at / width * columns + at % width) * self.stride;
            let taps: [[&[f32x4]; K]; K] = std::array::from_fn(|row| {
                std::array::from_fn(|column| &x[(first + row * columns + column) * channels..][..channels])
            });
            for (four, out) in out.iter_mut().enumerate() {
                let mut sum = bias[four];
                for row in 0..K {
                    for column in 0..K {
                        sum += taps[row][column][four] * weights[row][column][four];
                    }
                }
                *out = limited::<true>(sum);
            }
        }
    }
}

/// Limits values to 0–6. The fast forms are one instruction each in WebAssembly.
#[inline(always)]
fn limited<const RELU6: bool>(x: f32x4) -> f32x4 {
    if RELU6 {
        x.fast_max(f32x4::ZERO).fast_min(f32x4::splat(6.0))
    } else {
        x
    }
}

/// Zeros before and after a side, for a map of `side / stride` pixels, rounded up.
fn zeros(side: usize, kernel: usize, stride: usize) -> (usize, usize) {
    let all = ((side.div_ceil(stride) - 1) * stride + kernel).saturating_sub(side);
    (all / 2, all - all / 2)
}

/// Weights, their shape and the bias of a layer with a folded norm.
fn parameters(layer: &ConvBn) -> Option<(Vec<f32>, [usize; 4], Vec<f32>)> {
    let bias = layer.conv.bias.as_ref().filter(|_| layer.bn.is_none())?;
    let weight = layer.conv.weight.val();
    let shape = weight.dims();
    let numbers = |data: TensorData| data.iter::<f32>().collect::<Vec<f32>>();
    Some((numbers(weight.into_data()), shape, numbers(bias.val().into_data())))
}

fn fours(values: &[f32]) -> Vec<f32x4> {
    let lanes = values.as_chunks().0.iter();
    lanes.map(|lanes| f32x4::new(*lanes)).collect()
}

#[cfg(test)]
mod tests;
