//! Multi-label classification: a backbone under the champion's head (global average pool → 256 without bias → batch norm
//! → ReLU → labels), or under torchvision's own classifier for weights that come with one.

use super::backbone::{Backbone, BackboneConfig, UnknownBackbone};
use super::block::{Fold, global_average};
use burn::module::{Module, Param};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::activation::{hard_swish, relu};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// What sits on the pooled features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "head", rename_all = "lowercase")]
pub enum HeadConfig {
    /// The champion's: `hidden` units with batch norm, then the labels.
    Style {
        /// Hidden units, 256 as published.
        hidden: usize,
    },
    /// torchvision's: one linear layer, or MobileNet's hidden layer with hard swish before it.
    Torchvision,
}

impl Default for HeadConfig {
    fn default() -> Self {
        Self::Style { hidden: 256 }
    }
}

/// A classifier's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StyleConfig {
    /// Name in the registry of backbones.
    pub backbone: String,
    /// What sits on the features.
    #[serde(flatten)]
    pub head: HeadConfig,
    /// Number of labels.
    pub n_labels: usize,
}

impl StyleConfig {
    /// The network with random weights.
    ///
    /// # Errors
    /// [`UnknownBackbone`].
    pub fn init(&self, device: &Device) -> Result<StyleNet, UnknownBackbone> {
        let backbone = BackboneConfig::named(&self.backbone)?;
        let features = backbone.channels();
        let linear = |input, output, bias| LinearConfig::new(input, output).with_bias(bias).init(device);
        let (hidden, norm, width) = match (self.head, backbone) {
            (HeadConfig::Style { hidden }, _) => {
                let norm = BatchNormConfig::new(hidden).init(device);
                (Some(linear(features, hidden, false)), Some(norm), hidden)
            }
            (HeadConfig::Torchvision, BackboneConfig::MobileNetV3(config)) => {
                let width = config.classifier_width();
                (Some(linear(features, width, true)), None, width)
            }
            (HeadConfig::Torchvision, BackboneConfig::ResNet(_)) => (None, None, features),
        };
        Ok(StyleNet {
            backbone: backbone.init(device),
            hidden,
            norm,
            output: linear(width, self.n_labels, true),
            swish: self.head == HeadConfig::Torchvision,
        })
    }
}

/// A multi-label classifier.
#[derive(Module, Debug)]
pub struct StyleNet {
    backbone: Backbone,
    hidden: Option<Linear>,
    norm: Option<BatchNorm>,
    output: Linear,
    /// torchvision's classifier, whose hidden layer ends in hard swish instead of ReLU.
    swish: bool,
}

impl StyleNet {
    /// `[batch, 3, h, w]` → logits `[batch, n_labels]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        self.forward_head(global_average(self.backbone.forward_features(x)))
    }

    /// Pooled features `[batch, channels]` → logits `[batch, n_labels]`.
    pub fn forward_head(&self, features: Tensor<2>) -> Tensor<2> {
        let Some(hidden) = &self.hidden else {
            return self.output.forward(features);
        };
        let x = hidden.forward(features);
        let x = match &self.norm {
            Some(norm) => norm.forward(x),
            None => x,
        };
        self.output.forward(if self.swish { hard_swish(x) } else { relu(x) })
    }

    pub(crate) fn backbone(&self) -> &Backbone {
        &self.backbone
    }

    pub(crate) fn has_torchvision_head(&self) -> bool {
        self.swish
    }

    /// The same function with all batch norms folded into the layers before them: smaller and faster, for export.
    pub fn fold_batch_norm(self) -> Self {
        let Self { backbone, hidden, norm, output, swish } = self;
        let (hidden, norm) = match (hidden, norm) {
            (Some(mut layer), Some(norm)) => {
                let scale = norm.gamma.val() / (norm.running_var.value() + norm.epsilon).sqrt();
                let bias = norm.beta.val() - norm.running_mean.value() * scale.clone();
                // Burn keeps linear weights as [input, output].
                layer.weight = layer.weight.map(|weight| weight * scale.unsqueeze());
                layer.bias = Some(Param::from_tensor(bias));
                (Some(layer), None)
            }
            other => other,
        };
        Self { backbone: backbone.fold(Fold::Exact), hidden, norm, output, swish }
    }

    /// The folded form with meaningless weights, ready to be loaded.
    pub(crate) fn folded_form(self) -> Self {
        let Self { backbone, hidden, norm, output, swish } = self;
        let (hidden, norm) = match (hidden, norm) {
            (Some(mut layer), Some(norm)) => {
                layer.bias = Some(norm.beta);
                (Some(layer), None)
            }
            other => other,
        };
        Self { backbone: backbone.fold(Fold::Form), hidden, norm, output, swish }
    }
}
