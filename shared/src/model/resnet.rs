//! Residual networks (He et al. 2016, <https://arxiv.org/abs/1512.03385>) and ResNeXt, their form with grouped 3×3
//! convolutions (Xie et al. 2017, <https://arxiv.org/abs/1611.05431>).
//!
//! The layout is torchvision's: a 7×7 stem, and the stride in the 3×3 convolution of a bottleneck. Narrower stems make
//! smaller networks of the same layout.

use super::block::{ConvBn, ConvBnConfig, Fold};
use super::contract::InputContract;
use super::keys::{parameter, plain};
use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

/// Configuration of a residual network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResNetConfig {
    /// Blocks in each of the four stages.
    pub blocks: [usize; 4],
    /// Bottleneck blocks (1×1, 3×3, 1×1) instead of basic ones (3×3, 3×3).
    pub bottleneck: bool,
    /// Channels of the stem, 64 in the paper. The widths of all stages scale with it.
    pub width: usize,
    /// Groups of a bottleneck's 3×3 convolution: 1 in a ResNet, 32 in the published ResNeXts.
    pub groups: usize,
    /// Channels per group in the first stage. In a ResNet it equals `width`.
    pub group_width: usize,
}

impl ResNetConfig {
    /// Channels of the features.
    pub fn channels(&self) -> usize {
        self.channels_after(3)
    }

    /// Channels of the maps that [`ResNet::forward_with_skips`] returns: after the stem and after the first three stages.
    pub fn skip_channels(&self) -> [usize; 4] {
        [
            self.width,
            self.channels_after(0),
            self.channels_after(1),
            self.channels_after(2),
        ]
    }

    /// Input of the published weights.
    pub(crate) fn input(&self) -> InputContract {
        InputContract::IMAGENET
    }

    /// Channels after stage `stage` (0–3).
    fn channels_after(&self, stage: usize) -> usize {
        (self.width << stage) * if self.bottleneck { 4 } else { 1 }
    }

    /// Builds the network with random weights.
    pub fn init(&self, device: &Device) -> ResNet {
        ResNet {
            layer4: self.stage(3, 2, device),
            ..self.trunk(device)
        }
    }

    /// Builds the network without its last stage, with random weights.
    pub fn trunk(&self, device: &Device) -> ResNet {
        ResNet {
            stem: ConvBnConfig::new(3, self.width, 7, 2).init(device),
            pool: MaxPool2dConfig::new([3, 3])
                .with_strides([2, 2])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(),
            layer1: self.stage(0, 1, device),
            layer2: self.stage(1, 2, device),
            layer3: self.stage(2, 2, device),
            layer4: Vec::new(),
        }
    }

    /// Builds stage `index` (0–3) with random weights. Its first block has the given stride.
    pub fn stage(&self, index: usize, stride: usize, device: &Device) -> Vec<Block> {
        let inner = (self.groups * self.group_width) << index;
        let output = self.channels_after(index);
        (0..self.blocks[index])
            .map(|i| {
                let (input, stride) = match (i, index) {
                    (0, 0) => (self.width, stride),
                    (0, _) => (self.channels_after(index - 1), stride),
                    _ => (output, 1),
                };
                let conv =
                    |input, output, kernel, stride| ConvBnConfig::new(input, output, kernel, stride).init(device);
                let (conv1, conv2, conv3) = if self.bottleneck {
                    let grouped = ConvBnConfig {
                        groups: self.groups,
                        ..ConvBnConfig::new(inner, inner, 3, stride)
                    }
                    .init(device);
                    (conv(input, inner, 1, 1), grouped, Some(conv(inner, output, 1, 1)))
                } else {
                    (conv(input, inner, 3, stride), conv(inner, output, 3, 1), None)
                };
                let downsample = (stride != 1 || input != output).then(|| conv(input, output, 1, stride));
                Block {
                    conv1,
                    conv2,
                    conv3,
                    downsample,
                }
            })
            .collect()
    }
}

/// One residual block, basic (`conv3` absent) or bottleneck.
#[derive(Module, Debug)]
pub struct Block {
    conv1: ConvBn,
    conv2: ConvBn,
    conv3: Option<ConvBn>,
    downsample: Option<ConvBn>,
}

impl Block {
    /// `[batch, c, h, w]` → `[batch, c', h / stride, w / stride]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let skip = match &self.downsample {
            Some(downsample) => downsample.forward(x.clone()),
            None => x.clone(),
        };
        let y = relu(self.conv1.forward(x));
        let y = self.conv2.forward(y);
        let y = match &self.conv3 {
            Some(conv3) => conv3.forward(relu(y)),
            None => y,
        };
        relu(y + skip)
    }

    fn fold(self, fold: Fold) -> Self {
        Self {
            conv1: fold.apply(self.conv1),
            conv2: fold.apply(self.conv2),
            conv3: self.conv3.map(|layer| fold.apply(layer)),
            downsample: self.downsample.map(|layer| fold.apply(layer)),
        }
    }
}

/// A residual network without its classifier.
#[derive(Module, Debug)]
pub struct ResNet {
    stem: ConvBn,
    pool: MaxPool2d,
    layer1: Vec<Block>,
    layer2: Vec<Block>,
    layer3: Vec<Block>,
    /// The last stage. It is empty in the trunk of a retrieval network, whose branches have a copy each.
    layer4: Vec<Block>,
}

impl ResNet {
    /// `[batch, 3, h, w]` → `[batch, channels, h / 32, w / 32]`. A trunk returns half the channels at h / 16 and w / 16.
    pub fn forward_features(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.pool.forward(relu(self.stem.forward(x)));
        [&self.layer1, &self.layer2, &self.layer3, &self.layer4]
            .into_iter()
            .fold(x, |x, stage| forward_stage(stage, x))
    }

    /// `[batch, 3, h, w]` → the features, and the maps after the stem and the first three stages, at h / 2, h / 4, h / 8 and
    /// h / 16.
    pub fn forward_with_skips(&self, x: Tensor<4>) -> (Tensor<4>, [Tensor<4>; 4]) {
        let stem = relu(self.stem.forward(x));
        let one = forward_stage(&self.layer1, self.pool.forward(stem.clone()));
        let two = forward_stage(&self.layer2, one.clone());
        let three = forward_stage(&self.layer3, two.clone());
        (forward_stage(&self.layer4, three.clone()), [stem, one, two, three])
    }

    /// Name in torchvision's files: `stem.conv.weight` → `conv1.weight`, `layer1.0.conv2.bn.gamma` → `layer1.0.bn2.weight`.
    pub(crate) fn torch_key(&self, fields: &[&str]) -> String {
        match fields {
            ["stem", "conv", last] => format!("conv1.{last}"),
            ["stem", "bn", last] => format!("bn1.{}", parameter(last)),
            [stage, block, "downsample", kind, last] => {
                let index = usize::from(*kind == "bn");
                format!("{stage}.{block}.downsample.{index}.{}", parameter(last))
            }
            [stage, block, conv, "conv", last] => format!("{stage}.{block}.{conv}.{last}"),
            [stage, block, conv, "bn", last] => {
                format!("{stage}.{block}.{}.{}", conv.replace("conv", "bn"), parameter(last))
            }
            other => plain(other),
        }
    }

    pub(crate) fn fold(self, fold: Fold) -> Self {
        Self {
            stem: fold.apply(self.stem),
            pool: self.pool,
            layer1: fold_stage(self.layer1, fold),
            layer2: fold_stage(self.layer2, fold),
            layer3: fold_stage(self.layer3, fold),
            layer4: fold_stage(self.layer4, fold),
        }
    }
}

/// Runs the blocks of one stage.
pub fn forward_stage(stage: &[Block], x: Tensor<4>) -> Tensor<4> {
    stage.iter().fold(x, |x, block| block.forward(x))
}

pub(crate) fn fold_stage(stage: Vec<Block>, fold: Fold) -> Vec<Block> {
    stage.into_iter().map(|block| block.fold(fold)).collect()
}
