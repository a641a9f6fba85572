//! Classifiers of every kind: plain, with dense supervision, or with one network per label.

use super::dense::DenseHead;
use crate::model::backbone::{BackboneConfig, UnknownBackbone};
use crate::model::block::Fold;
use crate::model::config::{DenseConfig, StyleConfig};
use crate::model::keys::{TorchKeys, number};
use crate::model::style::{NetShape, StyleNet};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// A multi-label classifier of any kind.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // there is one classifier per model, so its size does not matter
pub enum Classifier {
    /// One network that predicts all labels.
    Plain(StyleNet),
    /// One network with dense supervision.
    Dense(DenseStyleNet),
    /// One network per label.
    PerLabel(PerLabel),
}

impl StyleConfig {
    /// Builds the classifier with random weights.
    ///
    /// # Errors
    /// [`UnknownBackbone`] if no backbone has this name.
    pub fn classifier(&self, device: &Device) -> Result<Classifier, UnknownBackbone> {
        let shape = NetShape {
            head: &self.head,
            dense: self.dense.as_ref().filter(|_| !self.per_label),
            n_outputs: if self.per_label { 1 } else { self.n_labels },
        };
        let init = || StyleNet::new(&self.backbone, &shape, device);
        let dense_head = |dense: &DenseConfig| -> Result<DenseHead, UnknownBackbone> {
            let backbone = BackboneConfig::named(&self.backbone)?;
            Ok(dense.init(&backbone.stage_channels(), device))
        };
        Ok(match &self.dense {
            _ if self.per_label => Classifier::PerLabel(PerLabel {
                nets: (0..self.n_labels.max(1)).map(|_| init()).collect::<Result<_, _>>()?,
            }),
            Some(dense) => Classifier::Dense(DenseStyleNet {
                style: init()?,
                dense: dense_head(dense)?,
            }),
            None => Classifier::Plain(init()?),
        })
    }
}

impl Classifier {
    /// `[batch, 3, h, w]` → logits `[batch, n_labels]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        self.forward_dense(x).0
    }

    /// As [`forward`](Self::forward), with the class maps `[batch, classes, h / 8, w / 8]` of dense supervision.
    pub fn forward_dense(&self, x: Tensor<4>) -> (Tensor<2>, Option<Tensor<4>>) {
        match self {
            Self::Plain(net) => (net.forward(x), None),
            Self::Dense(net) => {
                let (logits, maps) = net.forward(x);
                (logits, Some(maps))
            }
            Self::PerLabel(nets) => (nets.forward(x), None),
        }
    }

    /// Sets the output layers so that the classifier first predicts each label's `frequency`; see [`StyleNet::with_prior`].
    pub fn with_prior(self, frequency: &[f64]) -> Self {
        match self {
            Self::Plain(net) => Self::Plain(net.with_prior(frequency)),
            Self::Dense(DenseStyleNet { style, dense }) => Self::Dense(DenseStyleNet {
                style: style.with_prior(frequency),
                dense,
            }),
            Self::PerLabel(nets) => Self::PerLabel(nets.with_prior(frequency)),
        }
    }

    /// Folds batch norms into the layers before them; see [`StyleNet::fold_batch_norm`].
    pub fn fold_batch_norm(self) -> Self {
        self.fold(Fold::Exact)
    }

    pub(crate) fn fold(self, fold: Fold) -> Self {
        match self {
            Self::Plain(net) => Self::Plain(net.fold(fold)),
            Self::Dense(DenseStyleNet { style, dense }) => Self::Dense(DenseStyleNet {
                style: style.fold(fold),
                dense: dense.fold(fold),
            }),
            Self::PerLabel(PerLabel { nets }) => Self::PerLabel(PerLabel {
                nets: nets.into_iter().map(|net| net.fold(fold)).collect(),
            }),
        }
    }
}

impl TorchKeys for Classifier {
    fn torch_key(&self, fields: &[&str]) -> String {
        match self {
            Self::Plain(net) => net.torch_key(fields),
            Self::Dense(net) => net.torch_key(fields),
            Self::PerLabel(nets) => nets.torch_key(fields),
        }
    }

    fn pretrained_key(&self, fields: &[&str]) -> Option<String> {
        match self {
            Self::Plain(net) => net.pretrained_key(fields),
            Self::Dense(net) => net.pretrained_key(fields),
            Self::PerLabel(nets) => nets.pretrained_key(fields),
        }
    }
}

/// A classifier with dense supervision. Its output layer also receives a summary of the class maps.
#[derive(Module, Debug)]
pub struct DenseStyleNet {
    style: StyleNet,
    dense: DenseHead,
}

impl DenseStyleNet {
    /// `[batch, 3, h, w]` → logits `[batch, n_labels]` and class maps `[batch, classes, h / 8, w / 8]`.
    fn forward(&self, x: Tensor<4>) -> (Tensor<2>, Tensor<4>) {
        let stages = self.style.backbone().forward_stages(x);
        let maps = self.dense.maps(&stages);
        let units = self
            .style
            .forward_hidden(self.dense.pool(stages[stages.len() - 1].clone()));
        let evidence = self.dense.evidence(maps.clone());
        (self.style.forward_output(Tensor::cat(vec![units, evidence], 1)), maps)
    }

    fn torch_key(&self, fields: &[&str]) -> String {
        match fields {
            ["dense", rest @ ..] => self.dense.torch_key(rest),
            ["style", rest @ ..] => self.style.torch_key(rest),
            other => self.style.torch_key(other),
        }
    }

    fn pretrained_key(&self, fields: &[&str]) -> Option<String> {
        match fields {
            ["style", rest @ ..] => self.style.pretrained_key(rest),
            _ => None,
        }
    }
}

/// A classifier with one network per label, each of one logit.
#[derive(Module, Debug)]
pub struct PerLabel {
    nets: Vec<StyleNet>,
}

impl PerLabel {
    /// `[batch, 3, h, w]` → logits `[batch, n_labels]`.
    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        Tensor::cat(self.nets.iter().map(|net| net.forward(x.clone())).collect(), 1)
    }

    fn with_prior(mut self, frequency: &[f64]) -> Self {
        // Random weights are drawn when they are first used. This order, the first label's network last, keeps the weights
        // that a seed has always given.
        let mut nets: Vec<_> = self.nets.into_iter().zip(frequency).collect();
        nets.rotate_left(1);
        self.nets = nets
            .into_iter()
            .map(|(net, share)| net.with_prior(std::slice::from_ref(share)))
            .collect();
        self.nets.rotate_right(1);
        self
    }

    /// In files the parameters of the first label's network have no prefix, and those of label `i` have the prefix `labeli`,
    /// counted from 0.
    fn torch_key(&self, fields: &[&str]) -> String {
        match fields {
            ["nets", at, rest @ ..] => match (number(at), self.nets.get(number(at))) {
                (0, Some(net)) => net.torch_key(rest),
                (label, Some(net)) => format!("label{label}.{}", net.torch_key(rest)),
                (_, None) => String::new(),
            },
            _ => String::new(),
        }
    }

    /// The networks of all labels start with the same pretrained backbone.
    fn pretrained_key(&self, fields: &[&str]) -> Option<String> {
        match fields {
            ["nets", at, rest @ ..] => self.nets.get(number(at))?.pretrained_key(rest),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::config::{HeadConfig, Hidden};
    use crate::server_models::load_pretrained;
    use crate::weights::{Precision, layout, load, save};
    use burn::tensor::{Distribution, Tolerance};

    fn config(per_label: bool) -> StyleConfig {
        StyleConfig {
            backbone: "resnet10_w16".to_owned(),
            head: HeadConfig::Style {
                hidden: Hidden::new(vec![8]).expect("valid"),
            },
            dense: None,
            per_label,
            n_labels: 3,
        }
    }

    fn per_label(device: &Device) -> Classifier {
        config(true).classifier(device).expect("valid")
    }

    #[test]
    fn each_label_has_its_own_network() {
        let device = Device::flex();
        let one = config(false).init(&device).expect("valid");
        let bytes = save(&one, Precision::F32).expect("saves");
        let classifier = load_pretrained(per_label(&device), &bytes).expect("fits");
        let keys: Vec<String> = layout(&classifier).into_iter().map(|(key, _)| key).collect();
        for key in ["conv1.weight", "label1.conv1.weight", "label2.head.output.bias"] {
            assert!(keys.iter().any(|known| known == key), "no {key} in {keys:?}");
        }
        let Classifier::PerLabel(nets) = &classifier else {
            panic!("one network per label is expected")
        };
        let x = Tensor::<4>::random([2, 3, 32, 32], Distribution::Normal(0.0, 1.0), &device);
        let features = |net: &StyleNet| net.backbone().forward_features(x.clone()).into_data();
        for net in &nets.nets {
            features(net).assert_approx_eq::<f32>(&features(&one), Tolerance::absolute(1e-5));
        }
        let logits = classifier.forward(x.clone());
        assert_eq!(logits.dims(), [2, 3]);
        // A change in the second label's network changes that label's logits alone.
        let mut changed = nets.clone();
        changed.nets[1] = changed.nets[1].clone().with_prior(&[0.9]);
        let moved = (changed.forward(x.clone()) - logits.clone())
            .abs()
            .sum_dim(0)
            .into_data();
        let moved: Vec<f32> = moved.iter::<f32>().collect();
        assert!(moved[0] < 1e-4 && moved[1] > 0.1 && moved[2] < 1e-4, "{moved:?}");

        let bytes = save(&classifier, Precision::F32).expect("saves");
        let again = load(per_label(&device), &bytes).expect("fits");
        again
            .forward(x.clone())
            .into_data()
            .assert_approx_eq::<f32>(&logits.clone().into_data(), Tolerance::absolute(1e-5));
        let folded = classifier.fold_batch_norm().forward(x);
        folded
            .into_data()
            .assert_approx_eq::<f32>(&logits.into_data(), Tolerance::absolute(1e-3));
    }

    #[test]
    fn a_browser_refuses_classifiers_that_are_not_plain() {
        let dense = DenseConfig {
            classes: 3,
            width: 4,
            stripes: 2,
        };
        let dense = StyleConfig {
            dense: Some(dense),
            ..config(false)
        };
        for config in [dense, config(true)] {
            let error = config.init(&Device::flex()).expect_err("not plain");
            assert!(error.to_string().contains("runs only on a server"), "{error}");
        }
    }
}
