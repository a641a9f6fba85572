//! Xception (Chollet 2017, <https://arxiv.org/abs/1610.02357>) in the layout of timm's `legacy_xception`: two convolutions
//! without padding, then depthwise separable convolutions in residual blocks.

use crate::model::block::{ConvBn, ConvBnConfig, Fold, Padding};
use crate::model::keys::{number, parameter, plain};
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Initializer, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

/// Variant of Xception.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XceptionConfig {
    /// Channels of the first convolution, a multiple of 4 and 32 in the paper. All other widths scale with it.
    pub width: usize,
}

/// Channels of the middle flow in the paper.
const MIDDLE: usize = 728;

impl XceptionConfig {
    fn scaled(self, channels: usize) -> usize {
        channels * self.width / 32
    }

    /// Channels of the features.
    pub fn channels(self) -> usize {
        self.scaled(2048)
    }

    /// Builds the network with random weights.
    pub fn init(self, device: &Device) -> Xception {
        let valid = |input, output, stride| {
            ConvBnConfig {
                padding: Padding::Symmetric([0, 0]),
                ..ConvBnConfig::new(input, self.scaled(output), 3, stride)
            }
            .init(device)
        };
        let block = |channels: &[usize], stride| {
            Block::new(
                &channels
                    .iter()
                    .map(|channels| self.scaled(*channels))
                    .collect::<Vec<_>>(),
                stride,
                device,
            )
        };
        let entry = [[64, 128, 128], [128, 256, 256], [256, MIDDLE, MIDDLE]];
        let mut blocks: Vec<Block> = entry.iter().map(|channels| block(channels, 2)).collect();
        blocks.extend((0..8).map(|_| block(&[MIDDLE; 4], 1)));
        blocks.push(block(&[MIDDLE, MIDDLE, 1024], 2));
        Xception {
            conv1: valid(3, 32, 2),
            conv2: valid(self.scaled(32), 64, 1),
            blocks,
            conv3: Separable::new(self.scaled(1024), self.scaled(1536), device),
            conv4: Separable::new(self.scaled(1536), self.scaled(2048), device),
        }
    }
}

/// A depthwise 3×3 convolution, directly followed by a pointwise convolution and its norm.
#[derive(Module, Debug)]
pub(crate) struct Separable {
    depthwise: Conv2d,
    pointwise: ConvBn,
}

impl Separable {
    fn new(input: usize, output: usize, device: &Device) -> Self {
        let depthwise = Conv2dConfig::new([input, input], [3, 3])
            .with_groups(input)
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
            .with_initializer(Initializer::KaimingNormal {
                gain: std::f64::consts::SQRT_2,
                fan_out_only: true,
            })
            .with_bias(false)
            .init(device);
        Self {
            depthwise,
            pointwise: ConvBnConfig::new(input, output, 1, 1).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.pointwise.forward(self.depthwise.forward(x))
    }

    fn fold(self, fold: Fold) -> Self {
        Self {
            pointwise: fold.apply(self.pointwise),
            ..self
        }
    }
}

/// Separable convolutions with a skip connection.
#[derive(Module, Debug)]
pub(crate) struct Block {
    layers: Vec<Separable>,
    /// A 1×1 convolution where channels or size change.
    skip: Option<ConvBn>,
    /// Maximum pooling that halves the size.
    pool: Option<MaxPool2d>,
}

impl Block {
    /// Builds a block with `channels` before, between and after its convolutions.
    fn new(channels: &[usize], stride: usize, device: &Device) -> Self {
        let (input, output) = (channels[0], channels[channels.len() - 1]);
        let pool = MaxPool2dConfig::new([3, 3])
            .with_strides([stride; 2])
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
        Self {
            layers: channels
                .windows(2)
                .map(|pair| Separable::new(pair[0], pair[1], device))
                .collect(),
            skip: (stride != 1 || input != output).then(|| ConvBnConfig::new(input, output, 1, stride).init(device)),
            pool: (stride != 1).then(|| pool.init()),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let skip = match &self.skip {
            Some(skip) => skip.forward(x.clone()),
            None => x.clone(),
        };
        // The paper's first block begins without a ReLU. The stem ends in one, and a second ReLU changes nothing.
        let y = self.layers.iter().fold(x, |x, layer| layer.forward(relu(x)));
        let y = match &self.pool {
            Some(pool) => pool.forward(y),
            None => y,
        };
        y + skip
    }

    fn fold(self, fold: Fold) -> Self {
        Self {
            layers: self.layers.into_iter().map(|layer| layer.fold(fold)).collect(),
            skip: self.skip.map(|skip| fold.apply(skip)),
            pool: self.pool,
        }
    }
}

/// An Xception without its classifier.
#[derive(Module, Debug)]
pub struct Xception {
    conv1: ConvBn,
    conv2: ConvBn,
    blocks: Vec<Block>,
    conv3: Separable,
    conv4: Separable,
}

impl Xception {
    /// `[batch, 3, h, w]` → `[batch, channels, h', w']`, with h' about h / 32: 10 at h = 299.
    pub fn forward_features(&self, x: Tensor<4>) -> Tensor<4> {
        let x = relu(self.conv1.forward(x));
        let x = relu(self.conv2.forward(x));
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x));
        let x = relu(self.conv3.forward(x));
        relu(self.conv4.forward(x))
    }

    /// Name in timm's files: `blocks.3.layers.0.pointwise.bn.gamma` → `block4.rep.2.weight`.
    pub(crate) fn torch_key(&self, fields: &[&str]) -> String {
        match fields {
            ["blocks", block, "layers", at, rest @ ..] => {
                // A layer is ReLU, convolution and norm. The first block lacks the first ReLU.
                let at = 3 * number(at) + usize::from(*block != "0");
                let rest = match rest {
                    ["depthwise", last] => format!("{at}.conv1.{last}"),
                    ["pointwise", "conv", last] => format!("{at}.pointwise.{last}"),
                    ["pointwise", "bn", last] => format!("{}.{}", at + 1, parameter(last)),
                    other => plain(other),
                };
                format!("block{}.rep.{rest}", number(block) + 1)
            }
            ["blocks", block, "skip", kind, last] => {
                format!(
                    "block{}.skip{}.{}",
                    number(block) + 1,
                    if *kind == "bn" { "bn" } else { "" },
                    parameter(last)
                )
            }
            [conv, "depthwise", last] => format!("{conv}.conv1.{last}"),
            [conv, "pointwise", "conv", last] => format!("{conv}.pointwise.{last}"),
            [conv, "conv", last] => format!("{conv}.{last}"),
            [conv, "pointwise", "bn", last] | [conv, "bn", last] => {
                format!("{}.{}", conv.replace("conv", "bn"), parameter(last))
            }
            other => plain(other),
        }
    }

    pub(crate) fn fold(self, fold: Fold) -> Self {
        Self {
            conv1: fold.apply(self.conv1),
            conv2: fold.apply(self.conv2),
            blocks: self.blocks.into_iter().map(|block| block.fold(fold)).collect(),
            conv3: self.conv3.fold(fold),
            conv4: self.conv4.fold(fold),
        }
    }
}
