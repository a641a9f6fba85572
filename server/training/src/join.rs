//! Joined retrieval networks: several bundles become one whose networks embed together.

use anyhow::{Context, bail, ensure};
use burn::tensor::Device;
use shared::bundle::{Manifest, Training, Weights, describe_weights};
use shared::model::{Architecture, RetrievalConfig};
use shared::server_models::{Embedder, load_retrieval};
use shared::weights::{Precision, save};
use std::collections::BTreeMap;
use std::path::Path;

/// A bundle to be joined.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// Folder of the bundle, for errors.
    pub dir: &'a Path,
    /// Manifest and weights.
    pub bundle: &'a (Manifest, Weights),
    /// Weight of its network in the joined cosine, at least 1.
    pub share: u32,
}

/// Joins retrieval bundles; see [`RetrievalConfig::joined`]. Without an `id`, the members' ids are joined by `+`. `command`
/// is recorded in the manifest.
///
/// # Errors
/// If a member is not for retrieval, is whitened or joined itself, or has another input than the first one.
pub fn join(
    members: &[Member<'_>],
    id: Option<String>,
    command: String,
    device: &Device,
) -> anyhow::Result<(Manifest, Weights)> {
    let first = members.first().context("name bundles to join")?;
    let mut loaded = members.iter().map(|member| load(member, first, device));
    let (net, mut config) = loaded.next().context("name bundles to join")??;
    let mut nets = vec![(net, first.share)];
    for (member, loaded) in members[1..].iter().zip(loaded) {
        let (net, config_of_member) = loaded?;
        nets.push((net, member.share));
        config.joined.push(config_of_member);
    }
    // f16 loses nothing if all members have it.
    let dtype = Precision::F16.name();
    let all_half = members.iter().all(|member| member.bundle.0.weights.dtype == dtype);
    let precision = if all_half { Precision::F16 } else { Precision::F32 };
    let weights = save(&Embedder::join(nets), precision)?;
    let names = |name: fn(&Manifest) -> &str| {
        let names: Vec<&str> = members.iter().map(|member| name(&member.bundle.0)).collect();
        names.join("+")
    };
    let first = &first.bundle.0;
    let manifest = Manifest {
        id: id.unwrap_or_else(|| names(|manifest| &manifest.id)),
        embedding_dim: config.embedding_dim(),
        architecture: Architecture::Retrieval(config),
        weights: describe_weights(&weights, precision, true),
        training: Training {
            command,
            recipe: names(|manifest| &manifest.training.recipe),
            ..first.training.clone()
        },
        // Floor and metrics belong to one network alone.
        floor: None,
        metrics: BTreeMap::new(),
        ..first.clone()
    };
    Ok((manifest, Weights::from(weights)))
}

/// Loads a member's network with folded batch norm, and its configuration with the share.
fn load(member: &Member<'_>, first: &Member<'_>, device: &Device) -> anyhow::Result<(Embedder, RetrievalConfig)> {
    let (manifest, weights) = member.bundle;
    let dir = member.dir.display();
    let Architecture::Retrieval(config) = &manifest.architecture else {
        bail!("{dir} is not a retrieval bundle; only retrieval bundles can be joined");
    };
    ensure!(
        manifest.projection.is_none(),
        "{dir} is whitened; name the bundle that it was whitened from, and whiten the joined bundle"
    );
    ensure!(
        config.joined.is_empty(),
        "{dir} is joined already; name the bundles that it was joined from"
    );
    ensure!(
        manifest.input == first.bundle.0.input,
        "{dir} has another input than {}; train all networks with the same [input]",
        first.dir.display()
    );
    let net = load_retrieval(manifest, weights, device)?;
    let net = if manifest.weights.folded {
        net
    } else {
        net.fold_batch_norm()
    };
    let config = RetrievalConfig {
        share: member.share,
        ..config.clone()
    };
    Ok((net, config))
}
