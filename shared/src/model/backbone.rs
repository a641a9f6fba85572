//! The registry of backbones: a name, as recipes and bundles write it, to a configuration.

use super::block::Fold;
use super::mobilenet::{MobileNetV3, MobileNetV3Config};
use super::resnet::{ResNet, ResNetConfig};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// A backbone's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackboneConfig {
    /// Residual networks.
    ResNet(ResNetConfig),
    /// MobileNetV3.
    MobileNetV3(MobileNetV3Config),
}

/// No backbone has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no backbone '{name}'; choose one of {}", BackboneConfig::names().collect::<Vec<_>>().join(", "))]
pub struct UnknownBackbone {
    /// The name asked for.
    pub name: String,
}

const fn resnet(blocks: [usize; 4], bottleneck: bool, width: usize) -> BackboneConfig {
    BackboneConfig::ResNet(ResNetConfig { blocks, bottleneck, width })
}

/// Names with their configurations. `_wN` is a stem of N channels instead of 64.
const REGISTRY: [(&str, BackboneConfig); 11] = [
    ("resnet10_w16", resnet([1, 1, 1, 1], false, 16)),
    ("resnet10_w32", resnet([1, 1, 1, 1], false, 32)),
    ("resnet18_w32", resnet([2, 2, 2, 2], false, 32)),
    ("resnet18_w48", resnet([2, 2, 2, 2], false, 48)),
    ("resnet18", resnet([2, 2, 2, 2], false, 64)),
    ("resnet34", resnet([3, 4, 6, 3], false, 64)),
    ("resnet50", resnet([3, 4, 6, 3], true, 64)),
    ("resnet101", resnet([3, 4, 23, 3], true, 64)),
    ("resnet152", resnet([3, 8, 36, 3], true, 64)),
    ("mobilenet_v3_small", BackboneConfig::MobileNetV3(MobileNetV3Config::Small)),
    ("mobilenet_v3_large", BackboneConfig::MobileNetV3(MobileNetV3Config::Large)),
];

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
        match self {
            Self::ResNet(config) => config.channels(3),
            Self::MobileNetV3(config) => config.channels(),
        }
    }

    /// The network with random weights.
    pub fn init(&self, device: &Device) -> Backbone {
        match self {
            Self::ResNet(config) => Backbone::ResNet(config.init(device)),
            Self::MobileNetV3(config) => Backbone::MobileNetV3(config.init(device)),
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
}

impl Backbone {
    /// `[batch, 3, h, w]` → `[batch, channels, h / 32, w / 32]`.
    pub fn forward_features(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::ResNet(net) => net.forward_features(x),
            Self::MobileNetV3(net) => net.forward_features(x),
        }
    }

    pub(crate) fn fold(self, fold: Fold) -> Self {
        match self {
            Self::ResNet(net) => Self::ResNet(net.fold(fold)),
            Self::MobileNetV3(net) => Self::MobileNetV3(net.fold(fold)),
        }
    }
}
