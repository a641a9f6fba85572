//! Backbones that are cut before their last stage, for the branches of a retrieval network.

use super::backbone::{Backbone, BackboneConfig};
use super::block::Fold;
use super::efficientnet_lite::EfficientNetLite;
use super::resnet::{Block, fold_stage, forward_stage};
#[cfg(feature = "server-models")]
use crate::server_models::backbone::{ServerBackbone, ServerBackboneConfig};
#[cfg(feature = "server-models")]
use crate::server_models::densenet::DenseStage;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

impl BackboneConfig {
    /// Builds the network without its last stage, with random weights. Returns `None` if the family cannot be cut there.
    ///
    /// `last_stride` is the stride of the last stage: 2 as published, or 1 for a finer map.
    #[cfg_attr(
        not(feature = "server-models"),
        expect(unused_variables, reason = "only a DenseNet's trunk has the stride")
    )]
    pub(crate) fn trunk(&self, last_stride: usize, device: &Device) -> Option<Backbone> {
        match self {
            // A ResNet's last stage has the stride itself.
            Self::ResNet(config) => Some(Backbone::ResNet(config.trunk(device))),
            Self::EfficientNetLite(config) if config.has_trunk() => {
                Some(Backbone::EfficientNetLite(config.trunk(device)))
            }
            #[cfg(feature = "server-models")]
            Self::Server(ServerBackboneConfig::DenseNet(config)) => {
                Some(ServerBackbone::DenseNet(config.trunk(last_stride, device)).into())
            }
            _ => None,
        }
    }

    /// Channels of the maps that [`Backbone::trunk_maps`] returns. There are none to pool if the family has only one.
    pub(crate) fn trunk_channels(&self) -> Vec<usize> {
        match self {
            Self::ResNet(config) => config.skip_channels().to_vec(),
            Self::EfficientNetLite(config) if config.has_trunk() => config.trunk_channels(),
            _ => Vec::new(),
        }
    }

    /// Builds the last stage, which [`trunk`](Self::trunk) leaves out, with random weights.
    pub(crate) fn last_stage(&self, last_stride: usize, device: &Device) -> Option<LastStage> {
        match self {
            Self::ResNet(config) => Some(LastStage::ResNet(config.stage(3, last_stride, device))),
            Self::EfficientNetLite(config) if config.has_trunk() => {
                Some(LastStage::EfficientNetLite(config.last_stage(last_stride, device)))
            }
            #[cfg(feature = "server-models")]
            Self::Server(ServerBackboneConfig::DenseNet(config)) => {
                Some(LastStage::DenseNet(config.last_stage(device)))
            }
            _ => None,
        }
    }
}

impl Backbone {
    /// `[batch, 3, h, w]` → the maps of a [trunk](BackboneConfig::trunk), finest first. The last are its features. Families other
    /// than ResNet and EfficientNet-Lite return the features alone.
    pub(crate) fn trunk_maps(&self, x: Tensor<4>) -> Vec<Tensor<4>> {
        match self {
            Self::ResNet(trunk) => trunk.forward_with_skips(x).1.to_vec(),
            Self::EfficientNetLite(trunk) => trunk.forward_pyramid(x),
            other => vec![other.forward_features(x)],
        }
    }

    /// Name in a file of the parameter at this path of fields of the last stage.
    pub(crate) fn last_stage_key(&self, fields: &[&str]) -> String {
        match self {
            Self::EfficientNetLite(trunk) => trunk.following_key(fields),
            #[cfg(feature = "server-models")]
            Self::Server(ServerBackbone::DenseNet(_)) => self.torch_key(&[&["last"], fields].concat()),
            _ => self.torch_key(&[&["layer4"], fields].concat()),
        }
    }
}

/// The last stage of a backbone that can be cut before it.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // a network has a few of them, so their size does not matter
pub(crate) enum LastStage {
    /// Residual blocks.
    ResNet(Vec<Block>),
    /// The stages after the trunk.
    EfficientNetLite(EfficientNetLite),
    /// The last dense block and the norm after it.
    #[cfg(feature = "server-models")]
    DenseNet(DenseStage),
}

impl LastStage {
    /// Features of the trunk, `[batch, c, h, w]` → `[batch, channels, h', w']`.
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::ResNet(blocks) => forward_stage(blocks, x),
            Self::EfficientNetLite(stages) => stages.forward_features(x),
            #[cfg(feature = "server-models")]
            Self::DenseNet(stage) => stage.forward(x),
        }
    }

    pub(crate) fn fold(self, fold: Fold) -> Self {
        match self {
            Self::ResNet(blocks) => Self::ResNet(fold_stage(blocks, fold)),
            Self::EfficientNetLite(stages) => Self::EfficientNetLite(stages.fold(fold)),
            #[cfg(feature = "server-models")]
            Self::DenseNet(stage) => Self::DenseNet(stage.fold(fold)),
        }
    }
}
