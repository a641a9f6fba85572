//! Multi-label classification: a backbone, global average pooling and a head.
//!
//! The head is either that of the JD AI Fashion Challenge's winner (a hidden layer of 256 units without bias, batch norm,
//! ReLU, labels) with any number of hidden layers, or torchvision's classifier for weights that come with one.

use super::backbone::{Backbone, BackboneConfig, UnknownBackbone};
use super::block::{Fold, global_average};
use super::config::{DenseConfig, HeadConfig, StyleConfig, StyleConfigError};
use super::keys::{TorchKeys, number, parameter, plain};
use super::norm::batch_norm;
use burn::module::{Module, Param};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::activation::{hard_swish, relu};
use burn::tensor::{Device, Tensor, TensorData};

impl StyleConfig {
    /// Builds the network with random weights.
    ///
    /// # Errors
    /// [`StyleConfigError`] if the backbone is unknown or the configuration is not [plain](StyleConfig::is_plain).
    pub fn init(&self, device: &Device) -> Result<StyleNet, StyleConfigError> {
        if !self.is_plain() {
            return Err(StyleConfigError::ServerOnly);
        }
        let shape = NetShape {
            head: &self.head,
            dense: None,
            n_outputs: self.n_labels,
        };
        Ok(StyleNet::new(&self.backbone, &shape, device)?)
    }
}

/// Shape of a [`StyleNet`] apart from its backbone.
pub(crate) struct NetShape<'a> {
    pub(crate) head: &'a HeadConfig,
    /// Dense supervision, which widens the inputs of the first layer and of the output layer.
    pub(crate) dense: Option<&'a DenseConfig>,
    pub(crate) n_outputs: usize,
}

/// A hidden layer of a head.
#[derive(Module, Debug)]
pub struct HiddenLayer {
    /// The linear layer. It has a bias only without a norm.
    linear: Linear,
    /// The norm. It is absent in torchvision's classifiers and when folded.
    norm: Option<BatchNorm>,
}

impl HiddenLayer {
    /// `[batch, input]` → `[batch, units]`, before the activation.
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let x = self.linear.forward(x);
        match &self.norm {
            Some(norm) => norm.forward(x),
            None => x,
        }
    }

    fn fold(mut self, fold: Fold) -> Self {
        if fold == Fold::Pack {
            return self;
        }
        let Some(norm) = self.norm.take() else { return self };
        self.linear.bias = Some(match fold {
            Fold::Form | Fold::Pack => norm.beta,
            Fold::Exact => {
                let scale = norm.gamma.val() / (norm.running_var.value() + norm.epsilon).sqrt();
                let bias = norm.beta.val() - norm.running_mean.value() * scale.clone();
                // Burn keeps linear weights as [input, output].
                self.linear.weight = self.linear.weight.map(|weight| weight * scale.unsqueeze());
                Param::from_tensor(bias)
            }
        });
        self
    }
}

/// A multi-label classifier.
#[derive(Module, Debug)]
pub struct StyleNet {
    backbone: Backbone,
    hidden: Vec<HiddenLayer>,
    output: Linear,
    /// True for torchvision's classifier. Its hidden layer ends in hard swish instead of ReLU, and its parameters have other
    /// names in files.
    torchvision: bool,
}

impl StyleNet {
    /// Builds the network with random weights.
    pub(crate) fn new(backbone: &str, shape: &NetShape<'_>, device: &Device) -> Result<Self, UnknownBackbone> {
        let backbone = BackboneConfig::named(backbone)?;
        let channels = backbone.channels();
        let mut width = shape.dense.map_or(channels, |dense| dense.pooled(channels));
        let mut layer = |units, bias, norm: bool| {
            let linear = LinearConfig::new(width, units).with_bias(bias).init(device);
            width = units;
            HiddenLayer {
                linear,
                norm: norm.then(|| batch_norm(&BatchNormConfig::new(units), device)),
            }
        };
        let hidden = match shape.head {
            HeadConfig::Style { hidden } => hidden.widths().iter().map(|units| layer(*units, false, true)).collect(),
            HeadConfig::Torchvision => backbone
                .classifier_width()
                .map(|units| layer(units, true, false))
                .into_iter()
                .collect(),
        };
        let evidence = shape.dense.map_or(0, DenseConfig::evidence);
        Ok(Self {
            backbone: backbone.init(device),
            hidden,
            output: LinearConfig::new(width + evidence, shape.n_outputs).init(device),
            torchvision: *shape.head == HeadConfig::Torchvision,
        })
    }

    /// `[batch, 3, h, w]` → logits `[batch, n_labels]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let features = global_average(self.backbone.forward_features(x));
        self.forward_output(self.forward_hidden(features))
    }

    /// Pooled features `[batch, channels]` → the last hidden layer's units.
    pub(crate) fn forward_hidden(&self, features: Tensor<2>) -> Tensor<2> {
        let activate = |x| if self.torchvision { hard_swish(x) } else { relu(x) };
        self.hidden.iter().fold(features, |x, layer| activate(layer.forward(x)))
    }

    /// The last hidden layer's units → logits `[batch, n_labels]`.
    pub(crate) fn forward_output(&self, units: Tensor<2>) -> Tensor<2> {
        self.output.forward(units)
    }

    /// The backbone.
    pub fn backbone(&self) -> &Backbone {
        &self.backbone
    }

    /// Sets the output layer so that the network first predicts each label's `frequency`, 0–1. Adam would need about a thousand
    /// steps to learn them.
    pub fn with_prior(mut self, frequency: &[f64]) -> Self {
        let logits: Vec<f32> = frequency
            .iter()
            .map(|share| {
                let share = share.clamp(1e-3, 0.999);
                (share / (1.0 - share)).ln() as f32
            })
            .collect();
        self.output.bias = self.output.bias.map(|bias| {
            bias.map(|bias| Tensor::from_data(TensorData::new(logits.clone(), [logits.len()]), &bias.device()))
        });
        self.output.weight = self.output.weight.map(|weight| weight * 0.1);
        self
    }

    /// Folds batch norms into the layers before them, for export. The function stays the same. A norm that does not follow a
    /// layer directly, as in a DenseNet, stays.
    pub fn fold_batch_norm(self) -> Self {
        self.fold(Fold::Exact)
    }

    /// Returns the folded form with meaningless weights, for weights to be loaded into.
    pub(crate) fn folded_form(self) -> Self {
        self.fold(Fold::Form)
    }

    pub(crate) fn fold(self, fold: Fold) -> Self {
        Self {
            backbone: self.backbone.fold(fold),
            hidden: self.hidden.into_iter().map(|layer| layer.fold(fold)).collect(),
            ..self
        }
    }
}

impl TorchKeys for StyleNet {
    fn torch_key(&self, fields: &[&str]) -> String {
        match fields {
            ["backbone", rest @ ..] => self.backbone.torch_key(rest),
            head if self.torchvision => self.backbone.classifier_key(head),
            head => head_key(head),
        }
    }

    fn pretrained_key(&self, fields: &[&str]) -> Option<String> {
        (fields.first() == Some(&"backbone")).then(|| self.torch_key(fields))
    }
}

/// `hidden.0.linear.weight` → `head.hidden.weight`, `hidden.1.norm.gamma` → `head.norm2.weight`.
fn head_key(fields: &[&str]) -> String {
    match fields {
        ["hidden", at, part, last] => {
            let part = if *part == "linear" { "hidden" } else { part };
            let at = if *at == "0" {
                String::new()
            } else {
                (number(at) + 1).to_string()
            };
            format!("head.{part}{at}.{}", parameter(last))
        }
        other => format!("head.{}", plain(other)),
    }
}
