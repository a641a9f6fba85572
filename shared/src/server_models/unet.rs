//! Semantic segmentation: a U-Net (Ronneberger, Fischer, Brox 2015, <https://arxiv.org/abs/1505.04597>) whose contracting
//! path is a residual network of the registry.
//!
//! The network can start from the weights of a classifier, and a classifier from its weights. The logits have half the input's
//! resolution, which is that of the stem's features. One convolution per level keeps the network small.

use crate::model::backbone::BackboneConfig;
use crate::model::block::{ConvBn, ConvBnConfig, Fold};
use crate::model::config::{SegmentConfig, SegmentConfigError};
use crate::model::keys::{TorchKeys, plain};
use crate::model::resnet::ResNet;
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

impl SegmentConfig {
    /// Builds the network with random weights.
    ///
    /// # Errors
    /// [`SegmentConfigError`] if the backbone or the classes cannot be used.
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
    /// Convolutions of the expanding path, deepest first.
    levels: Vec<ConvBn>,
    classify: Conv2d,
}

impl UNet {
    /// `[batch, 3, h, w]` → logits `[batch, classes, h / 2, w / 2]`. Sizes are rounded up.
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

    /// Folds batch norms into the convolutions before them, for export. The function stays the same.
    pub fn fold_batch_norm(self) -> Self {
        self.fold(Fold::Exact)
    }

    /// Returns the folded form with meaningless weights, for weights to be loaded into.
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
    use crate::model::config::{HeadConfig, Hidden, StyleConfig, UNLABELLED};
    use crate::server_models::load_pretrained;
    use crate::weights::{Precision, layout, save};
    use burn::tensor::{Distribution, Tolerance};

    fn config() -> SegmentConfig {
        SegmentConfig {
            backbone: "resnet10_w16".to_owned(),
            widths: [32, 16, 16, 8],
            ids: vec![vec![0], vec![41, 19], vec![]],
        }
    }

    #[test]
    fn logits_have_half_the_size_and_folding_keeps_the_function() {
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
    fn a_classifier_loads_the_weights_of_an_encoder_and_an_encoder_those_of_a_classifier() {
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
        let classifier = load_pretrained(classifier.init(&device).expect("valid"), &bytes).expect("fits");
        let back = load_pretrained(net, &save(&classifier, Precision::F32).expect("saves")).expect("fits");
        assert_eq!(
            save(&back, Precision::F32).expect("saves"),
            bytes,
            "only the encoder is loaded, and its weights are the same"
        );
        let heads = layout(&back).iter().filter(|(key, _)| key.starts_with("head.")).count();
        assert_eq!(
            heads,
            4 * 5 + 2,
            "four levels of a convolution and its norm, and the classifier"
        );
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
        assert!(matches!(
            mobile.init(&Device::flex()),
            Err(SegmentConfigError::Family(_))
        ));
    }
}
