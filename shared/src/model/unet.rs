//! Semantic segmentation: a U-Net (Ronneberger, Fischer, Brox 2015, <https://arxiv.org/abs/1505.04597>) whose contracting
//! path is a residual network of the registry, so that it can start from a classifier's weights and a classifier from its.
//!
//! Logits come at half the input's resolution, where the stem's features are; one convolution a level keeps it small.

use super::backbone::{BackboneConfig, UnknownBackbone};
use super::block::{ConvBn, ConvBnConfig, Fold};
use super::resnet::ResNet;
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// The class of pixels that no class claims.
pub const UNLABELLED: u8 = u8::MAX;

/// Why a segmentation network cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SegmentConfigError {
    /// No such backbone.
    #[error(transparent)]
    Backbone(#[from] UnknownBackbone),
    /// Not a residual network.
    #[error("the encoder must be a residual network, and '{0}' is none; use resnet10_w32, resnet18, …")]
    Family(String),
    /// Fewer than two classes, more than 254, or an id or the remaining ids claimed twice.
    #[error(
        "a segmentation needs 2 to 254 classes, each id of a mask in one of them and at most one class for all others"
    )]
    Classes,
}

/// A segmentation network's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentConfig {
    /// Name of a residual network in the registry of backbones.
    pub backbone: String,
    /// Channels of the expanding path, from the deepest level to the output.
    pub widths: [usize; 4],
    /// For every class the ids in masks that belong to it; empty for the one class of all ids that no other claims.
    pub ids: Vec<Vec<u8>>,
}

impl SegmentConfig {
    /// The class of every id that a mask may hold; [`UNLABELLED`] for ids of no class and for 255.
    ///
    /// # Errors
    /// [`SegmentConfigError::Classes`].
    pub fn classes(&self) -> Result<[u8; 256], SegmentConfigError> {
        if !(2..=254).contains(&self.ids.len()) {
            return Err(SegmentConfigError::Classes);
        }
        let mut rest = None;
        let mut classes = [UNLABELLED; 256];
        for (class, ids) in (0..).zip(&self.ids) {
            if ids.is_empty() && rest.replace(class).is_some() {
                return Err(SegmentConfigError::Classes);
            }
            for id in ids {
                if classes[usize::from(*id)] != UNLABELLED {
                    return Err(SegmentConfigError::Classes);
                }
                classes[usize::from(*id)] = class;
            }
        }
        if let Some(rest) = rest {
            classes[..255]
                .iter_mut()
                .filter(|class| **class == UNLABELLED)
                .for_each(|class| *class = rest);
        }
        classes[255] = UNLABELLED;
        Ok(classes)
    }

    /// Height and width of the logits for an input of this height and width.
    pub const fn map_size(height: usize, width: usize) -> (usize, usize) {
        (height.div_ceil(2), width.div_ceil(2))
    }

    /// The network with random weights.
    ///
    /// # Errors
    /// [`SegmentConfigError`].
    pub fn init(&self, device: &Device) -> Result<UNet, SegmentConfigError> {
        self.classes()?;
        let BackboneConfig::ResNet(encoder) = BackboneConfig::named(&self.backbone)? else {
            return Err(SegmentConfigError::Family(self.backbone.clone()));
        };
        let mut below = encoder.channels();
        let skips = encoder.skip_channels();
        let levels = skips.into_iter().rev().zip(self.widths).map(|(skip, width)| {
            let level = ConvBnConfig::new(below + skip, width, 3, 1).init(device);
            below = width;
            level
        });
        let levels = levels.collect();
        Ok(UNet {
            encoder: encoder.init(device),
            levels,
            classify: Conv2dConfig::new([self.widths[3], self.ids.len()], [1, 1]).init(device),
        })
    }
}

/// A segmentation network.
#[derive(Module, Debug)]
pub struct UNet {
    encoder: ResNet,
    /// Of the expanding path, deepest first.
    levels: Vec<ConvBn>,
    classify: Conv2d,
}

impl UNet {
    /// `[batch, 3, h, w]` → logits `[batch, classes, h / 2, w / 2]`, sizes rounded up.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let (features, skips) = self.encoder.forward_with_skips(x);
        let x = self
            .levels
            .iter()
            .zip(skips.into_iter().rev())
            .fold(features, |x, (level, skip)| {
                let [_, _, height, width] = skip.dims();
                relu(level.forward(Tensor::cat(vec![enlarge(x, height, width), skip], 1)))
            });
        self.classify.forward(x)
    }

    /// The same function with all batch norms folded into the convolutions before them, for export.
    pub fn fold_batch_norm(self) -> Self {
        self.fold(Fold::Exact)
    }

    /// The folded form with meaningless weights, ready to be loaded.
    pub(crate) fn folded_form(self) -> Self {
        self.fold(Fold::Form)
    }

    fn fold(self, fold: Fold) -> Self {
        Self {
            encoder: self.encoder.fold(fold),
            levels: self.levels.into_iter().map(|level| fold.apply(level)).collect(),
            classify: self.classify,
        }
    }
}

/// Every value twice along both sides, cut to `height × width`: the skip's size, which is odd where the encoder rounded up.
fn enlarge(x: Tensor<4>, height: usize, width: usize) -> Tensor<4> {
    let [batch, channels, h, w] = x.dims();
    x.reshape([batch, channels, h, 1, w, 1])
        .expand([batch, channels, h, 2, w, 2])
        .reshape([batch, channels, 2 * h, 2 * w])
        .narrow(2, 0, height)
        .narrow(3, 0, width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{HeadConfig, Hidden, StyleConfig};
    use crate::weights::{Precision, Scope, layout, load, save};
    use burn::tensor::{Distribution, Tolerance};

    fn config() -> SegmentConfig {
        SegmentConfig {
            backbone: "resnet10_w16".to_owned(),
            widths: [32, 16, 16, 8],
            ids: vec![vec![0], vec![41, 19], vec![]],
        }
    }

    #[test]
    fn maps_have_half_the_size_and_folding_keeps_them() {
        let device = Device::flex();
        let net = config().init(&device).expect("valid");
        for (height, width) in [(64, 64), (72, 50), (33, 97)] {
            let x = Tensor::<4>::random([2, 3, height, width], Distribution::Normal(0.0, 1.0), &device);
            let logits = net.forward(x.clone());
            let (rows, columns) = SegmentConfig::map_size(height, width);
            assert_eq!(logits.dims(), [2, 3, rows, columns]);
            let folded = net.clone().fold_batch_norm().forward(x);
            folded
                .into_data()
                .assert_approx_eq::<f32>(&logits.into_data(), Tolerance::absolute(1e-3));
        }
    }

    #[test]
    fn a_classifier_starts_from_its_encoder() {
        let device = Device::flex();
        let net = config().init(&device).expect("valid");
        let bytes = save(&net, Precision::F32).expect("saves");
        let head = HeadConfig::Style {
            hidden: Hidden::default(),
        };
        let classifier = StyleConfig {
            backbone: "resnet10_w16".to_owned(),
            head,
            dense: None,
            per_label: false,
            n_labels: 5,
        };
        let classifier = load(classifier.init(&device).expect("valid"), &bytes, Scope::Pretrained).expect("fits");
        let back = load(
            net,
            &save(&classifier, Precision::F32).expect("saves"),
            Scope::Pretrained,
        )
        .expect("fits");
        assert_eq!(
            save(&back, Precision::F32).expect("saves"),
            bytes,
            "the same encoder, and a head of its own"
        );
        let heads = layout(&back).iter().filter(|(key, _)| key.starts_with("head.")).count();
        assert_eq!(
            heads,
            4 * 5 + 2,
            "four levels of a convolution and its norm, and the classifier"
        );
    }

    #[test]
    fn ids_belong_to_one_class() {
        let classes = config().classes().expect("valid");
        assert_eq!(
            [0, 41, 19, 3, 254, 255].map(|id| classes[id]),
            [0, 1, 1, 2, 2, UNLABELLED]
        );
        for ids in [vec![vec![0]], vec![vec![0], vec![0, 1]], vec![vec![], vec![]]] {
            assert_eq!(
                SegmentConfig { ids, ..config() }.classes(),
                Err(SegmentConfigError::Classes)
            );
        }
        let without_rest = SegmentConfig {
            ids: vec![vec![0], vec![7]],
            ..config()
        }
        .classes()
        .expect("valid");
        assert_eq!([0, 7, 3].map(|id| without_rest[id]), [0, 1, UNLABELLED]);
        let mobile = SegmentConfig {
            backbone: "mobilenet_v3_small".to_owned(),
            ..config()
        };
        assert!(matches!(
            mobile.init(&Device::flex()),
            Err(SegmentConfigError::Family(_))
        ));
    }
}
