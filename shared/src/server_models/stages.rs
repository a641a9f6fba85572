//! Backbones in stages: cut before the last stage for the branches of a retrieval network, and with the features of several
//! stages for dense supervision.

use super::backbone::{ServerBackbone, ServerBackboneConfig};
use super::densenet::DenseStage;
use crate::model::backbone::{Backbone, BackboneConfig};
use crate::model::block::Fold;
use crate::model::efficientnet_lite::EfficientNetLite;
use crate::model::resnet::{Block, fold_stage, forward_stage};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

impl BackboneConfig {
    /// Builds the network without its last stage, with random weights. Returns `None` if the family cannot be cut there.
    ///
    /// `last_stride` is the stride of the last stage: 2 as published, or 1 for a finer map.
    pub(crate) fn trunk(&self, last_stride: usize, device: &Device) -> Option<Backbone> {
        match self {
            // A ResNet's last stage has the stride itself.
            Self::ResNet(config) => Some(Backbone::ResNet(config.trunk(device))),
            Self::EfficientNetLite(config) if config.has_trunk() => {
                Some(Backbone::EfficientNetLite(config.trunk(device)))
            }
            Self::Server(ServerBackboneConfig::DenseNet(config)) => {
                Some(ServerBackbone::DenseNet(config.trunk(last_stride, device)).into())
            }
            _ => None,
        }
    }

    /// Builds the last stage, which [`trunk`](Self::trunk) leaves out, with random weights.
    pub(crate) fn last_stage(&self, last_stride: usize, device: &Device) -> Option<LastStage> {
        match self {
            Self::ResNet(config) => Some(LastStage::ResNet(config.stage(3, last_stride, device))),
            Self::EfficientNetLite(config) if config.has_trunk() => {
                Some(LastStage::EfficientNetLite(config.last_stage(last_stride, device)))
            }
            Self::Server(ServerBackboneConfig::DenseNet(config)) => {
                Some(LastStage::DenseNet(config.last_stage(device)))
            }
            _ => None,
        }
    }

    /// Channels per stage that [`Backbone::forward_stages`] returns, finest first.
    pub(crate) fn stage_channels(&self) -> Vec<usize> {
        match self {
            Self::ResNet(_) | Self::EfficientNetLite(_) => match self.pyramid_channels() {
                Some([_, _, maps @ ..]) => maps.to_vec(),
                None => vec![self.channels()],
            },
            _ => vec![self.channels()],
        }
    }
}

impl Backbone {
    /// Computes the features of several stages, finest first and [`forward_features`](Self::forward_features) last. Families
    /// without such stages return the last features only.
    pub(crate) fn forward_stages(&self, x: Tensor<4>) -> Vec<Tensor<4>> {
        let mut maps = self.forward_pyramid(x);
        maps.split_off(maps.len().saturating_sub(3))
    }

    /// Name in a file of the parameter at this path of fields of the last stage.
    pub(crate) fn last_stage_key(&self, fields: &[&str]) -> String {
        match self {
            Self::EfficientNetLite(trunk) => trunk.following_key(fields),
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
    DenseNet(DenseStage),
}

impl LastStage {
    /// Features of the trunk, `[batch, c, h, w]` → `[batch, channels, h', w']`.
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::ResNet(blocks) => forward_stage(blocks, x),
            Self::EfficientNetLite(stages) => stages.forward_features(x),
            Self::DenseNet(stage) => stage.forward(x),
        }
    }

    pub(crate) fn fold(self, fold: Fold) -> Self {
        match self {
            Self::ResNet(blocks) => Self::ResNet(fold_stage(blocks, fold)),
            Self::EfficientNetLite(stages) => Self::EfficientNetLite(stages.fold(fold)),
            Self::DenseNet(stage) => Self::DenseNet(stage.fold(fold)),
        }
    }
}
