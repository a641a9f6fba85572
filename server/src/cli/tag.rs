//! `selvedge tag`: the styles of one photo.

use super::output::print;
use super::photo::{PhotoArgs, forward_one};
use clap::Args;
use dataset::bundle;
use device::DeviceChoice;
use shared::server_models::load_classifier;
use std::path::PathBuf;

/// Arguments of `selvedge tag`.
#[derive(Debug, Args)]
pub(crate) struct TagArgs {
    /// Folder of a style bundle
    #[arg(long)]
    bundle: PathBuf,
    #[command(flatten)]
    photo: PhotoArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints all labels, most probable first; `+` marks the ones above their thresholds.
pub(super) fn tag(args: &TagArgs, choice: DeviceChoice) -> anyhow::Result<()> {
    let (manifest, weights) = bundle::read(&args.bundle)?;
    let device = choice.open()?;
    let net = load_classifier(&manifest, &weights.network, &device)?;
    let input = args.photo.input(&manifest.input)?;
    let logits = forward_one(&manifest.input, input, &device, |x| net.forward(x));
    let tags = manifest.tags(&logits);
    if args.json {
        return print(&serde_json::to_string_pretty(&tags)?);
    }
    let lines: Vec<String> = tags
        .iter()
        .map(|tag| format!("{} {:.3}  {}", if tag.on { "+" } else { " " }, tag.prob, tag.id))
        .collect();
    print(&lines.join("\n"))
}
