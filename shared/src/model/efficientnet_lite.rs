//! EfficientNet-Lite 0, 1 and 2 (Google 2020, <https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite>):
//! EfficientNet (Tan & Le 2019, <https://arxiv.org/abs/1905.11946>) without squeeze-excite and with ReLU6. Browsers run them.
//!
//! The seven stages are numbered from 1. A network may end after any of them, before the last convolution. Convolutions are
//! padded as TensorFlow's "SAME": at stride 2 an even side gets its zeros at the lower or right end.

use super::block::{ConvBn, ConvBnConfig, Fold, Padding};
use super::contract::InputContract;
use super::keys::{number, parameter, plain};
use super::packed_lite::{BlockLayers, PackedLite};
use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use std::sync::Arc;

/// Number of stages.
pub const STAGES: usize = 7;
/// First stage of the part that [`EfficientNetLiteConfig::trunk`] leaves out. Its published stride is 2.
const LAST: usize = 6;

/// Kernel, stride and expansion of the blocks of a stage. The stride is that of its first block.
const SHAPES: [(usize, usize, usize); STAGES] = [
    (3, 1, 1),
    (3, 2, 6),
    (5, 2, 6),
    (3, 2, 6),
    (5, 1, 6),
    (5, 2, 6),
    (3, 1, 6),
];

/// Configuration of an EfficientNet-Lite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EfficientNetLiteConfig {
    /// Channels of the stem.
    pub stem: usize,
    /// Channels after each stage.
    pub widths: [usize; STAGES],
    /// Blocks of each stage.
    pub depths: [usize; STAGES],
    /// Channels of the last 1×1 convolution. The network has it only if it has all stages.
    pub head: usize,
    /// Last stage, 1–7, or `None` for the whole network with its last convolution.
    pub end: Option<usize>,
    /// Width and height of the published input in pixels.
    pub side: usize,
}

impl EfficientNetLiteConfig {
    /// Returns the network that ends after `stage`, or `None` if there is no such stage.
    pub fn ending_after(self, stage: usize) -> Option<Self> {
        (1..=STAGES).contains(&stage).then_some(Self {
            end: Some(stage),
            ..self
        })
    }

    /// Channels of the features.
    pub fn channels(&self) -> usize {
        self.end.map_or(self.head, |stage| self.widths[stage - 1])
    }

    /// Channels of the maps that [`EfficientNetLite::forward_pyramid`] returns.
    pub(crate) fn pyramid_channels(&self) -> Vec<usize> {
        let stages = pyramid_stages(self.last());
        let channels = stages.iter().map(|stage| self.widths[stage - 1]);
        channels.take(stages.len() - 1).chain([self.channels()]).collect()
    }

    /// Input of the published weights.
    pub(crate) fn input(&self) -> InputContract {
        InputContract {
            side: self.side,
            smallest: 1,
            mean: [127.0 / 255.0; 3],
            std: [128.0 / 255.0; 3],
        }
    }

    /// Last stage.
    fn last(&self) -> usize {
        self.end.unwrap_or(STAGES)
    }

    /// True if the network has a stage that its [`trunk`](Self::trunk) can leave out.
    pub(crate) fn has_trunk(&self) -> bool {
        self.last() > 1
    }

    /// Number of stages in the trunk of a retrieval network: five, or all but the last of a network of at most five.
    fn trunk_end(&self) -> usize {
        (LAST - 1).min(self.last() - 1)
    }

    /// Builds the network with random weights.
    pub fn init(&self, device: &Device) -> EfficientNetLite {
        EfficientNetLite {
            stem: Some(self.layer(3, self.stem, 3, 2, 1).init(device)),
            ..self.part(1, self.last(), None, device)
        }
    }

    /// Builds the network without its last stages, with random weights: the first five stages, or all but the last if it has
    /// no more than five.
    pub(crate) fn trunk(&self, device: &Device) -> EfficientNetLite {
        self.trunk_config().init(device)
    }

    /// Channels of the maps of the trunk, finest first.
    pub(crate) fn trunk_channels(&self) -> Vec<usize> {
        self.trunk_config().pyramid_channels()
    }

    fn trunk_config(&self) -> Self {
        Self {
            end: Some(self.trunk_end()),
            ..*self
        }
    }

    /// Builds the stages that [`trunk`](Self::trunk) leaves out, with random weights. The first block has the given stride.
    pub(crate) fn last_stage(&self, stride: usize, device: &Device) -> EfficientNetLite {
        self.part(self.trunk_end() + 1, self.last(), Some(stride), device)
    }

    /// Builds stages `from..=to`, and the last convolution after the seventh of a whole network. `stride` replaces the stride
    /// of the first block.
    fn part(&self, from: usize, to: usize, stride: Option<usize>, device: &Device) -> EfficientNetLite {
        let mut blocks = Vec::new();
        let mut ends = Vec::new();
        for stage in from..=to {
            let (kernel, published, expansion) = SHAPES[stage - 1];
            let first = if stage == from { stride } else { None };
            for block in 0..self.depths[stage - 1] {
                let stride = if block == 0 { first.unwrap_or(published) } else { 1 };
                let output = self.widths[stage - 1];
                let input = match (stage, block) {
                    (_, 1..) => output,
                    (1, _) => self.stem,
                    _ => self.widths[stage - 2],
                };
                let expanded = input * expansion;
                let layer = |input, output, kernel, stride, groups| {
                    self.layer(input, output, kernel, stride, groups).init(device)
                };
                blocks.push(MbConv {
                    expand: (expansion > 1).then(|| layer(input, expanded, 1, 1, 1)),
                    depthwise: layer(expanded, expanded, kernel, stride, expanded),
                    project: layer(expanded, output, 1, 1, 1),
                    residual: stride == 1 && input == output,
                });
            }
            ends.push(blocks.len());
        }
        let head = self.end.is_none() && to == STAGES;
        EfficientNetLite {
            stem: None,
            blocks,
            packed: None,
            head: head.then(|| self.layer(self.widths[STAGES - 1], self.head, 1, 1, 1).init(device)),
            ends,
        }
    }

    /// Layer with the norm of the published networks.
    fn layer(&self, input: usize, output: usize, kernel: usize, stride: usize, groups: usize) -> ConvBnConfig {
        ConvBnConfig {
            groups,
            padding: Padding::Same,
            epsilon: 1e-3,
            momentum: 0.01,
            ..ConvBnConfig::new(input, output, kernel, stride)
        }
    }
}

/// Returns the last stage of each resolution, for a network that ends after the stage `last`.
fn pyramid_stages(last: usize) -> Vec<usize> {
    let halves = |stage: usize| stage == last || SHAPES[stage].1 == 2;
    (1..=last).filter(|stage| halves(*stage)).collect()
}

/// Limits the values to 0–6. In training it is a difference of two ReLUs, whose gradient is twice as fast on the CPU as that
/// of a clamp.
fn relu6(x: Tensor<4>) -> Tensor<4> {
    if x.device().is_autodiff() {
        relu(x.clone()) - relu(x - 6.0)
    } else {
        x.clamp(0.0, 6.0)
    }
}

/// Mobile inverted bottleneck: expansion, depthwise convolution, projection.
#[derive(Module, Debug)]
pub struct MbConv {
    expand: Option<ConvBn>,
    depthwise: ConvBn,
    project: ConvBn,
    residual: bool,
}

impl MbConv {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = match &self.expand {
            Some(expand) => relu6(expand.forward(x.clone())),
            None => x.clone(),
        };
        let y = self.project.forward(relu6(self.depthwise.forward(y)));
        if self.residual { y + x } else { y }
    }

    fn layers(&self) -> BlockLayers<'_> {
        BlockLayers {
            expand: self.expand.as_ref(),
            depthwise: &self.depthwise,
            project: &self.project,
            residual: self.residual,
        }
    }

    fn fold(self, fold: Fold) -> Self {
        Self {
            expand: self.expand.map(|layer| fold.apply(layer)),
            depthwise: fold.apply(self.depthwise),
            project: fold.apply(self.project),
            residual: self.residual,
        }
    }
}

/// An EfficientNet-Lite without its classifier, or a range of its stages.
#[derive(Module, Debug)]
pub struct EfficientNetLite {
    /// The first convolution. Only a network that begins with the first stage has it.
    stem: Option<ConvBn>,
    blocks: Vec<MbConv>,
    /// The last convolution. Only a network that ends with it has it.
    head: Option<ConvBn>,
    /// Number of blocks up to the end of each stage.
    #[module(skip)]
    ends: Vec<usize>,
    /// Weights for the kernels of one CPU thread. The layers' weights do not change any more if it is there.
    #[module(skip)]
    packed: Option<Arc<PackedLite>>,
}

impl EfficientNetLite {
    /// `[batch, 3, h, w]` → `[batch, channels, h', w']`. The whole network divides the sides by 32, rounded up.
    pub fn forward_features(&self, x: Tensor<4>) -> Tensor<4> {
        if let Some(packed) = &self.packed {
            return packed.forward(x, &[self.blocks.len()]).remove(0);
        }
        let x = self
            .blocks
            .iter()
            .fold(self.forward_stem(x), |x, block| block.forward(x));
        self.forward_head(x)
    }

    /// `[batch, 3, h, w]` → the map after each stage. The last convolution, if the network has it, is in the last map.
    pub(crate) fn forward_stages(&self, x: Tensor<4>) -> Vec<Tensor<4>> {
        if let Some(packed) = &self.packed {
            return packed.forward(x, &self.ends);
        }
        let mut x = self.forward_stem(x);
        let mut maps = Vec::with_capacity(self.ends.len());
        for (block, index) in self.blocks.iter().zip(1..) {
            x = block.forward(x);
            if self.ends.contains(&index) {
                maps.push(x.clone());
            }
        }
        if let Some(last) = maps.last_mut() {
            *last = self.forward_head(x);
        }
        maps
    }

    /// `[batch, 3, h, w]` → the last map of each resolution: h / 2, h / 4, h / 8, h / 16 and h / 32 for the whole network. The
    /// last are the features.
    pub(crate) fn forward_pyramid(&self, x: Tensor<4>) -> Vec<Tensor<4>> {
        let maps = self.forward_stages(x);
        let stages = pyramid_stages(maps.len());
        stages.into_iter().map(|stage| maps[stage - 1].clone()).collect()
    }

    fn forward_stem(&self, x: Tensor<4>) -> Tensor<4> {
        match &self.stem {
            Some(stem) => relu6(stem.forward(x)),
            None => x,
        }
    }

    fn forward_head(&self, x: Tensor<4>) -> Tensor<4> {
        match &self.head {
            Some(head) => relu6(head.forward(x)),
            None => x,
        }
    }

    /// True if the network computes with the kernels of one CPU thread.
    pub(crate) fn is_packed(&self) -> bool {
        self.packed.is_some()
    }

    /// Name in the published files: `stem.conv.weight` → `_conv_stem.weight`, `blocks.1.expand.bn.gamma` →
    /// `_blocks.1._bn0.weight`.
    pub(crate) fn torch_key(&self, fields: &[&str]) -> String {
        torch_key(0, fields)
    }

    /// Name in the published files of a parameter of the stages that follow this trunk.
    pub(crate) fn following_key(&self, fields: &[&str]) -> String {
        torch_key(self.blocks.len(), fields)
    }

    pub(crate) fn fold(self, fold: Fold) -> Self {
        Self {
            packed: match fold {
                Fold::Pack => {
                    let blocks = self.blocks.iter().map(MbConv::layers);
                    PackedLite::new(self.stem.as_ref(), blocks, self.head.as_ref()).map(Arc::new)
                }
                Fold::Exact | Fold::Form => None,
            },
            stem: self.stem.map(|layer| fold.apply(layer)),
            blocks: self.blocks.into_iter().map(|block| block.fold(fold)).collect(),
            head: self.head.map(|layer| fold.apply(layer)),
            ..self
        }
    }
}

/// Name of a parameter of a network whose first block has the number `first` in the published network.
fn torch_key(first: usize, fields: &[&str]) -> String {
    let layer = |conv: &str, norm: usize, kind: &str, last: &str| match kind {
        "conv" => format!("{conv}.{last}"),
        _ => format!("_bn{norm}.{}", parameter(last)),
    };
    match fields {
        ["stem", kind, last] => layer("_conv_stem", 0, kind, last),
        ["head", kind, last] => layer("_conv_head", 1, kind, last),
        ["blocks", index, part, kind, last] => {
            let (conv, norm) = match *part {
                "expand" => ("_expand_conv", 0),
                "depthwise" => ("_depthwise_conv", 1),
                _ => ("_project_conv", 2),
            };
            let block = first + number(index);
            format!("_blocks.{block}.{}", layer(conv, norm, kind, last))
        }
        other => plain(other),
    }
}
