//! Pretrained weights of a backbone: torchvision's and timm's files, and `best.safetensors` of a training run.

use super::resemblance::resemblance;
use crate::model::keys::TorchKeys;
use crate::weights::load::{Tensors, Wanted, replace, tensors, wanted};
use crate::weights::{Resemblance, WeightsError};
use burn::module::Module;
use std::collections::BTreeSet;

/// Loads the backbone of `net` from a file of pretrained weights. Heads, auxiliary classifiers, counters of batches, and the
/// later stages of an EfficientNet-Lite that ends early, are ignored. The head of `net` keeps its own weights.
///
/// # Errors
/// [`WeightsError`], before any parameter of `net` has changed. It names another backbone if the file seems to belong to that
/// one.
pub fn load_pretrained<M: Module + TorchKeys>(net: M, bytes: &[u8]) -> Result<M, WeightsError> {
    let wanted = wanted(&net, |fields| net.pretrained_key(fields));
    let tensors = until_end(backbone(tensors(bytes)?), &wanted);
    let device = net.devices().into_iter().next().unwrap_or_default();
    replace(net, &wanted, &tensors).map_err(|error| {
        with_hint(error, || {
            let file = tensors
                .iter()
                .map(|(key, tensor)| (key.clone(), tensor.shape().to_vec()))
                .collect();
            resemblance(&file, wanted.values(), &device)
        })
    })
}

/// Adds the backbone that the file resembles to errors about keys and shapes.
fn with_hint(error: WeightsError, hint: impl FnOnce() -> Option<Resemblance>) -> WeightsError {
    match error {
        WeightsError::Keys {
            missing, unexpected, ..
        } => WeightsError::Keys {
            missing,
            unexpected,
            resembles: hint(),
        },
        WeightsError::Shape {
            key, expected, actual, ..
        } => WeightsError::Shape {
            key,
            expected,
            actual,
            resembles: hint(),
        },
        other => other,
    }
}

/// Prefixes of heads (of this crate, torchvision and timm) and of auxiliary classifiers.
const HEADS: [&str; 10] = [
    "fc.",
    "_fc.",
    "classifier.",
    "last_linear.",
    "AuxLogits.",
    "head.",
    "parts.",
    "branches.",
    "attention.",
    "exponents",
];

/// Removes the heads. The first copy of a retrieval network's last stage counts as the last stage of its backbone.
fn backbone(tensors: Tensors<'_>) -> Tensors<'_> {
    tensors
        .into_iter()
        .map(|(key, tensor)| (today(key.strip_prefix("branches.0.").unwrap_or(&key)), tensor))
        .filter(|(key, _)| !HEADS.iter().any(|head| key.starts_with(head)))
        .collect()
}

/// Removes the blocks and the last convolution of an EfficientNet-Lite that follow the network's last block.
fn until_end<'a>(tensors: Tensors<'a>, wanted: &Wanted) -> Tensors<'a> {
    let keys: BTreeSet<&str> = wanted.values().map(|(key, _)| key.as_str()).collect();
    let Some(end) = keys.iter().filter_map(|key| block(key)).max() else {
        return tensors;
    };
    let follows = |key: &str| match block(key) {
        Some(block) => block > end,
        None => key.starts_with("_conv_head.") || key.starts_with("_bn1."),
    };
    tensors
        .into_iter()
        .filter(|(key, _)| keys.contains(key.as_str()) || !follows(key))
        .collect()
}

/// Number of the block in the name of an EfficientNet-Lite's parameter.
fn block(key: &str) -> Option<usize> {
    let (block, _) = key.strip_prefix("_blocks.")?.split_once('.')?;
    block.parse().ok()
}

/// Returns the key as torchvision writes it today. Its files of DenseNets hold `denselayer1.norm.1` for
/// `denselayer1.norm1`.
fn today(key: &str) -> String {
    match key.split_once(".denselayer") {
        Some((block, layer)) => {
            let layer = layer.replacen(".norm.", ".norm", 1).replacen(".conv.", ".conv", 1);
            format!("{block}.denselayer{layer}")
        }
        None => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{HeadConfig, Hidden, SegmentConfig, StyleConfig};
    use crate::weights::{Precision, layout, save};
    use burn::tensor::Device;

    #[test]
    fn a_classifier_loads_the_weights_of_an_encoder_and_an_encoder_those_of_a_classifier() {
        let device = Device::flex();
        let segment = SegmentConfig {
            backbone: "resnet10_w16".to_owned(),
            bridge: None,
            widths: vec![32, 16, 16, 8],
            ids: vec![vec![0], vec![41, 19], vec![]],
        };
        let net = segment.init(&device).expect("valid");
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
        let classifier = save(&classifier, Precision::F32).expect("saves");
        let back = load_pretrained(net, &classifier).expect("fits");
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
}
