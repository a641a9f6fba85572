//! torchvision's names for our parameters.

use crate::model::{Backbone, RetrievalNet, StyleNet};
use burn::module::Module;

/// A network whose parameters have names in torchvision's style.
pub trait TorchKeys: Module {
    /// The name in a file of the parameter at this path of fields.
    fn torch_key(&self, fields: &[&str]) -> String;

    /// The name in a file of pretrained weights, or `None` if the parameter belongs to a head that such a file lacks.
    fn pretrained_key(&self, fields: &[&str]) -> Option<String>;
}

/// The last field: Burn's names of batch norm's parameters are gamma and beta.
fn parameter(name: &str) -> &str {
    match name {
        "gamma" => "weight",
        "beta" => "bias",
        other => other,
    }
}

fn plain(fields: &[&str]) -> String {
    match fields {
        [rest @ .., last] => rest.iter().copied().chain([parameter(last)]).collect::<Vec<_>>().join("."),
        [] => String::new(),
    }
}

/// `stem.conv.weight` → `conv1.weight`, `layer1.0.conv2.bn.gamma` → `layer1.0.bn2.weight`, …
fn resnet_key(fields: &[&str]) -> String {
    match fields {
        ["stem", "conv", last] => format!("conv1.{last}"),
        ["stem", "bn", last] => format!("bn1.{}", parameter(last)),
        [stage, block, "downsample", kind, last] => {
            let index = usize::from(*kind == "bn");
            format!("{stage}.{block}.downsample.{index}.{}", parameter(last))
        }
        [stage, block, conv, "conv", last] => format!("{stage}.{block}.{conv}.{last}"),
        [stage, block, conv, "bn", last] => {
            format!("{stage}.{block}.{}.{}", conv.replace("conv", "bn"), parameter(last))
        }
        other => plain(other),
    }
}

fn backbone_key(backbone: &Backbone, fields: &[&str]) -> String {
    let Backbone::MobileNetV3(net) = backbone else {
        return resnet_key(fields);
    };
    let conv_or_bn = |kind: &str| usize::from(kind == "bn");
    match fields {
        ["stem", kind, last] => format!("features.0.{}.{}", conv_or_bn(kind), parameter(last)),
        ["last", kind, last] => format!("features.{}.{}.{}", net.n_blocks() + 1, conv_or_bn(kind), parameter(last)),
        ["blocks", index, part, kind, last] => {
            let block: usize = index.parse().unwrap_or(usize::MAX);
            match (net.torch_part(block, part), *part) {
                (Some(at), "squeeze") => format!("features.{}.block.{at}.{kind}.{last}", block + 1),
                (Some(at), _) => {
                    format!("features.{}.block.{at}.{}.{}", block + 1, conv_or_bn(kind), parameter(last))
                }
                (None, _) => plain(fields),
            }
        }
        other => plain(other),
    }
}

impl TorchKeys for StyleNet {
    fn torch_key(&self, fields: &[&str]) -> String {
        let of_mobilenet = matches!(self.backbone(), Backbone::MobileNetV3(_));
        match (fields, self.has_torchvision_head(), of_mobilenet) {
            (["backbone", rest @ ..], _, _) => backbone_key(self.backbone(), rest),
            (["output", last], true, false) => format!("fc.{last}"),
            (["hidden", last], true, true) => format!("classifier.0.{last}"),
            (["output", last], true, true) => format!("classifier.3.{last}"),
            (other, _, _) => format!("head.{}", plain(other)),
        }
    }

    fn pretrained_key(&self, fields: &[&str]) -> Option<String> {
        let belongs = fields.first() == Some(&"backbone") || self.has_torchvision_head();
        belongs.then(|| self.torch_key(fields))
    }
}

impl TorchKeys for RetrievalNet {
    fn torch_key(&self, fields: &[&str]) -> String {
        match fields {
            ["trunk", rest @ ..] => resnet_key(rest),
            ["branches", branch, rest @ ..] => format!("branches.{branch}.{}", last_stage_key(rest)),
            other => plain(other),
        }
    }

    /// Every branch starts from the one last stage that a pretrained network has.
    fn pretrained_key(&self, fields: &[&str]) -> Option<String> {
        match fields {
            ["trunk", rest @ ..] => Some(resnet_key(rest)),
            ["branches", _, rest @ ..] => Some(last_stage_key(rest)),
            _ => None,
        }
    }
}

fn last_stage_key(fields: &[&str]) -> String {
    resnet_key(&[&["layer4"], fields].concat())
}
