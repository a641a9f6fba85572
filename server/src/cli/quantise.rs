//! `selvedge quantise`: stores the weights of a bundle as int8.

use super::bundles::check_is_new;
use super::output::print_path;
use clap::Args;
use dataset::bundle;
use device::DeviceChoice;
use shared::bundle::{Manifest, describe_weights, load_query, load_segment};
use shared::model::Architecture;
use shared::server_models::load_classifier;
use shared::weights::{Precision, save};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Arguments of `selvedge quantise`.
#[derive(Debug, Args)]
pub(crate) struct QuantiseArgs {
    /// Folder of a bundle: a tagger, a segmentation network or a query encoder
    #[arg(long)]
    bundle: PathBuf,
    /// Folder of the new bundle, about half as large as one of f16. Its id changes, and its metrics are left out
    #[arg(long)]
    out: PathBuf,
}

pub(super) fn quantise(args: &QuantiseArgs, choice: DeviceChoice) -> anyhow::Result<()> {
    let (manifest, weights) = bundle::read(&args.bundle)?;
    check_is_new(&args.out)?;
    let device = choice.open()?;
    let network = &weights.network;
    let bytes = match &manifest.architecture {
        Architecture::Style(_) => save(&load_classifier(&manifest, network, &device)?, Precision::Int8)?,
        Architecture::Segment(_) => save(&load_segment(&manifest, network, &device)?, Precision::Int8)?,
        Architecture::Query(_) => save(&load_query(&manifest, network, &device)?, Precision::Int8)?,
        Architecture::Retrieval(_) => anyhow::bail!(
            "the embeddings of another network would not fit a catalog of {}; quantise its query encoder, a tagger or a \
             segmentation network",
            manifest.model_id()
        ),
    };
    let quantised = Manifest {
        weights: describe_weights(&bytes, Precision::Int8, manifest.weights.folded),
        // They were measured with the old weights.
        metrics: BTreeMap::new(),
        ..manifest
    };
    bundle::write(&args.out, &quantised, &bytes.into(), &device)?;
    eprintln!(
        "{} has {} kB of weights, before {} kB",
        quantised.model_id(),
        quantised.weights.bytes / 1000,
        network.len() / 1000
    );
    print_path(&args.out)
}
