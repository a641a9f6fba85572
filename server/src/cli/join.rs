//! `selvedge join`: one bundle of several retrieval networks that embed together.

use super::bundles::{check_is_new, read_bundles};
use super::invocation::command_line;
use super::output::print_path;
use clap::Args;
use dataset::bundle;
use device::DeviceChoice;
use std::path::PathBuf;
use training::join::{Member, join as join_bundles};

/// Arguments of `selvedge join`.
#[derive(Debug, Args)]
pub(crate) struct JoinArgs {
    /// Folders of the retrieval bundles, which must have the same input and must not be whitened
    #[arg(long, num_args = 2.., required = true)]
    bundle: Vec<PathBuf>,
    /// Weight of each network in the joined cosine, whole numbers such as 2 1 1; equal by default
    #[arg(long, value_name = "N", num_args = 1.., value_parser = clap::value_parser!(u32).range(1..=1000))]
    share: Vec<u32>,
    /// Name of the joined model; by default the names of its networks, joined by `+`
    #[arg(long)]
    name: Option<String>,
    /// Folder of the new bundle; it can be whitened, indexed, served, evaluated and distilled like every retrieval bundle
    #[arg(long)]
    out: PathBuf,
}

pub(super) fn join(args: &JoinArgs, choice: DeviceChoice) -> anyhow::Result<()> {
    let bundles = read_bundles(&args.bundle)?;
    check_is_new(&args.out)?;
    let shares = if args.share.is_empty() {
        vec![1; bundles.len()]
    } else {
        args.share.clone()
    };
    anyhow::ensure!(
        shares.len() == bundles.len(),
        "{} shares for {} bundles; give --share one number per bundle",
        shares.len(),
        bundles.len()
    );
    let members: Vec<Member<'_>> = args
        .bundle
        .iter()
        .zip(&bundles)
        .zip(shares)
        .map(|((dir, bundle), share)| Member { dir, bundle, share })
        .collect();
    let device = choice.open()?;
    let (manifest, weights) = join_bundles(&members, args.name.clone(), command_line(), &device)?;
    bundle::write(&args.out, &manifest, &weights, &device)?;
    eprintln!("{} embeds into {} values", manifest.model_id(), manifest.embedding_dim);
    print_path(&args.out)
}
