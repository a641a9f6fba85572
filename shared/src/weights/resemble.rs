//! Search for the backbone of the registry whose parameters a file has, for errors about a file that does not fit.

#[cfg(feature = "backbones")]
use super::{TorchKeys, walk};
#[cfg(feature = "backbones")]
use crate::model::{BackboneConfig, HeadConfig, StyleConfig, StyleNet};
use burn::tensor::Device;
use std::collections::BTreeSet;
use std::fmt;

/// Share of parameters, of those that either side has, which must agree in name and shape to speak of a resemblance.
#[cfg(feature = "backbones")]
const ENOUGH: f64 = 0.6;

/// A parameter's name and shape in a file.
type Parameter = (String, Vec<usize>);

/// A backbone that a file's parameters are like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resemblance {
    /// Its name in the registry.
    pub backbone: &'static str,
    /// True if its batch norms are folded, as in a bundle.
    pub folded: bool,
}

impl fmt::Display for Resemblance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { backbone, folded } = self;
        if *folded {
            write!(
                f,
                "these look like {backbone}'s weights from a bundle, whose batch norms are folded and cannot be trained; \
                 take best.safetensors of the run that the bundle came from"
            )
        } else {
            write!(
                f,
                "these look like {backbone}'s weights; set backbone = \"{backbone}\" or take another file"
            )
        }
    }
}

/// The backbone that the file is most like, if it is like any other than the one it was meant for.
#[cfg(feature = "backbones")]
pub(super) fn resemblance<'a>(
    file: &BTreeSet<Parameter>,
    wanted: impl Iterator<Item = &'a Parameter>,
    device: &Device,
) -> Option<Resemblance> {
    let wanted: BTreeSet<&Parameter> = wanted.collect();
    let candidates = BackboneConfig::names().flat_map(|backbone| {
        [false, true].into_iter().filter_map(move |folded| {
            let config = StyleConfig {
                backbone: backbone.to_owned(),
                head: HeadConfig::default(),
                dense: None,
                per_label: false,
                n_labels: 1,
            };
            let net = config.init(device).ok()?;
            let net = if folded { net.folded_form() } else { net };
            Some((Resemblance { backbone, folded }, parameters(&net)))
        })
    });
    let (best, parameters, score) = candidates
        .map(|(resemblance, parameters)| {
            let score = share(file, &parameters);
            (resemblance, parameters, score)
        })
        .max_by(|(_, _, a), (_, _, b)| a.total_cmp(b))?;
    let meant = parameters.iter().eq(wanted);
    (score >= ENOUGH && !meant).then_some(best)
}

/// Nothing in a browser, which loads no weights but those of its own manifest.
#[cfg(not(feature = "backbones"))]
pub(super) fn resemblance<'a>(
    _file: &BTreeSet<Parameter>,
    _wanted: impl Iterator<Item = &'a Parameter>,
    _device: &Device,
) -> Option<Resemblance> {
    None
}

/// Parameters in a file of this backbone's pretrained weights.
#[cfg(feature = "backbones")]
fn parameters(net: &StyleNet) -> BTreeSet<Parameter> {
    let mut parameters = BTreeSet::new();
    walk(net, |fields, shape, _| {
        if let Some(key) = net.pretrained_key(fields) {
            parameters.insert((key, shape));
        }
    });
    parameters
}

/// Common parameters over all parameters (Jaccard).
#[cfg(feature = "backbones")]
fn share(one: &BTreeSet<Parameter>, other: &BTreeSet<Parameter>) -> f64 {
    let common = one.intersection(other).count();
    common as f64 / (one.len() + other.len() - common).max(1) as f64
}
