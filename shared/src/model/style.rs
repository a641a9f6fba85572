//! Multi-label classification: a backbone under the champion's head (global average pool → 256 without bias → batch norm
//! → ReLU → labels; the hidden part as often as wanted), or under torchvision's own classifier for weights that come
//! with one.

use super::backbone::{Backbone, BackboneConfig, UnknownBackbone};
use super::block::{Fold, global_average};
#[cfg(feature = "backbones")]
use super::dense::{DenseConfig, DenseHead};
use burn::module::{Module, Param};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
#[cfg(feature = "backbones")]
use burn::tensor::TensorData;
use burn::tensor::activation::{hard_swish, relu};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Widths of a head's hidden layers, from the features to the labels; each is at least 1, none at all is a linear head.
///
/// Written as one number, `256`, or as a list, `[512, 256]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Widths", into = "Widths")]
pub struct Hidden(Vec<usize>);

/// The written form of [`Hidden`].
#[derive(Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "hidden must be a number of units such as 256, or a list of them such as [512, 256]"
)]
enum Widths {
    One(usize),
    Many(Vec<usize>),
}

/// A hidden layer without units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a hidden layer needs at least 1 unit; write hidden = [] for a head without one")]
pub struct NoUnits;

impl Hidden {
    /// Checks the widths.
    ///
    /// # Errors
    /// [`NoUnits`] if one of them is 0.
    pub fn new(widths: Vec<usize>) -> Result<Self, NoUnits> {
        if widths.contains(&0) {
            Err(NoUnits)
        } else {
            Ok(Self(widths))
        }
    }

    /// No hidden layer: a linear head.
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// The widths.
    pub fn widths(&self) -> &[usize] {
        &self.0
    }
}

/// As published: one layer of 256 units.
impl Default for Hidden {
    fn default() -> Self {
        Self(vec![256])
    }
}

impl TryFrom<Widths> for Hidden {
    type Error = NoUnits;

    fn try_from(widths: Widths) -> Result<Self, NoUnits> {
        Self::new(match widths {
            Widths::One(width) => vec![width],
            Widths::Many(widths) => widths,
        })
    }
}

impl From<Hidden> for Widths {
    fn from(Hidden(widths): Hidden) -> Self {
        match widths[..] {
            [width] => Self::One(width),
            _ => Self::Many(widths),
        }
    }
}

/// Head on the pooled features.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "head", rename_all = "lowercase")]
pub enum HeadConfig {
    /// The champion's: hidden layers with batch norm, then the labels.
    Style {
        /// Widths of the hidden layers.
        hidden: Hidden,
    },
    /// torchvision's: one linear layer, or MobileNet's hidden layer with hard swish before it.
    Torchvision,
}

impl Default for HeadConfig {
    fn default() -> Self {
        Self::Style {
            hidden: Hidden::default(),
        }
    }
}

/// A classifier's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StyleConfig {
    /// Name in the registry of backbones.
    pub backbone: String,
    /// Head on the features.
    #[serde(flatten)]
    pub head: HeadConfig,
    /// Dense supervision beside the head's hidden layers; not in the browser, whose students have none.
    #[cfg(feature = "backbones")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dense: Option<DenseConfig>,
    /// A network for each label instead of one for all, as the challenge's second place had them: as many times the size.
    #[cfg(feature = "backbones")]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub per_label: bool,
    /// Number of labels.
    pub n_labels: usize,
}

impl StyleConfig {
    /// The network with random weights.
    ///
    /// # Errors
    /// [`UnknownBackbone`].
    pub fn init(&self, device: &Device) -> Result<StyleNet, UnknownBackbone> {
        #[cfg(feature = "backbones")]
        if self.per_label {
            let one = Self {
                per_label: false,
                n_labels: 1,
                ..self.clone()
            };
            let mut nets = (0..self.n_labels.max(1)).map(|_| one.init(device));
            let first = nets.next().transpose()?;
            let others = nets.collect::<Result<_, _>>()?;
            return first.map_or_else(|| one.init(device), |first| Ok(StyleNet { others, ..first }));
        }
        let backbone = BackboneConfig::named(&self.backbone)?;
        #[cfg(feature = "backbones")]
        let mut width = match &self.dense {
            Some(dense) => dense.pooled(backbone.channels()),
            None => backbone.channels(),
        };
        #[cfg(not(feature = "backbones"))]
        let mut width = backbone.channels();
        let mut layer = |units, bias, norm: bool| {
            let linear = LinearConfig::new(width, units).with_bias(bias).init(device);
            width = units;
            HiddenLayer {
                linear,
                norm: norm.then(|| BatchNormConfig::new(units).init(device)),
            }
        };
        let hidden = match (&self.head, backbone) {
            (HeadConfig::Style { hidden }, _) => hidden.0.iter().map(|units| layer(*units, false, true)).collect(),
            (HeadConfig::Torchvision, BackboneConfig::MobileNetV3(config)) => {
                vec![layer(config.classifier_width(), true, false)]
            }
            (HeadConfig::Torchvision, _) => vec![],
        };
        #[cfg(feature = "backbones")]
        let width = width + self.dense.map_or(0, |dense| dense.evidence());
        Ok(StyleNet {
            backbone: backbone.init(device),
            hidden,
            output: LinearConfig::new(width, self.n_labels).init(device),
            #[cfg(feature = "backbones")]
            dense: self.dense.map(|dense| dense.init(&backbone.stage_channels(), device)),
            #[cfg(feature = "backbones")]
            others: Vec::new(),
            torchvision: self.head == HeadConfig::Torchvision,
        })
    }
}

/// A hidden layer of a head.
#[derive(Module, Debug)]
pub struct HiddenLayer {
    /// Has a bias where no norm follows.
    linear: Linear,
    /// Absent in torchvision's classifiers and when folded.
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
        let Some(norm) = self.norm.take() else { return self };
        self.linear.bias = Some(match fold {
            Fold::Form => norm.beta,
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
    /// Sees what every position shows.
    #[cfg(feature = "backbones")]
    dense: Option<DenseHead>,
    /// Networks of the second label and those after it, if each label has its own.
    #[cfg(feature = "backbones")]
    others: Vec<StyleNet>,
    /// torchvision's classifier, whose hidden layer ends in hard swish instead of ReLU.
    torchvision: bool,
}

impl StyleNet {
    /// `[batch, 3, h, w]` → logits `[batch, n_labels]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        #[cfg(feature = "backbones")]
        if self.dense.is_some() {
            return self.forward_dense(x).0;
        }
        #[cfg(feature = "backbones")]
        if !self.others.is_empty() {
            let nets = std::iter::once(self).chain(&self.others);
            return Tensor::cat(nets.map(|net| net.forward_own(x.clone())).collect(), 1);
        }
        self.forward_own(x)
    }

    /// Logits of the labels of this very network.
    fn forward_own(&self, x: Tensor<4>) -> Tensor<2> {
        self.output
            .forward(self.hidden(global_average(self.backbone.forward_features(x))))
    }

    /// As [`forward`](Self::forward), with the class maps `[batch, classes, h / 8, w / 8]` of dense supervision.
    #[cfg(feature = "backbones")]
    pub fn forward_dense(&self, x: Tensor<4>) -> (Tensor<2>, Option<Tensor<4>>) {
        let Some(dense) = &self.dense else {
            return (self.forward(x), None);
        };
        let stages = self.backbone.forward_stages(x);
        let maps = dense.maps(&stages);
        let features = self.hidden(dense.pool(stages[stages.len() - 1].clone()));
        let seen = Tensor::cat(vec![features, dense.evidence(maps.clone())], 1);
        (self.output.forward(seen), Some(maps))
    }

    fn hidden(&self, features: Tensor<2>) -> Tensor<2> {
        let activate = |x| if self.torchvision { hard_swish(x) } else { relu(x) };
        self.hidden.iter().fold(features, |x, layer| activate(layer.forward(x)))
    }

    /// Answers with the labels' frequencies before anything is learnt, which Adam would take a thousand steps to find.
    #[cfg(feature = "backbones")]
    pub fn with_prior(mut self, frequency: &[f64]) -> Self {
        let (own, rest) = frequency.split_at(frequency.len() - self.others.len());
        let others = self.others.into_iter().zip(rest);
        self.others = others
            .map(|(net, share)| net.with_prior(std::slice::from_ref(share)))
            .collect();
        let logits: Vec<f32> = own
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

    pub(crate) fn backbone(&self) -> &Backbone {
        &self.backbone
    }

    pub(crate) fn has_torchvision_head(&self) -> bool {
        self.torchvision
    }

    /// The same function with the batch norms folded into the layers before them: smaller and faster, for export. A
    /// norm that no layer precedes directly, as in a DenseNet, stays.
    pub fn fold_batch_norm(self) -> Self {
        self.fold(Fold::Exact)
    }

    /// The folded form with meaningless weights, ready to be loaded.
    pub(crate) fn folded_form(self) -> Self {
        self.fold(Fold::Form)
    }

    fn fold(self, fold: Fold) -> Self {
        Self {
            backbone: self.backbone.fold(fold),
            hidden: self.hidden.into_iter().map(|layer| layer.fold(fold)).collect(),
            #[cfg(feature = "backbones")]
            dense: self.dense.map(|dense| dense.fold(fold)),
            #[cfg(feature = "backbones")]
            others: self.others.into_iter().map(|net| net.fold(fold)).collect(),
            ..self
        }
    }
}

#[cfg(all(test, feature = "backbones"))]
mod tests {
    use super::*;
    use crate::weights::{Precision, Scope, layout, load, save};
    use burn::tensor::{Distribution, Tolerance};

    fn config(per_label: bool) -> StyleConfig {
        let head = HeadConfig::Style {
            hidden: Hidden(vec![8]),
        };
        StyleConfig {
            backbone: "resnet10_w16".to_owned(),
            head,
            dense: None,
            per_label,
            n_labels: 3,
        }
    }

    #[test]
    fn each_label_has_a_network_of_its_own() {
        let device = Device::flex();
        let one = config(false).init(&device).expect("valid");
        let bytes = save(&one, Precision::F32).expect("saves");
        // All begin with the pretrained backbone.
        let nets = load(config(true).init(&device).expect("valid"), &bytes, Scope::Pretrained).expect("fits");
        let keys: Vec<String> = layout(&nets).into_iter().map(|(key, _)| key).collect();
        for key in ["conv1.weight", "label1.conv1.weight", "label2.head.output.bias"] {
            assert!(keys.iter().any(|known| known == key), "no {key} in {keys:?}");
        }
        let x = Tensor::<4>::random([2, 3, 32, 32], Distribution::Normal(0.0, 1.0), &device);
        let features = |net: &StyleNet| net.backbone.forward_features(x.clone()).into_data();
        for net in &nets.others {
            features(net).assert_approx_eq::<f32>(&features(&one), Tolerance::absolute(1e-5));
        }
        let logits = nets.forward(x.clone());
        assert_eq!(logits.dims(), [2, 3]);
        // A change in the second label's network is seen by that label alone.
        let mut changed = nets.clone();
        changed.others[0] = changed.others[0].clone().with_prior(&[0.9]);
        let moved = (changed.forward(x.clone()) - logits.clone())
            .abs()
            .sum_dim(0)
            .into_data();
        let moved: Vec<f32> = moved.iter::<f32>().collect();
        assert!(moved[0] < 1e-4 && moved[1] > 0.1 && moved[2] < 1e-4, "{moved:?}");

        let again = load(
            config(true).init(&device).expect("valid"),
            &save(&nets, Precision::F32).expect("saves"),
            Scope::Whole,
        );
        again
            .expect("fits")
            .forward(x.clone())
            .into_data()
            .assert_approx_eq::<f32>(&logits.clone().into_data(), Tolerance::absolute(1e-5));
        let folded = nets.fold_batch_norm().forward(x);
        folded
            .into_data()
            .assert_approx_eq::<f32>(&logits.into_data(), Tolerance::absolute(1e-3));
    }
}
