//! Search for the backbone whose pretrained weights a file holds, for errors about a file that does not fit.

use crate::model::backbone::BackboneConfig;
use crate::model::config::{HeadConfig, StyleConfig};
use crate::model::keys::TorchKeys;
use crate::model::style::StyleNet;
use crate::weights::Resemblance;
use crate::weights::walk::walk;
use burn::tensor::Device;
use std::collections::BTreeSet;

/// Smallest Jaccard index of the parameters, by name and shape, at which a file resembles a backbone.
const ENOUGH: f64 = 0.6;

/// A parameter's name and shape in a file.
type Parameter = (String, Vec<usize>);

/// Returns the backbone whose parameters agree best with those of the file. Returns `None` if too few agree, or if it is the
/// backbone that the file was meant for.
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

/// Returns the parameters in a file of this network's pretrained weights.
fn parameters(net: &StyleNet) -> BTreeSet<Parameter> {
    let mut parameters = BTreeSet::new();
    walk(net, |fields, shape, _| {
        if let Some(key) = net.pretrained_key(fields) {
            parameters.insert((key, shape));
        }
    });
    parameters
}

/// Number of common parameters divided by the number of all parameters (Jaccard index).
fn share(one: &BTreeSet<Parameter>, other: &BTreeSet<Parameter>) -> f64 {
    let common = one.intersection(other).count();
    common as f64 / (one.len() + other.len() - common).max(1) as f64
}
