//! Registry of backbones: names, as recipes and bundles write them, with their configurations.
//!
//! Browsers run ResNets, ResNeXts, MobileNetV3 and EfficientNet-Lite. The other families are in
//! [`server_models`](crate::server_models), behind the feature `server-models`.

use super::block::Fold;
use super::contract::InputContract;
use super::efficientnet_lite::{EfficientNetLite, EfficientNetLiteConfig};
use super::keys::plain;
use super::mobilenet::{MobileNetV3, MobileNetV3Config};
use super::resnet::{ResNet, ResNetConfig};
#[cfg(feature = "server-models")]
use crate::server_models::backbone::{SERVER_REGISTRY, ServerBackbone, ServerBackboneConfig};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// A backbone's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackboneConfig {
    /// Residual networks and ResNeXt.
    ResNet(ResNetConfig),
    /// MobileNetV3.
    MobileNetV3(MobileNetV3Config),
    /// EfficientNet-Lite.
    EfficientNetLite(EfficientNetLiteConfig),
    /// The families that browsers do not run.
    #[cfg(feature = "server-models")]
    Server(ServerBackboneConfig),
}

/// No backbone has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no backbone '{name}'; choose one of {}; an EfficientNet-Lite ends after stage 1 to 7 by a name such as \
     efficientnet_lite0_s5",
    BackboneConfig::names().collect::<Vec<_>>().join(", ")
)]
pub struct UnknownBackbone {
    /// The unknown name.
    pub name: String,
}

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

const fn lite(widths: [usize; 7], depths: [usize; 7], side: usize) -> BackboneConfig {
    BackboneConfig::EfficientNetLite(EfficientNetLiteConfig {
        stem: 32,
        widths,
        depths,
        head: 1280,
        end: None,
        side,
    })
}

/// Names of the backbones that every build has. `_wN` marks a first convolution of N channels instead of the published 64.
/// All other widths scale with it.
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
    (
        "efficientnet_lite_w8",
        BackboneConfig::EfficientNetLite(EfficientNetLiteConfig {
            stem: 8,
            widths: [4, 6, 10, 20, 28, 48, 80],
            depths: [1; 7],
            head: 320,
            end: None,
            side: 224,
        }),
    ),
    (
        "efficientnet_lite0",
        lite([16, 24, 40, 80, 112, 192, 320], [1, 2, 2, 3, 3, 4, 1], 224),
    ),
    (
        "efficientnet_lite1",
        lite([16, 24, 40, 80, 112, 192, 320], [1, 3, 3, 4, 4, 5, 1], 240),
    ),
    (
        "efficientnet_lite2",
        lite([16, 24, 48, 88, 120, 208, 352], [1, 3, 3, 4, 4, 5, 1], 260),
    ),
];

/// All names of this build with their configurations.
fn registry() -> impl Iterator<Item = (&'static str, BackboneConfig)> {
    let entries = REGISTRY.iter().copied();
    #[cfg(feature = "server-models")]
    let entries = entries.chain(SERVER_REGISTRY.map(|(name, config)| (name, BackboneConfig::Server(config))));
    entries
}

/// Evaluates the same expression for every family of a configuration or of a network.
macro_rules! each {
    ($of:expr, $it:ident => $do:expr) => {
        match $of {
            Self::ResNet($it) => $do,
            Self::MobileNetV3($it) => $do,
            Self::EfficientNetLite($it) => $do,
            #[cfg(feature = "server-models")]
            Self::Server($it) => $do,
        }
    };
}

impl BackboneConfig {
    /// All names.
    pub fn names() -> impl Iterator<Item = &'static str> {
        registry().map(|(name, _)| name)
    }

    /// Returns the configuration of this name. `_sN` after the name of an EfficientNet-Lite ends it after stage N.
    ///
    /// # Errors
    /// [`UnknownBackbone`], which lists all names, if no backbone has this name.
    pub fn named(name: &str) -> Result<Self, UnknownBackbone> {
        let known = |name: &str| registry().find(|(known, _)| *known == name).map(|(_, config)| config);
        let cut = || match name.rsplit_once("_s") {
            Some((whole, stage)) => match known(whole)? {
                Self::EfficientNetLite(lite) => Some(Self::EfficientNetLite(lite.ending_after(stage.parse().ok()?)?)),
                _ => None,
            },
            None => None,
        };
        known(name)
            .or_else(cut)
            .ok_or_else(|| UnknownBackbone { name: name.to_owned() })
    }

    /// Channels of the features.
    pub fn channels(&self) -> usize {
        each!(self, config => config.channels())
    }

    /// Channels of the maps that [`Backbone::forward_pyramid`] returns.
    pub fn pyramid_channels(&self) -> Vec<usize> {
        match self {
            Self::ResNet(config) => [&config.skip_channels()[..], &[config.channels()]].concat(),
            Self::EfficientNetLite(config) => config.pyramid_channels(),
            _ => vec![self.channels()],
        }
    }

    /// Input that published weights expect, and the smallest input that the network accepts.
    pub fn input(&self) -> InputContract {
        each!(self, config => config.input())
    }

    /// Builds the network with random weights.
    pub fn init(&self, device: &Device) -> Backbone {
        each!(self, config => config.init(device).into())
    }

    /// Width of the hidden layer in the classifier that torchvision puts on this backbone, or `None` if it has none.
    pub(crate) fn classifier_width(&self) -> Option<usize> {
        match self {
            Self::MobileNetV3(config) => Some(config.classifier_width()),
            _ => None,
        }
    }
}

/// A backbone of any family.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // there is one backbone per model, so its size does not matter
pub enum Backbone {
    /// Residual networks.
    ResNet(ResNet),
    /// MobileNetV3.
    MobileNetV3(MobileNetV3),
    /// EfficientNet-Lite.
    EfficientNetLite(EfficientNetLite),
    /// The families that browsers do not run.
    #[cfg(feature = "server-models")]
    Server(ServerBackbone),
}

impl Backbone {
    /// `[batch, 3, h, w]` → `[batch, channels, h / 32, w / 32]`. Inception's and Xception's maps are slightly smaller.
    pub fn forward_features(&self, x: Tensor<4>) -> Tensor<4> {
        each!(self, net => net.forward_features(x))
    }

    /// `[batch, 3, h, w]` → the maps at h / 2, h / 4, h / 8, h / 16 and h / 32, rounded up. The last are the features. A network
    /// that ends earlier has fewer maps. Families other than ResNet and EfficientNet-Lite return the features alone.
    pub fn forward_pyramid(&self, x: Tensor<4>) -> Vec<Tensor<4>> {
        match self {
            Self::ResNet(net) => {
                let (features, skips) = net.forward_with_skips(x);
                skips.into_iter().chain([features]).collect()
            }
            Self::EfficientNetLite(net) => net.forward_pyramid(x),
            _ => vec![self.forward_features(x)],
        }
    }

    pub(crate) fn fold(self, fold: Fold) -> Self {
        each!(self, net => net.fold(fold).into())
    }

    /// True if the network computes with kernels of its own for one thread of a CPU.
    pub fn is_packed(&self) -> bool {
        matches!(self, Self::EfficientNetLite(net) if net.is_packed())
    }

    /// Name in a file of the parameter at this path of the backbone's fields.
    pub(crate) fn torch_key(&self, fields: &[&str]) -> String {
        each!(self, net => net.torch_key(fields))
    }

    /// Name in a file of the parameter at this path of fields of the classifier that torchvision or timm puts on the backbone.
    pub(crate) fn classifier_key(&self, fields: &[&str]) -> String {
        match self {
            Self::ResNet(_) => linear_key("fc", fields),
            Self::EfficientNetLite(_) => linear_key("_fc", fields),
            Self::MobileNetV3(_) => MobileNetV3::classifier_key(fields),
            #[cfg(feature = "server-models")]
            Self::Server(net) => linear_key(net.classifier_name(), fields),
        }
    }
}

/// Name of a classifier of one linear layer.
fn linear_key(name: &str, fields: &[&str]) -> String {
    match fields {
        ["output", last] => format!("{name}.{last}"),
        other => plain(other),
    }
}

impl From<ResNet> for Backbone {
    fn from(net: ResNet) -> Self {
        Self::ResNet(net)
    }
}

impl From<MobileNetV3> for Backbone {
    fn from(net: MobileNetV3) -> Self {
        Self::MobileNetV3(net)
    }
}

impl From<EfficientNetLite> for Backbone {
    fn from(net: EfficientNetLite) -> Self {
        Self::EfficientNetLite(net)
    }
}

#[cfg(feature = "server-models")]
impl From<ServerBackbone> for Backbone {
    fn from(net: ServerBackbone) -> Self {
        Self::Server(net)
    }
}
