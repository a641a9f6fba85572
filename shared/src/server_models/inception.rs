//! Inception-v3 (Szegedy et al. 2016, <https://arxiv.org/abs/1512.00567>) in torchvision's layout, without the auxiliary
//! classifier.
//!
//! A block has parallel branches. A branch is a chain of convolutions that may fork at its end. The names of torchvision's
//! parameters follow from that, see [`Branch`].

use crate::model::block::{ConvBn, ConvBnConfig, Fold, Padding};
use crate::model::keys::{number, plain};
use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::nn::pool::{AvgPool2d, AvgPool2dConfig, MaxPool2d, MaxPool2dConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

/// Variant of Inception-v3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InceptionConfig {
    /// Channels of the first convolution, a multiple of 2 and 32 in the paper. All other widths scale with it.
    pub width: usize,
}

/// A convolution of the plan: channels of the published width, kernel, stride, padding.
#[derive(Clone, Copy)]
struct Conv(usize, [usize; 2], usize, [usize; 2]);

/// A 1×1 convolution.
const fn point(output: usize) -> Conv {
    Conv(output, [1, 1], 1, [0, 0])
}

/// A convolution that keeps the size. Both sides of its kernel are odd.
const fn same(output: usize, height: usize, width: usize) -> Conv {
    Conv(output, [height, width], 1, [height / 2, width / 2])
}

/// A 3×3 convolution without padding.
const fn valid(output: usize, stride: usize) -> Conv {
    Conv(output, [3, 3], stride, [0, 0])
}

/// A branch of the plan: name, pooling before it, chain, fork.
struct Way(&'static str, Pooled, Vec<Conv>, Vec<Conv>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pooled {
    No,
    /// 3×3 mean with stride 1. It counts the zeros beyond the border.
    Average,
    /// 3×3 maximum with stride 2.
    Maximum,
}

fn chain(name: &'static str, chain: Vec<Conv>) -> Way {
    Way(name, Pooled::No, chain, vec![])
}

fn forked(name: &'static str, chain: Vec<Conv>, output: usize) -> Way {
    Way(name, Pooled::No, chain, vec![same(output, 1, 3), same(output, 3, 1)])
}

fn average(output: usize) -> Way {
    Way("branch_pool", Pooled::Average, vec![point(output)], vec![])
}

fn maximum() -> Way {
    Way("branch_pool", Pooled::Maximum, vec![], vec![])
}

/// torchvision's names of the convolutions before the blocks. Maximum pooling follows the third and the last.
const STEM: [&str; 5] = [
    "Conv2d_1a_3x3",
    "Conv2d_2a_3x3",
    "Conv2d_2b_3x3",
    "Conv2d_3b_1x1",
    "Conv2d_4a_3x3",
];

/// torchvision's names of the blocks.
const BLOCKS: [&str; 11] = [
    "Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e", "Mixed_7a",
    "Mixed_7b", "Mixed_7c",
];

fn stem_plan() -> [Conv; 5] {
    [valid(32, 2), valid(32, 1), same(64, 3, 3), point(80), valid(192, 1)]
}

/// The blocks of the paper's table 1 in the order of [`BLOCKS`], figures 5, 10, 6, 10 and 7.
fn block_plan() -> [Vec<Way>; 11] {
    let a = |pool| {
        vec![
            chain("branch1x1", vec![point(64)]),
            chain("branch5x5", vec![point(48), same(64, 5, 5)]),
            chain("branch3x3dbl", vec![point(64), same(96, 3, 3), same(96, 3, 3)]),
            average(pool),
        ]
    };
    let b = vec![
        chain("branch3x3", vec![valid(384, 2)]),
        chain("branch3x3dbl", vec![point(64), same(96, 3, 3), valid(96, 2)]),
        maximum(),
    ];
    let c = |c: usize| {
        let double = vec![point(c), same(c, 7, 1), same(c, 1, 7), same(c, 7, 1), same(192, 1, 7)];
        vec![
            chain("branch1x1", vec![point(192)]),
            chain("branch7x7", vec![point(c), same(c, 1, 7), same(192, 7, 1)]),
            chain("branch7x7dbl", double),
            average(192),
        ]
    };
    let d = vec![
        chain("branch3x3", vec![point(192), valid(320, 2)]),
        chain(
            "branch7x7x3",
            vec![point(192), same(192, 1, 7), same(192, 7, 1), valid(192, 2)],
        ),
        maximum(),
    ];
    let e = || {
        vec![
            chain("branch1x1", vec![point(320)]),
            forked("branch3x3", vec![point(384)], 384),
            forked("branch3x3dbl", vec![point(448), same(384, 3, 3)], 384),
            average(192),
        ]
    };
    [a(32), a(64), a(64), b, c(128), c(160), c(160), c(192), d, e(), e()]
}

impl InceptionConfig {
    fn scaled(self, channels: usize) -> usize {
        channels * self.width / 32
    }

    /// Channels of the features.
    pub fn channels(self) -> usize {
        // Concatenated: 320 + 2 · 384 + 2 · 384 + 192.
        self.scaled(2048)
    }

    /// Builds the network with random weights.
    pub fn init(self, device: &Device) -> Inception {
        let mut input = 3;
        let stem = stem_plan()
            .into_iter()
            .map(|conv| self.layer(&mut input, conv, device))
            .collect();
        let mut blocks = Vec::with_capacity(BLOCKS.len());
        for ways in block_plan() {
            let branches: Vec<Branch> = ways.into_iter().map(|way| self.branch(input, way, device)).collect();
            input = branches.iter().map(|branch| branch.channels(input)).sum();
            blocks.push(Mixed { branches });
        }
        Inception {
            stem,
            pool: MaxPool2dConfig::new([3, 3]).with_strides([2, 2]).init(),
            blocks,
        }
    }

    fn branch(self, mut input: usize, Way(name, pooled, chain, fork): Way, device: &Device) -> Branch {
        let average = AvgPool2dConfig::new([3, 3])
            .with_strides([1, 1])
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
            .with_count_include_pad(true);
        let chain = chain
            .into_iter()
            .map(|conv| self.layer(&mut input, conv, device))
            .collect();
        Branch {
            name,
            average: (pooled == Pooled::Average).then(|| average.init()),
            maximum: (pooled == Pooled::Maximum).then(|| MaxPool2dConfig::new([3, 3]).with_strides([2, 2]).init()),
            chain,
            fork: fork
                .into_iter()
                .map(|conv| self.layer(&mut input.clone(), conv, device))
                .collect(),
        }
    }

    /// Builds a convolution of the plan and sets `input` to the number of its output channels.
    fn layer(self, input: &mut usize, Conv(output, kernel, stride, padding): Conv, device: &Device) -> ConvBn {
        let output = self.scaled(output);
        let config = ConvBnConfig {
            kernel,
            padding: Padding::Symmetric(padding),
            epsilon: 1e-3,
            ..ConvBnConfig::new(*input, output, kernel[0], stride)
        };
        *input = output;
        config.init(device)
    }
}

/// One branch of a block.
///
/// torchvision names its convolutions `NAME_1`, `NAME_2`, …, or `NAME` if there is only one. The two convolutions of a fork
/// have the next number with `a` and `b`.
#[derive(Module, Debug)]
pub(crate) struct Branch {
    #[module(skip)]
    name: &'static str,
    average: Option<AvgPool2d>,
    maximum: Option<MaxPool2d>,
    /// Convolutions in series.
    chain: Vec<ConvBn>,
    /// Two parallel convolutions on the chain's output, or none.
    fork: Vec<ConvBn>,
}

impl Branch {
    fn channels(&self, input: usize) -> usize {
        let output = |layer: &ConvBn| layer.conv.weight.lazy_shape()[0];
        match (&self.fork[..], self.chain.last()) {
            ([], None) => input,
            ([], Some(last)) => output(last),
            (fork, _) => fork.iter().map(output).sum(),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Vec<Tensor<4>> {
        let x = match (&self.average, &self.maximum) {
            (Some(pool), _) => pool.forward(x),
            (None, Some(pool)) => pool.forward(x),
            (None, None) => x,
        };
        let x = self.chain.iter().fold(x, |x, layer| relu(layer.forward(x)));
        if self.fork.is_empty() {
            return vec![x];
        }
        self.fork.iter().map(|layer| relu(layer.forward(x.clone()))).collect()
    }

    fn fold(self, fold: Fold) -> Self {
        Self {
            chain: fold_all(self.chain, fold),
            fork: fold_all(self.fork, fold),
            ..self
        }
    }

    /// torchvision's name of convolution `at` of the chain or, if `forks`, of the fork.
    fn torch_name(&self, forks: bool, at: usize) -> String {
        match (forks, self.chain.len()) {
            (true, length) => format!("{}_{}{}", self.name, length + 1, if at == 0 { "a" } else { "b" }),
            (false, 1) if self.fork.is_empty() => self.name.to_owned(),
            (false, _) => format!("{}_{}", self.name, at + 1),
        }
    }
}

/// A block: parallel branches with concatenated outputs.
#[derive(Module, Debug)]
pub(crate) struct Mixed {
    branches: Vec<Branch>,
}

impl Mixed {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        Tensor::cat(
            self.branches
                .iter()
                .flat_map(|branch| branch.forward(x.clone()))
                .collect(),
            1,
        )
    }
}

/// An Inception-v3 without its classifiers.
#[derive(Module, Debug)]
pub struct Inception {
    stem: Vec<ConvBn>,
    pool: MaxPool2d,
    blocks: Vec<Mixed>,
}

impl Inception {
    /// `[batch, 3, h, w]` → `[batch, channels, h', w']`, with h' = 8 at h = 299 and h' = 1 at h = 75, the smallest input.
    pub fn forward_features(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.stem.iter().enumerate().fold(x, |x, (at, layer)| {
            let x = relu(layer.forward(x));
            if at == 2 || at + 1 == self.stem.len() {
                self.pool.forward(x)
            } else {
                x
            }
        });
        self.blocks.iter().fold(x, |x, block| block.forward(x))
    }

    /// Name in torchvision's files: `blocks.0.branches.1.chain.0.bn.gamma` → `Mixed_5b.branch5x5_1.bn.weight`.
    pub(crate) fn torch_key(&self, fields: &[&str]) -> String {
        let name = |names: &[&'static str], at: &str| names.get(number(at)).copied().unwrap_or_default();
        match fields {
            ["stem", at, rest @ ..] => format!("{}.{}", name(&STEM, at), plain(rest)),
            ["blocks", block, "branches", branch, part, at, rest @ ..] => {
                let conv = self
                    .branch(number(block), number(branch))
                    .map(|branch| branch.torch_name(*part == "fork", number(at)))
                    .unwrap_or_default();
                format!("{}.{conv}.{}", name(&BLOCKS, block), plain(rest))
            }
            other => plain(other),
        }
    }

    fn branch(&self, block: usize, branch: usize) -> Option<&Branch> {
        self.blocks.get(block)?.branches.get(branch)
    }

    pub(crate) fn fold(self, fold: Fold) -> Self {
        let block = |block: Mixed| Mixed {
            branches: block.branches.into_iter().map(|branch| branch.fold(fold)).collect(),
        };
        Self {
            stem: fold_all(self.stem, fold),
            blocks: self.blocks.into_iter().map(block).collect(),
            pool: self.pool,
        }
    }
}

fn fold_all(layers: Vec<ConvBn>, fold: Fold) -> Vec<ConvBn> {
    layers.into_iter().map(|layer| fold.apply(layer)).collect()
}
