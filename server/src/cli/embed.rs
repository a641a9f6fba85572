//! `selvedge embed`: the embedding of one photo.

use super::output::print;
use super::photo::{PhotoArgs, forward_one};
use clap::Args;
use dataset::bundle;
use device::DeviceChoice;
use shared::bundle::load_query;
use shared::embedding::Embedding;
use shared::model::Architecture;
use shared::server_models::{Side, load_retrieval};
use std::path::PathBuf;

/// Arguments of `selvedge embed`.
#[derive(Debug, Args)]
pub(crate) struct EmbedArgs {
    /// Folder of a retrieval bundle or of a query encoder's bundle
    #[arg(long)]
    bundle: PathBuf,
    #[command(flatten)]
    photo: PhotoArgs,
}

/// Prints the embedding as the JSON that a search accepts.
pub(super) fn embed(args: &EmbedArgs, choice: DeviceChoice) -> anyhow::Result<()> {
    let (manifest, weights) = bundle::read(&args.bundle)?;
    let device = choice.open()?;
    let input = args.photo.input(&manifest.input)?;
    let values = if let Architecture::Query(_) = manifest.architecture {
        let net = load_query(&manifest, &weights.network, &device)?;
        forward_one(&manifest.input, input, &device, |x| net.forward(x))
    } else {
        let net = load_retrieval(&manifest, &weights, &device)?;
        forward_one(&manifest.input, input, &device, |x| net.forward_as(x, Side::Customer))
    };
    let embedding = Embedding::new(manifest.space(), values)?;
    print(&serde_json::to_string(&serde_json::json!({
        "model_id": manifest.model_id(), "values": embedding.values(),
    }))?)
}
