//! torchvision's names for our parameters; Xception's are timm's.

use crate::model::mobilenet::MobileNetV3;
use crate::model::{Backbone, RetrievalNet, StyleNet};
#[cfg(feature = "backbones")]
use crate::model::{Projection, UNet, inception};
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
        [rest @ .., last] => rest
            .iter()
            .copied()
            .chain([parameter(last)])
            .collect::<Vec<_>>()
            .join("."),
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

fn mobilenet_key(net: &MobileNetV3, fields: &[&str]) -> String {
    let conv_or_bn = |kind: &str| usize::from(kind == "bn");
    match fields {
        ["stem", kind, last] => format!("features.0.{}.{}", conv_or_bn(kind), parameter(last)),
        ["last", kind, last] => format!(
            "features.{}.{}.{}",
            net.n_blocks() + 1,
            conv_or_bn(kind),
            parameter(last)
        ),
        ["blocks", index, part, kind, last] => {
            let block = number(index);
            match (net.torch_part(block, part), *part) {
                (Some(at), "squeeze") => format!("features.{}.block.{at}.{kind}.{last}", block + 1),
                (Some(at), _) => {
                    format!(
                        "features.{}.block.{at}.{}.{}",
                        block + 1,
                        conv_or_bn(kind),
                        parameter(last)
                    )
                }
                (None, _) => plain(fields),
            }
        }
        other => plain(other),
    }
}

/// `blocks.0.3.conv1.bn.gamma` → `features.denseblock1.denselayer4.norm2.weight`, …
#[cfg(feature = "backbones")]
fn densenet_key(fields: &[&str]) -> String {
    let layer = |block: usize, layer: &str, rest: &[&str]| {
        let rest = match rest {
            ["conv1", "conv", last] => format!("conv1.{last}"),
            ["conv1", "bn", last] => format!("norm2.{}", parameter(last)),
            other => plain(other),
        };
        format!(
            "features.denseblock{}.denselayer{}.{rest}",
            block + 1,
            number(layer) + 1
        )
    };
    match fields {
        ["stem", "conv", last] => format!("features.conv0.{last}"),
        ["stem", "bn", last] => format!("features.norm0.{}", parameter(last)),
        ["blocks", block, at, rest @ ..] => layer(number(block), at, rest),
        ["transitions", at, rest @ ..] => format!("features.transition{}.{}", number(at) + 1, plain(rest)),
        ["last", "layers", at, rest @ ..] => layer(3, at, rest),
        ["last", "norm", last] => format!("features.norm5.{}", parameter(last)),
        other => plain(other),
    }
}

/// `blocks.0.branches.1.chain.0.bn.gamma` → `Mixed_5b.branch5x5_1.bn.weight`, …
#[cfg(feature = "backbones")]
fn inception_key(net: &inception::Inception, fields: &[&str]) -> String {
    let name = |names: &[&'static str], at: &str| names.get(number(at)).copied().unwrap_or_default();
    match fields {
        ["stem", at, rest @ ..] => format!("{}.{}", name(&inception::STEM, at), plain(rest)),
        ["blocks", block, "branches", branch, part, at, rest @ ..] => {
            let branch = net.branch(number(block), number(branch));
            let conv = branch
                .map(|branch| branch.torch_name(*part == "fork", number(at)))
                .unwrap_or_default();
            format!("{}.{conv}.{}", name(&inception::BLOCKS, block), plain(rest))
        }
        other => plain(other),
    }
}

/// `blocks.3.layers.0.pointwise.bn.gamma` → `block4.rep.2.weight`, …
#[cfg(feature = "backbones")]
fn xception_key(fields: &[&str]) -> String {
    match fields {
        ["blocks", block, "layers", at, rest @ ..] => {
            // ReLU, convolution, norm, and again; the first block lacks the first ReLU.
            let at = 3 * number(at) + usize::from(*block != "0");
            let rest = match rest {
                ["depthwise", last] => format!("{at}.conv1.{last}"),
                ["pointwise", "conv", last] => format!("{at}.pointwise.{last}"),
                ["pointwise", "bn", last] => format!("{}.{}", at + 1, parameter(last)),
                other => plain(other),
            };
            format!("block{}.rep.{rest}", number(block) + 1)
        }
        ["blocks", block, "skip", kind, last] => {
            format!(
                "block{}.skip{}.{}",
                number(block) + 1,
                if *kind == "bn" { "bn" } else { "" },
                parameter(last)
            )
        }
        [conv, "depthwise", last] => format!("{conv}.conv1.{last}"),
        [conv, "pointwise", "conv", last] => format!("{conv}.pointwise.{last}"),
        [conv, "conv", last] => format!("{conv}.{last}"),
        [conv, "pointwise", "bn", last] | [conv, "bn", last] => {
            format!("{}.{}", conv.replace("conv", "bn"), parameter(last))
        }
        other => plain(other),
    }
}

/// An index of a list; whatever is none is beyond every list.
fn number(index: &str) -> usize {
    index.parse().unwrap_or(usize::MAX / 8)
}

fn backbone_key(backbone: &Backbone, fields: &[&str]) -> String {
    match backbone {
        Backbone::ResNet(_) => resnet_key(fields),
        Backbone::MobileNetV3(net) => mobilenet_key(net, fields),
        #[cfg(feature = "backbones")]
        Backbone::DenseNet(_) => densenet_key(fields),
        #[cfg(feature = "backbones")]
        Backbone::Inception(net) => inception_key(net, fields),
        #[cfg(feature = "backbones")]
        Backbone::Xception(_) => xception_key(fields),
    }
}

/// torchvision's classifier, or timm's.
fn classifier_key(backbone: &Backbone, fields: &[&str]) -> String {
    match (backbone, fields) {
        (Backbone::MobileNetV3(_), ["hidden", _, _, last]) => format!("classifier.0.{last}"),
        (Backbone::MobileNetV3(_), ["output", last]) => format!("classifier.3.{last}"),
        #[cfg(feature = "backbones")]
        (Backbone::DenseNet(_), ["output", last]) => format!("classifier.{last}"),
        (_, ["output", last]) => format!("fc.{last}"),
        (_, other) => plain(other),
    }
}

/// `hidden.0.linear.weight` → `head.hidden.weight`, `hidden.1.norm.gamma` → `head.norm2.weight`, …
fn style_head_key(fields: &[&str]) -> String {
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

impl TorchKeys for StyleNet {
    fn torch_key(&self, fields: &[&str]) -> String {
        match fields {
            #[cfg(feature = "backbones")]
            ["others", at, rest @ ..] => format!("label{}.{}", number(at) + 1, self.torch_key(rest)),
            ["backbone", rest @ ..] => backbone_key(self.backbone(), rest),
            head if self.has_torchvision_head() => classifier_key(self.backbone(), head),
            head => style_head_key(head),
        }
    }

    fn pretrained_key(&self, fields: &[&str]) -> Option<String> {
        // The networks of all labels begin alike.
        #[cfg(feature = "backbones")]
        if let ["others", _, rest @ ..] = fields {
            return self.pretrained_key(rest);
        }
        (fields.first() == Some(&"backbone")).then(|| self.torch_key(fields))
    }
}

#[cfg(feature = "backbones")]
impl TorchKeys for UNet {
    fn torch_key(&self, fields: &[&str]) -> String {
        match fields {
            ["encoder", rest @ ..] => resnet_key(rest),
            head => format!("head.{}", plain(head)),
        }
    }

    fn pretrained_key(&self, fields: &[&str]) -> Option<String> {
        (fields.first() == Some(&"encoder")).then(|| self.torch_key(fields))
    }
}

#[cfg(feature = "backbones")]
impl TorchKeys for Projection {
    fn torch_key(&self, fields: &[&str]) -> String {
        plain(fields)
    }

    fn pretrained_key(&self, _fields: &[&str]) -> Option<String> {
        None
    }
}

impl TorchKeys for RetrievalNet {
    fn torch_key(&self, fields: &[&str]) -> String {
        match fields {
            #[cfg(feature = "backbones")]
            ["joined", at, rest @ ..] => match self.joined().get(number(at)) {
                Some(net) => format!("joined{}.{}", number(at) + 1, net.torch_key(rest)),
                None => plain(fields),
            },
            ["trunk", rest @ ..] => backbone_key(self.trunk(), rest),
            ["branches", branch, rest @ ..] => format!("branches.{branch}.{}", self.last_stage_key(rest)),
            other => plain(other),
        }
    }

    /// Every branch starts from the one last stage that a pretrained network has.
    fn pretrained_key(&self, fields: &[&str]) -> Option<String> {
        match fields {
            ["trunk", ..] => Some(self.torch_key(fields)),
            ["branches", _, rest @ ..] => Some(self.last_stage_key(rest)),
            _ => None,
        }
    }
}

impl RetrievalNet {
    fn last_stage_key(&self, fields: &[&str]) -> String {
        let stage = match self.trunk() {
            #[cfg(feature = "backbones")]
            Backbone::DenseNet(_) => "last",
            _ => "layer4",
        };
        backbone_key(self.trunk(), &[&[stage], fields].concat())
    }
}
