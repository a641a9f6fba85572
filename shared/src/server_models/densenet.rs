//! Densely connected networks (Huang et al. 2017, <https://arxiv.org/abs/1608.06993>) in torchvision's layout.
//!
//! Norm and activation precede the convolutions. Only a norm that follows a convolution directly can be folded.

use crate::model::block::{ConvBn, ConvBnConfig, Fold};
use crate::model::keys::{number, parameter, plain};
use crate::model::norm::{batch_norm, normalise};
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{AvgPool2d, AvgPool2dConfig, MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Initializer, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

/// Width of a layer's 1×1 convolution, in growth rates.
const BOTTLENECK: usize = 4;

/// Configuration of a densely connected network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DenseNetConfig {
    /// Layers in each of the four blocks.
    pub blocks: [usize; 4],
    /// Channels that each layer adds, the paper's k.
    pub growth: usize,
    /// Channels of the stem.
    pub width: usize,
}

impl DenseNetConfig {
    /// Channels of the features.
    pub fn channels(&self) -> usize {
        self.channels_after(3)
    }

    /// Channels after block `block` (0–3), before the transition that halves them.
    fn channels_after(&self, block: usize) -> usize {
        let input = if block == 0 {
            self.width
        } else {
            self.channels_after(block - 1) / 2
        };
        input + self.blocks[block] * self.growth
    }

    /// Builds the network with random weights.
    pub fn init(&self, device: &Device) -> DenseNet {
        DenseNet {
            last: Some(self.last_stage(device)),
            ..self.trunk(2, device)
        }
    }

    /// Builds the network without its last stage, with random weights. `last_stride` is 2, or 1 to keep the map as fine as the
    /// third block's.
    pub fn trunk(&self, last_stride: usize, device: &Device) -> DenseNet {
        let transition = |block: usize| {
            let channels = self.channels_after(block);
            let stride = if block == 2 { last_stride } else { 2 };
            Transition {
                norm: batch_norm(&BatchNormConfig::new(channels), device),
                conv: conv(channels, channels / 2, 1, device),
                pool: AvgPool2dConfig::new([stride; 2]).with_strides([stride; 2]).init(),
            }
        };
        DenseNet {
            stem: ConvBnConfig::new(3, self.width, 7, 2).init(device),
            pool: MaxPool2dConfig::new([3, 3])
                .with_strides([2, 2])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(),
            blocks: (0..3).map(|block| self.block(block, device)).collect(),
            transitions: (0..3).map(transition).collect(),
            last: None,
        }
    }

    /// Builds the last block and the norm after it, `[batch, c, h, w]` → `[batch, channels, h, w]`.
    pub fn last_stage(&self, device: &Device) -> DenseStage {
        DenseStage {
            layers: self.block(3, device),
            norm: batch_norm(&BatchNormConfig::new(self.channels()), device),
        }
    }

    fn block(&self, block: usize, device: &Device) -> Vec<DenseLayer> {
        let output = self.channels_after(block);
        (0..self.blocks[block])
            .map(|layer| {
                let input = output - (self.blocks[block] - layer) * self.growth;
                let inner = BOTTLENECK * self.growth;
                DenseLayer {
                    norm1: batch_norm(&BatchNormConfig::new(input), device),
                    conv1: ConvBnConfig::new(input, inner, 1, 1).init(device),
                    conv2: conv(inner, self.growth, 3, device),
                }
            })
            .collect()
    }
}

/// Builds a convolution without a norm after it. It keeps the size (initialised as by He et al. 2015, fan-in).
fn conv(input: usize, output: usize, kernel: usize, device: &Device) -> Conv2d {
    let pad = kernel / 2;
    Conv2dConfig::new([input, output], [kernel; 2])
        .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
        .with_initializer(Initializer::KaimingNormal {
            gain: std::f64::consts::SQRT_2,
            fan_out_only: false,
        })
        .with_bias(false)
        .init(device)
}

/// One layer: norm, ReLU, 1×1, norm, ReLU, 3×3. Its output is concatenated to its input.
#[derive(Module, Debug)]
pub(crate) struct DenseLayer {
    norm1: BatchNorm,
    /// The 1×1 convolution with the second norm, which follows it.
    conv1: ConvBn,
    conv2: Conv2d,
}

impl DenseLayer {
    /// `[batch, c, h, w]` → `[batch, c + growth, h, w]`.
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = relu(self.conv1.forward(relu(normalise(&self.norm1, x.clone()))));
        Tensor::cat(vec![x, self.conv2.forward(y)], 1)
    }

    fn fold(self, fold: Fold) -> Self {
        Self {
            conv1: fold.apply(self.conv1),
            ..self
        }
    }
}

/// Transition between two blocks: it halves the channels and the size.
#[derive(Module, Debug)]
pub(crate) struct Transition {
    norm: BatchNorm,
    conv: Conv2d,
    pool: AvgPool2d,
}

impl Transition {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = self.conv.forward(relu(normalise(&self.norm, x)));
        if self.pool.stride == [1, 1] {
            y
        } else {
            self.pool.forward(y)
        }
    }
}

/// The last block, its norm and ReLU.
#[derive(Module, Debug)]
pub struct DenseStage {
    layers: Vec<DenseLayer>,
    norm: BatchNorm,
}

impl DenseStage {
    /// `[batch, c, h, w]` → `[batch, channels, h, w]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        relu(normalise(&self.norm, forward_block(&self.layers, x)))
    }

    pub(crate) fn fold(self, fold: Fold) -> Self {
        Self {
            layers: fold_block(self.layers, fold),
            ..self
        }
    }
}

/// A densely connected network without its classifier.
#[derive(Module, Debug)]
pub struct DenseNet {
    stem: ConvBn,
    pool: MaxPool2d,
    /// All blocks except the last.
    blocks: Vec<Vec<DenseLayer>>,
    transitions: Vec<Transition>,
    /// The last stage. It is absent in the trunk of a retrieval network, whose branches have a copy each.
    last: Option<DenseStage>,
}

impl DenseNet {
    /// `[batch, 3, h, w]` → `[batch, channels, h / 32, w / 32]`. A trunk returns the output of its last transition.
    pub fn forward_features(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.pool.forward(relu(self.stem.forward(x)));
        let x = self
            .blocks
            .iter()
            .zip(&self.transitions)
            .fold(x, |x, (block, transition)| transition.forward(forward_block(block, x)));
        match &self.last {
            Some(last) => last.forward(x),
            None => x,
        }
    }

    /// Name in torchvision's files: `blocks.0.3.conv1.bn.gamma` → `features.denseblock1.denselayer4.norm2.weight`.
    pub(crate) fn torch_key(&self, fields: &[&str]) -> String {
        let layer = |block: usize, layer: &str, rest: &[&str]| {
            let rest = match rest {
                ["conv1", "conv", last] => format!("conv1.{last}"),
                ["conv1", "bn", last] => format!("norm2.{}", parameter(last)),
                other => plain(other),
            };
            format!(
                "features.denseblock{}.denselayer{}.{rest}",
                block + 1,
                number(layer) + 1
            )
        };
        match fields {
            ["stem", "conv", last] => format!("features.conv0.{last}"),
            ["stem", "bn", last] => format!("features.norm0.{}", parameter(last)),
            ["blocks", block, at, rest @ ..] => layer(number(block), at, rest),
            ["transitions", at, rest @ ..] => format!("features.transition{}.{}", number(at) + 1, plain(rest)),
            ["last", "layers", at, rest @ ..] => layer(3, at, rest),
            ["last", "norm", last] => format!("features.norm5.{}", parameter(last)),
            other => plain(other),
        }
    }

    pub(crate) fn fold(self, fold: Fold) -> Self {
        Self {
            stem: fold.apply(self.stem),
            blocks: self.blocks.into_iter().map(|block| fold_block(block, fold)).collect(),
            last: self.last.map(|last| last.fold(fold)),
            ..self
        }
    }
}

fn forward_block(block: &[DenseLayer], x: Tensor<4>) -> Tensor<4> {
    block.iter().fold(x, |x, layer| layer.forward(x))
}

fn fold_block(block: Vec<DenseLayer>, fold: Fold) -> Vec<DenseLayer> {
    block.into_iter().map(|layer| layer.fold(fold)).collect()
}
