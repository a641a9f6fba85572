//! MobileNetV3 small and large (Howard et al. 2019, <https://arxiv.org/abs/1905.02244>) in torchvision's layout. Browsers
//! run them as students and as query encoders.

use super::block::{ConvBn, ConvBnConfig, Fold, global_average};
use super::contract::InputContract;
use super::keys::{number, parameter, plain};
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::activation::{hard_swish, relu};
use burn::tensor::{Device, Tensor};

/// Variant of MobileNetV3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MobileNetV3Config {
    /// The small network: 1.5 M parameters without the classifier.
    Small,
    /// The large network: 3.0 M parameters without the classifier.
    Large,
}

/// One row of the paper's tables 1 and 2.
struct Row {
    kernel: usize,
    expanded: usize,
    output: usize,
    squeeze: bool,
    swish: bool,
    stride: usize,
}

const fn row(kernel: usize, expanded: usize, output: usize, squeeze: bool, swish: bool, stride: usize) -> Row {
    Row {
        kernel,
        expanded,
        output,
        squeeze,
        swish,
        stride,
    }
}

const STEM: usize = 16;

const SMALL: [Row; 11] = [
    row(3, 16, 16, true, false, 2),
    row(3, 72, 24, false, false, 2),
    row(3, 88, 24, false, false, 1),
    row(5, 96, 40, true, true, 2),
    row(5, 240, 40, true, true, 1),
    row(5, 240, 40, true, true, 1),
    row(5, 120, 48, true, true, 1),
    row(5, 144, 48, true, true, 1),
    row(5, 288, 96, true, true, 2),
    row(5, 576, 96, true, true, 1),
    row(5, 576, 96, true, true, 1),
];

const LARGE: [Row; 15] = [
    row(3, 16, 16, false, false, 1),
    row(3, 64, 24, false, false, 2),
    row(3, 72, 24, false, false, 1),
    row(5, 72, 40, true, false, 2),
    row(5, 120, 40, true, false, 1),
    row(5, 120, 40, true, false, 1),
    row(3, 240, 80, false, true, 2),
    row(3, 200, 80, false, true, 1),
    row(3, 184, 80, false, true, 1),
    row(3, 184, 80, false, true, 1),
    row(3, 480, 112, true, true, 1),
    row(3, 672, 112, true, true, 1),
    row(5, 672, 160, true, true, 2),
    row(5, 960, 160, true, true, 1),
    row(5, 960, 160, true, true, 1),
];

impl MobileNetV3Config {
    fn rows(self) -> &'static [Row] {
        match self {
            Self::Small => &SMALL,
            Self::Large => &LARGE,
        }
    }

    /// Channels of the features.
    pub fn channels(self) -> usize {
        6 * self.rows()[self.rows().len() - 1].output
    }

    /// Input of the published weights.
    pub(crate) fn input(self) -> InputContract {
        InputContract::IMAGENET
    }

    /// Width of the hidden layer in torchvision's classifier.
    pub fn classifier_width(self) -> usize {
        match self {
            Self::Small => 1024,
            Self::Large => 1280,
        }
    }

    /// Builds the network with random weights.
    pub fn init(self, device: &Device) -> MobileNetV3 {
        // torchvision's norm for this family differs from its default.
        let layer = |input, output, kernel, stride, groups| {
            ConvBnConfig {
                groups,
                epsilon: 1e-3,
                momentum: 0.01,
                ..ConvBnConfig::new(input, output, kernel, stride)
            }
            .init(device)
        };
        let mut input = STEM;
        let blocks = self
            .rows()
            .iter()
            .map(|row| {
                let block = InvertedResidual {
                    expand: (row.expanded != input).then(|| layer(input, row.expanded, 1, 1, 1)),
                    depthwise: layer(row.expanded, row.expanded, row.kernel, row.stride, row.expanded),
                    squeeze: row.squeeze.then(|| SqueezeExcite::new(row.expanded, device)),
                    project: layer(row.expanded, row.output, 1, 1, 1),
                    residual: row.stride == 1 && input == row.output,
                    swish: row.swish,
                };
                input = row.output;
                block
            })
            .collect();
        MobileNetV3 {
            stem: layer(3, STEM, 3, 2, 1),
            blocks,
            last: layer(input, self.channels(), 1, 1, 1),
        }
    }
}

/// Channel attention: global average, a layer of a quarter of the channels, and factors from a hard sigmoid.
#[derive(Module, Debug)]
pub struct SqueezeExcite {
    fc1: Conv2d,
    fc2: Conv2d,
}

impl SqueezeExcite {
    fn new(channels: usize, device: &Device) -> Self {
        let squeezed = make_divisible(channels as f64 / 4.0);
        let conv = |input, output| Conv2dConfig::new([input, output], [1, 1]).init(device);
        Self {
            fc1: conv(channels, squeezed),
            fc2: conv(squeezed, channels),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, channels, _, _] = x.dims();
        let pooled = global_average(x.clone()).reshape([batch, channels, 1, 1]);
        let scale = self.fc2.forward(relu(self.fc1.forward(pooled)));
        x * (scale / 6.0 + 0.5).clamp(0.0, 1.0)
    }
}

/// Rounds to a multiple of eight that is at least 90 % of the value (the reference implementation's rule).
fn make_divisible(value: f64) -> usize {
    let rounded = (((value + 4.0) / 8.0) as usize * 8).max(8);
    if (rounded as f64) < 0.9 * value {
        rounded + 8
    } else {
        rounded
    }
}

/// Expansion, depthwise convolution, attention, projection.
#[derive(Module, Debug)]
pub struct InvertedResidual {
    expand: Option<ConvBn>,
    depthwise: ConvBn,
    squeeze: Option<SqueezeExcite>,
    project: ConvBn,
    residual: bool,
    swish: bool,
}

impl InvertedResidual {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let activate = |x| if self.swish { hard_swish(x) } else { relu(x) };
        let y = match &self.expand {
            Some(expand) => activate(expand.forward(x.clone())),
            None => x.clone(),
        };
        let y = activate(self.depthwise.forward(y));
        let y = match &self.squeeze {
            Some(squeeze) => squeeze.forward(y),
            None => y,
        };
        let y = self.project.forward(y);
        if self.residual { y + x } else { y }
    }

    fn fold(self, fold: Fold) -> Self {
        Self {
            expand: self.expand.map(|layer| fold.apply(layer)),
            depthwise: fold.apply(self.depthwise),
            project: fold.apply(self.project),
            ..self
        }
    }
}

/// A MobileNetV3 without its classifier.
#[derive(Module, Debug)]
pub struct MobileNetV3 {
    stem: ConvBn,
    blocks: Vec<InvertedResidual>,
    last: ConvBn,
}

impl MobileNetV3 {
    /// `[batch, 3, h, w]` → `[batch, channels, h / 32, w / 32]`.
    pub fn forward_features(&self, x: Tensor<4>) -> Tensor<4> {
        let x = hard_swish(self.stem.forward(x));
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x));
        hard_swish(self.last.forward(x))
    }

    /// Name in torchvision's files: `blocks.2.expand.conv.weight` → `features.3.block.0.0.weight`.
    pub(crate) fn torch_key(&self, fields: &[&str]) -> String {
        let conv_or_bn = |kind: &str| usize::from(kind == "bn");
        match fields {
            ["stem", kind, last] => format!("features.0.{}.{}", conv_or_bn(kind), parameter(last)),
            ["last", kind, last] => format!(
                "features.{}.{}.{}",
                self.blocks.len() + 1,
                conv_or_bn(kind),
                parameter(last)
            ),
            ["blocks", index, part, kind, last] => {
                let block = number(index);
                match (self.torch_part(block, part), *part) {
                    (Some(at), "squeeze") => format!("features.{}.block.{at}.{kind}.{last}", block + 1),
                    (Some(at), _) => {
                        format!(
                            "features.{}.block.{at}.{}.{}",
                            block + 1,
                            conv_or_bn(kind),
                            parameter(last)
                        )
                    }
                    (None, _) => plain(fields),
                }
            }
            other => plain(other),
        }
    }

    /// Name in torchvision's files of a parameter of the classifier: a hidden layer, dropout and the output layer.
    pub(crate) fn classifier_key(fields: &[&str]) -> String {
        match fields {
            ["hidden", _, _, last] => format!("classifier.0.{last}"),
            ["output", last] => format!("classifier.3.{last}"),
            other => plain(other),
        }
    }

    /// Number that torchvision gives to a part of a block. It counts only parts that the block has. `part` is the name of the
    /// part's field.
    fn torch_part(&self, block: usize, part: &str) -> Option<usize> {
        let block = self.blocks.get(block)?;
        [
            ("expand", block.expand.is_some()),
            ("depthwise", true),
            ("squeeze", block.squeeze.is_some()),
            ("project", true),
        ]
        .iter()
        .filter(|(_, present)| *present)
        .position(|(name, _)| *name == part)
    }

    pub(crate) fn fold(self, fold: Fold) -> Self {
        Self {
            stem: fold.apply(self.stem),
            blocks: self.blocks.into_iter().map(|block| block.fold(fold)).collect(),
            last: fold.apply(self.last),
        }
    }
}
