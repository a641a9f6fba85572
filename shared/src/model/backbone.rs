//! The registry of backbones: a name, as recipes and bundles write it, to a configuration.
//!
//! DenseNet, Inception and Xception are behind the feature `backbones`: a browser tags with a student, so its module
//! need not carry them.

use super::block::Fold;
use super::mobilenet::{MobileNetV3, MobileNetV3Config};
use super::resnet::{Block, ResNet, ResNetConfig, fold_stage, forward_stage};
#[cfg(feature = "backbones")]
use super::{
    densenet::{DenseNet, DenseNetConfig, DenseStage},
    inception::{Inception, InceptionConfig},
    xception::{Xception, XceptionConfig},
};
use crate::input::{IMAGENET_MEAN, IMAGENET_STD};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// A backbone's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackboneConfig {
    /// Residual networks and ResNeXt.
    ResNet(ResNetConfig),
    /// MobileNetV3.
    MobileNetV3(MobileNetV3Config),
    /// Densely connected networks.
    #[cfg(feature = "backbones")]
    DenseNet(DenseNetConfig),
    /// Inception-v3.
    #[cfg(feature = "backbones")]
    Inception(InceptionConfig),
    /// Xception.
    #[cfg(feature = "backbones")]
    Xception(XceptionConfig),
}

/// No backbone has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no backbone '{name}'; choose one of {}", BackboneConfig::names().collect::<Vec<_>>().join(", "))]
pub struct UnknownBackbone {
    /// The name asked for.
    pub name: String,
}

/// Dataset that the published weights of a backbone were trained on.
///
/// A recipe without `mean` and `std` under `[input]` gets the backbone's; the size is the recipe's own choice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InputContract {
    /// Width and height in pixels.
    pub side: usize,
    /// The smallest width and height in pixels that leave anything of a map.
    pub smallest: usize,
    /// Channel means, in units of full brightness (0–1).
    pub mean: [f32; 3],
    /// Channel standard deviations, likewise.
    pub std: [f32; 3],
}

const IMAGENET: InputContract = InputContract {
    side: 224,
    smallest: 1,
    mean: IMAGENET_MEAN,
    std: IMAGENET_STD,
};

/// −1 to 1, the convention of the networks that came from Google; torchvision's Inception-v3 converts to it inside when
/// it has loaded published weights.
#[cfg(feature = "backbones")]
const SYMMETRIC: InputContract = InputContract {
    side: 299,
    smallest: 1,
    mean: [0.5; 3],
    std: [0.5; 3],
};

const fn resnet(blocks: [usize; 4], bottleneck: bool, width: usize) -> BackboneConfig {
    BackboneConfig::ResNet(ResNetConfig {
        blocks,
        bottleneck,
        width,
        groups: 1,
        group_width: width,
    })
}

const fn resnext(blocks: [usize; 4], width: usize, groups: usize, group_width: usize) -> BackboneConfig {
    BackboneConfig::ResNet(ResNetConfig {
        blocks,
        bottleneck: true,
        width,
        groups,
        group_width,
    })
}

#[cfg(feature = "backbones")]
const fn densenet(blocks: [usize; 4], growth: usize, width: usize) -> BackboneConfig {
    BackboneConfig::DenseNet(DenseNetConfig { blocks, growth, width })
}

/// Names with their configurations. `_wN` is a first convolution of N channels instead of the published 64 (Inception
/// and Xception: 32); everything else scales with it.
const REGISTRY: &[(&str, BackboneConfig)] = &[
    ("resnet10_w16", resnet([1, 1, 1, 1], false, 16)),
    ("resnet10_w32", resnet([1, 1, 1, 1], false, 32)),
    ("resnet18_w32", resnet([2, 2, 2, 2], false, 32)),
    ("resnet18_w48", resnet([2, 2, 2, 2], false, 48)),
    ("resnet18", resnet([2, 2, 2, 2], false, 64)),
    ("resnet34", resnet([3, 4, 6, 3], false, 64)),
    ("resnet50", resnet([3, 4, 6, 3], true, 64)),
    ("resnet101", resnet([3, 4, 23, 3], true, 64)),
    ("resnet152", resnet([3, 8, 36, 3], true, 64)),
    ("resnext14_w16", resnext([1, 1, 1, 1], 16, 8, 4)),
    ("resnext50_32x4d", resnext([3, 4, 6, 3], 64, 32, 4)),
    ("resnext101_32x8d", resnext([3, 4, 23, 3], 64, 32, 8)),
    (
        "mobilenet_v3_small",
        BackboneConfig::MobileNetV3(MobileNetV3Config::Small),
    ),
    (
        "mobilenet_v3_large",
        BackboneConfig::MobileNetV3(MobileNetV3Config::Large),
    ),
    #[cfg(feature = "backbones")]
    ("densenet37_w16", densenet([2, 4, 6, 4], 8, 16)),
    #[cfg(feature = "backbones")]
    ("densenet121", densenet([6, 12, 24, 16], 32, 64)),
    #[cfg(feature = "backbones")]
    ("densenet169", densenet([6, 12, 32, 32], 32, 64)),
    #[cfg(feature = "backbones")]
    ("densenet201", densenet([6, 12, 48, 32], 32, 64)),
    #[cfg(feature = "backbones")]
    (
        "inception_v3_w8",
        BackboneConfig::Inception(InceptionConfig { width: 8 }),
    ),
    #[cfg(feature = "backbones")]
    ("inception_v3", BackboneConfig::Inception(InceptionConfig { width: 32 })),
    #[cfg(feature = "backbones")]
    ("xception_w8", BackboneConfig::Xception(XceptionConfig { width: 8 })),
    #[cfg(feature = "backbones")]
    ("xception", BackboneConfig::Xception(XceptionConfig { width: 32 })),
];

/// The same expression for every family, of a configuration or of a network; with `in Enum` its value becomes that
/// enum's variant of the same family.
macro_rules! each {
    ($of:expr, $it:ident in $family:ident => $do:expr) => {
        match $of {
            Self::ResNet($it) => $family::ResNet($do),
            Self::MobileNetV3($it) => $family::MobileNetV3($do),
            #[cfg(feature = "backbones")]
            Self::DenseNet($it) => $family::DenseNet($do),
            #[cfg(feature = "backbones")]
            Self::Inception($it) => $family::Inception($do),
            #[cfg(feature = "backbones")]
            Self::Xception($it) => $family::Xception($do),
        }
    };
    ($of:expr, $it:ident => $do:expr) => {
        match $of {
            Self::ResNet($it) => $do,
            Self::MobileNetV3($it) => $do,
            #[cfg(feature = "backbones")]
            Self::DenseNet($it) => $do,
            #[cfg(feature = "backbones")]
            Self::Inception($it) => $do,
            #[cfg(feature = "backbones")]
            Self::Xception($it) => $do,
        }
    };
}

impl BackboneConfig {
    /// All names.
    pub fn names() -> impl Iterator<Item = &'static str> {
        REGISTRY.iter().map(|(name, _)| *name)
    }

    /// The configuration of this name.
    ///
    /// # Errors
    /// [`UnknownBackbone`], which lists the names that there are.
    pub fn named(name: &str) -> Result<Self, UnknownBackbone> {
        REGISTRY
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, config)| *config)
            .ok_or_else(|| UnknownBackbone { name: name.to_owned() })
    }

    /// Channels of the features.
    pub fn channels(&self) -> usize {
        each!(self, config => config.channels())
    }

    /// Input that published weights expect, and the smallest input that the network accepts.
    pub fn input(&self) -> InputContract {
        match self {
            Self::ResNet(_) | Self::MobileNetV3(_) => IMAGENET,
            // Three poolings halve the map without padding.
            #[cfg(feature = "backbones")]
            Self::DenseNet(_) => InputContract {
                smallest: 29,
                ..IMAGENET
            },
            // Nothing pads the stem and the reductions.
            #[cfg(feature = "backbones")]
            Self::Inception(_) => InputContract {
                smallest: 75,
                ..SYMMETRIC
            },
            #[cfg(feature = "backbones")]
            Self::Xception(_) => InputContract {
                smallest: 7,
                ..SYMMETRIC
            },
        }
    }

    /// Channels of the stages that [`Backbone::forward_stages`] gives, finest first.
    #[cfg(feature = "backbones")]
    pub(crate) fn stage_channels(&self) -> Vec<usize> {
        match self {
            Self::ResNet(config) => (1..4).map(|stage| config.channels_after(stage)).collect(),
            _ => vec![self.channels()],
        }
    }

    /// The network with random weights.
    pub fn init(&self, device: &Device) -> Backbone {
        each!(self, config in Backbone => config.init(device))
    }

    /// The network without its last stage, random weights; `None` for a family that is not cut there.
    ///
    /// The last stage strides by `last_stride`, 2 as published or 1 for a finer map.
    #[cfg_attr(not(feature = "backbones"), allow(unused_variables))] // a ResNet's stride is the last stage's own
    pub(crate) fn trunk(&self, last_stride: usize, device: &Device) -> Option<Backbone> {
        match self {
            Self::ResNet(config) => Some(Backbone::ResNet(config.trunk(device))),
            #[cfg(feature = "backbones")]
            Self::DenseNet(config) => Some(Backbone::DenseNet(config.trunk(last_stride, device))),
            _ => None,
        }
    }

    /// The last stage on its own, random weights; what [`trunk`](Self::trunk) leaves out.
    pub(crate) fn last_stage(&self, last_stride: usize, device: &Device) -> Option<LastStage> {
        match self {
            Self::ResNet(config) => Some(LastStage::ResNet(config.stage(3, last_stride, device))),
            #[cfg(feature = "backbones")]
            Self::DenseNet(config) => Some(LastStage::DenseNet(config.last_stage(device))),
            _ => None,
        }
    }
}

/// A backbone of any family.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // one of them exists per model, so its size does not matter
pub enum Backbone {
    /// Residual networks.
    ResNet(ResNet),
    /// MobileNetV3.
    MobileNetV3(MobileNetV3),
    /// Densely connected networks.
    #[cfg(feature = "backbones")]
    DenseNet(DenseNet),
    /// Inception-v3.
    #[cfg(feature = "backbones")]
    Inception(Inception),
    /// Xception.
    #[cfg(feature = "backbones")]
    Xception(Xception),
}

impl Backbone {
    /// `[batch, 3, h, w]` → `[batch, channels, h / 32, w / 32]`; Inception's and Xception's maps are a little smaller.
    pub fn forward_features(&self, x: Tensor<4>) -> Tensor<4> {
        each!(self, net => net.forward_features(x))
    }

    /// Features at several sizes, finest first and [`forward_features`](Self::forward_features) last; only that for
    /// families without such stages.
    #[cfg(feature = "backbones")]
    pub fn forward_stages(&self, x: Tensor<4>) -> Vec<Tensor<4>> {
        match self {
            Self::ResNet(net) => net.forward_stages(x).into(),
            _ => vec![self.forward_features(x)],
        }
    }

    pub(crate) fn fold(self, fold: Fold) -> Self {
        each!(self, net in Self => net.fold(fold))
    }
}

/// The last stage of a backbone that can be cut before it; a retrieval network has one a branch.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // as for Backbone
pub enum LastStage {
    /// Residual blocks.
    ResNet(Vec<Block>),
    /// The last dense block with the norm behind it.
    #[cfg(feature = "backbones")]
    DenseNet(DenseStage),
}

impl LastStage {
    /// `[batch, c, h, w]` of the trunk → `[batch, channels, h', w']`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::ResNet(blocks) => forward_stage(blocks, x),
            #[cfg(feature = "backbones")]
            Self::DenseNet(stage) => stage.forward(x),
        }
    }

    pub(crate) fn fold(self, fold: Fold) -> Self {
        match self {
            Self::ResNet(blocks) => Self::ResNet(fold_stage(blocks, fold)),
            #[cfg(feature = "backbones")]
            Self::DenseNet(stage) => Self::DenseNet(stage.fold(fold)),
        }
    }
}
