//! `selvedge join`: from several retrieval bundles to one whose networks embed together.

use super::{command_line, print};
use anyhow::Context;
use clap::Args;
use dataset::bundle;
use device::DeviceChoice;
use shared::bundle::{MANIFEST_FILE, Manifest, Training, Weights, describe_weights, load_retrieval};
use shared::model::Architecture;
use shared::weights::{Precision, save};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// `selvedge join`
#[derive(Debug, Args)]
pub struct JoinArgs {
    /// Folders of the retrieval bundles, all for the same input; none of them whitened.
    #[arg(long, num_args = 2.., required = true)]
    bundle: Vec<PathBuf>,
    /// Each network's share in the joined cosines, whole numbers such as 2 1 1; equal shares if absent.
    #[arg(long, value_name = "N", num_args = 1.., value_parser = clap::value_parser!(u32).range(1..=1000))]
    share: Vec<u32>,
    /// Name of the joined model; those of its networks, with `+` between, if absent.
    #[arg(long)]
    name: Option<String>,
    /// The folder to make. `selvedge whiten` shortens its embeddings; index, serve, evaluate and distil with it as with any
    /// other retrieval bundle.
    #[arg(long)]
    out: PathBuf,
}

pub(super) fn join(args: &JoinArgs, choice: DeviceChoice) -> anyhow::Result<()> {
    let bundles: Vec<_> = args
        .bundle
        .iter()
        .map(|dir| bundle::read(dir))
        .collect::<Result<_, _>>()?;
    anyhow::ensure!(
        !args.out.join(MANIFEST_FILE).exists(),
        "{} holds a bundle already; choose another folder",
        args.out.display()
    );
    let shares = if args.share.is_empty() {
        vec![1; bundles.len()]
    } else {
        args.share.clone()
    };
    anyhow::ensure!(
        shares.len() == bundles.len(),
        "{} shares for {} bundles; give --share one number a bundle",
        shares.len(),
        bundles.len()
    );
    let (first, _) = bundles.first().context("name bundles to join")?;
    let device = choice.open()?;
    let (mut nets, mut configs) = (Vec::new(), Vec::new());
    for ((dir, (manifest, weights)), share) in args.bundle.iter().zip(&bundles).zip(&shares) {
        let dir = dir.display();
        let Architecture::Retrieval(config) = &manifest.architecture else {
            anyhow::bail!("{dir} is no retrieval bundle, and only those can be joined");
        };
        anyhow::ensure!(
            manifest.projection.is_none(),
            "{dir} is whitened; name the bundle that it was made of, and whiten what comes out"
        );
        anyhow::ensure!(
            config.joined.is_empty(),
            "{dir} is joined already; name the bundles that it was made of"
        );
        anyhow::ensure!(
            manifest.input == first.input,
            "{dir} expects another input than {}; a photo is prepared once for all networks, so train them with the same [input]",
            args.bundle[0].display()
        );
        let net = load_retrieval(manifest, weights, &device)?;
        nets.push((
            if manifest.weights.folded {
                net
            } else {
                net.fold_batch_norm()
            },
            *share,
        ));
        let mut config = config.clone();
        config.share = *share;
        configs.push(config);
    }
    let (net, share) = nets.remove(0);
    let mut config = configs.remove(0);
    config.joined = configs;
    // Nothing is lost where bundles keep f16, as those from a training do.
    let all_half = bundles
        .iter()
        .all(|(manifest, _)| manifest.weights.dtype == Precision::F16.name());
    let precision = if all_half { Precision::F16 } else { Precision::F32 };
    let weights = save(&net.joined_with(share, nets), precision)?;
    let names = |of: fn(&Manifest) -> &str| bundles.iter().map(|(m, _)| of(m)).collect::<Vec<_>>().join("+");
    let joined = Manifest {
        id: args.name.clone().unwrap_or_else(|| names(|manifest| &manifest.id)),
        embedding_dim: config.embedding_dim(),
        architecture: Architecture::Retrieval(config),
        weights: describe_weights(&weights, precision, true),
        training: Training {
            command: command_line(),
            recipe: names(|manifest| &manifest.training.recipe),
            ..first.training.clone()
        },
        // They are those of one network.
        floor: None,
        metrics: BTreeMap::new(),
        ..first.clone()
    };
    bundle::write(&args.out, &joined, &Weights::from(weights), &device)?;
    eprintln!("{} embeds into {} values", joined.model_id(), joined.embedding_dim);
    print(&args.out.display().to_string())
}
