//! Families of backbones that browsers do not run: DenseNet, Inception-v3 and Xception.

use super::densenet::{DenseNet, DenseNetConfig};
use super::inception::{Inception, InceptionConfig};
use super::xception::{Xception, XceptionConfig};
use crate::model::block::Fold;
use crate::model::contract::InputContract;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// Configuration of a backbone that browsers do not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerBackboneConfig {
    /// Densely connected networks.
    DenseNet(DenseNetConfig),
    /// Inception-v3.
    Inception(InceptionConfig),
    /// Xception.
    Xception(XceptionConfig),
}

const fn densenet(blocks: [usize; 4], growth: usize, width: usize) -> ServerBackboneConfig {
    ServerBackboneConfig::DenseNet(DenseNetConfig { blocks, growth, width })
}

const fn inception(width: usize) -> ServerBackboneConfig {
    ServerBackboneConfig::Inception(InceptionConfig { width })
}

const fn xception(width: usize) -> ServerBackboneConfig {
    ServerBackboneConfig::Xception(XceptionConfig { width })
}

/// Names of these backbones. `_wN` marks a first convolution of N channels instead of the published 64 (Inception and
/// Xception: 32). All other widths scale with it.
pub(crate) const SERVER_REGISTRY: [(&str, ServerBackboneConfig); 8] = [
    ("densenet37_w16", densenet([2, 4, 6, 4], 8, 16)),
    ("densenet121", densenet([6, 12, 24, 16], 32, 64)),
    ("densenet169", densenet([6, 12, 32, 32], 32, 64)),
    ("densenet201", densenet([6, 12, 48, 32], 32, 64)),
    ("inception_v3_w8", inception(8)),
    ("inception_v3", inception(32)),
    ("xception_w8", xception(8)),
    ("xception", xception(32)),
];

/// −1 to 1, the convention of the networks that Google published. torchvision's Inception-v3 converts its input to this
/// range itself when it has loaded published weights.
const SYMMETRIC: InputContract = InputContract {
    side: 299,
    smallest: 1,
    mean: [0.5; 3],
    std: [0.5; 3],
};

/// Evaluates the same expression for every family of a configuration or of a network.
macro_rules! each {
    ($of:expr, $it:ident => $do:expr) => {
        match $of {
            Self::DenseNet($it) => $do,
            Self::Inception($it) => $do,
            Self::Xception($it) => $do,
        }
    };
}

impl ServerBackboneConfig {
    /// Channels of the features.
    pub(crate) fn channels(&self) -> usize {
        each!(self, config => config.channels())
    }

    /// Input that published weights expect, and the smallest input that the network accepts.
    pub(crate) fn input(&self) -> InputContract {
        match self {
            // Three poolings halve the map without padding.
            Self::DenseNet(_) => InputContract {
                smallest: 29,
                ..InputContract::IMAGENET
            },
            // The stem and the reductions do not pad.
            Self::Inception(_) => InputContract {
                smallest: 75,
                ..SYMMETRIC
            },
            Self::Xception(_) => InputContract {
                smallest: 7,
                ..SYMMETRIC
            },
        }
    }

    /// Builds the network with random weights.
    pub(crate) fn init(&self, device: &Device) -> ServerBackbone {
        each!(self, config => config.init(device).into())
    }
}

/// A backbone that browsers do not run.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // there is one backbone per model, so its size does not matter
pub enum ServerBackbone {
    /// Densely connected networks.
    DenseNet(DenseNet),
    /// Inception-v3.
    Inception(Inception),
    /// Xception.
    Xception(Xception),
}

impl ServerBackbone {
    pub(crate) fn forward_features(&self, x: Tensor<4>) -> Tensor<4> {
        each!(self, net => net.forward_features(x))
    }

    pub(crate) fn fold(self, fold: Fold) -> Self {
        each!(self, net => net.fold(fold).into())
    }

    pub(crate) fn torch_key(&self, fields: &[&str]) -> String {
        each!(self, net => net.torch_key(fields))
    }

    /// Name of the linear classifier in torchvision's and timm's files.
    pub(crate) fn classifier_name(&self) -> &'static str {
        match self {
            Self::DenseNet(_) => "classifier",
            Self::Inception(_) | Self::Xception(_) => "fc",
        }
    }
}

impl From<DenseNet> for ServerBackbone {
    fn from(net: DenseNet) -> Self {
        Self::DenseNet(net)
    }
}

impl From<Inception> for ServerBackbone {
    fn from(net: Inception) -> Self {
        Self::Inception(net)
    }
}

impl From<Xception> for ServerBackbone {
    fn from(net: Xception) -> Self {
        Self::Xception(net)
    }
}
