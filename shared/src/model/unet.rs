//! Semantic segmentation: a U-Net (Ronneberger, Fischer, Brox 2015, <https://arxiv.org/abs/1505.04597>) whose contracting
//! path is a backbone of the registry.
//!
//! The network can start from the weights of a classifier, and a classifier from its weights. One convolution per level keeps
//! the network small.

use super::backbone::{Backbone, BackboneConfig};
use super::block::{ConvBn, ConvBnConfig, Fold};
use super::config::{SegmentConfig, SegmentConfigError};
use super::keys::{TorchKeys, plain};
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

impl SegmentConfig {
    /// Builds the network with random weights.
    ///
    /// # Errors
    /// [`SegmentConfigError`] if the backbone, the widths or the classes cannot be used.
    pub fn init(&self, device: &Device) -> Result<UNet, SegmentConfigError> {
        self.classes()?;
        let backbone = BackboneConfig::named(&self.backbone)?;
        let mut channels = self.channels()?;
        let bridge = self.bridge.map(|width| Bridge {
            down: ConvBnConfig::new(backbone.channels(), width, 3, 2).init(device),
            conv: ConvBnConfig::new(width, width, 3, 1).init(device),
        });
        let below = channels.pop().unwrap_or_default();
        let finest = self.widths.last().copied().unwrap_or_default();
        let inputs = std::iter::once(&below).chain(&self.widths);
        let levels = inputs.zip(&self.widths).zip(channels.iter().rev());
        let levels = levels.map(|((below, width), skip)| ConvBnConfig::new(below + skip, *width, 3, 1).init(device));
        Ok(UNet {
            levels: levels.collect(),
            encoder: backbone.init(device),
            bridge,
            classify: Conv2dConfig::new([finest, self.ids.len()], [1, 1]).init(device),
        })
    }
}

/// Convolutions at half the resolution of the encoder's features.
#[derive(Module, Debug)]
struct Bridge {
    down: ConvBn,
    conv: ConvBn,
}

/// A segmentation network.
#[derive(Module, Debug)]
pub struct UNet {
    encoder: Backbone,
    bridge: Option<Bridge>,
    /// Convolutions of the expanding path, deepest first.
    levels: Vec<ConvBn>,
    classify: Conv2d,
}

impl UNet {
    /// `[batch, 3, h, w]` → logits `[batch, classes, h', w']`, where `h'` and `w'` are those of [`SegmentConfig::map_size`].
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let mut skips = self.encoder.forward_pyramid(x.clone());
        let mut x = skips.pop().unwrap_or(x);
        if let Some(bridge) = &self.bridge {
            skips.push(x.clone());
            x = relu(bridge.conv.forward(relu(bridge.down.forward(x))));
        }
        let x = self
            .levels
            .iter()
            .zip(skips.into_iter().rev())
            .fold(x, |x, (level, skip)| {
                let [_, _, height, width] = skip.dims();
                relu(level.forward(Tensor::cat(vec![enlarge(x, height, width), skip], 1)))
            });
        self.classify.forward(x)
    }

    /// Folds batch norms into the convolutions before them, for export. The function stays the same.
    pub fn fold_batch_norm(self) -> Self {
        self.fold(Fold::Exact)
    }

    /// Adds the weights for the kernels that compute on one thread of a CPU, where the backbone has some. The network must be on the
    /// CPU, and its norms must be folded. Its weights must not change afterwards.
    pub fn packed(self) -> Self {
        self.fold(Fold::Pack)
    }

    /// Returns the folded form with meaningless weights, for weights to be loaded into.
    pub(crate) fn folded_form(self) -> Self {
        self.fold(Fold::Form)
    }

    fn fold(self, fold: Fold) -> Self {
        Self {
            encoder: self.encoder.fold(fold),
            bridge: self.bridge.map(|bridge| Bridge {
                down: fold.apply(bridge.down),
                conv: fold.apply(bridge.conv),
            }),
            levels: self.levels.into_iter().map(|level| fold.apply(level)).collect(),
            classify: self.classify,
        }
    }
}

/// Repeats every value along both sides and cuts the result to `height × width`, the size of the skip, which is odd where the
/// encoder rounded up.
fn enlarge(x: Tensor<4>, height: usize, width: usize) -> Tensor<4> {
    let [batch, channels, h, w] = x.dims();
    x.reshape([batch, channels, h, 1, w, 1])
        .expand([batch, channels, h, 2, w, 2])
        .reshape([batch, channels, 2 * h, 2 * w])
        .narrow(2, 0, height)
        .narrow(3, 0, width)
}

impl TorchKeys for UNet {
    fn torch_key(&self, fields: &[&str]) -> String {
        match fields {
            ["encoder", rest @ ..] => self.encoder.torch_key(rest),
            head => format!("head.{}", plain(head)),
        }
    }

    fn pretrained_key(&self, fields: &[&str]) -> Option<String> {
        (fields.first() == Some(&"encoder")).then(|| self.torch_key(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::config::UNLABELLED;
    use burn::tensor::{Distribution, Tolerance};

    fn config() -> SegmentConfig {
        SegmentConfig {
            backbone: "resnet10_w16".to_owned(),
            bridge: None,
            widths: vec![32, 16, 16, 8],
            ids: vec![vec![0], vec![41, 19], vec![]],
        }
    }

    #[test]
    fn logits_have_the_size_of_the_map_and_folding_keeps_the_function() {
        let device = Device::flex();
        let bridged = SegmentConfig {
            backbone: "efficientnet_lite_w8_s5".to_owned(),
            bridge: Some(24),
            widths: vec![16, 16, 8],
            ..config()
        };
        let lite = SegmentConfig {
            backbone: "efficientnet_lite_w8".to_owned(),
            ..config()
        };
        for (config, (height, width), size) in [
            (config(), (64, 64), (32, 32)),
            (config(), (33, 97), (17, 49)),
            (lite, (64, 96), (32, 48)),
            (bridged.clone(), (64, 64), (16, 16)),
            (bridged, (72, 50), (18, 13)),
        ] {
            let net = config.init(&device).expect("valid");
            let x = Tensor::<4>::random([2, 3, height, width], Distribution::Normal(0.0, 1.0), &device);
            let logits = net.forward(x.clone());
            assert_eq!(config.map_size(height, width), Ok(size));
            assert_eq!(logits.dims(), [2, 3, size.0, size.1]);
            let folded = net.fold_batch_norm().forward(x);
            folded
                .into_data()
                .assert_approx_eq::<f32>(&logits.into_data(), Tolerance::absolute(1e-3));
        }
    }

    #[test]
    fn widths_are_limited_by_the_stages_of_the_encoder() {
        for widths in [vec![], vec![8; 5]] {
            let wrong = SegmentConfig { widths, ..config() };
            let error = wrong.init(&Device::flex()).expect_err("invalid").to_string();
            assert!(error.contains("1 to 4 widths"), "{error}");
        }
    }

    #[test]
    fn each_id_belongs_to_one_class() {
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
        let error = mobile.init(&Device::flex()).expect_err("one stage").to_string();
        assert!(error.contains("no features of several stages"), "{error}");
    }
}
