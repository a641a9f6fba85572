//! `selvedge tag`: the labels of one photo.

use super::output::print;
use super::photo::{PhotoArgs, forward_one};
use clap::{Args, ValueEnum};
use dataset::bundle;
use device::DeviceChoice;
use shared::server_models::load_classifier;
use std::path::PathBuf;

/// Operating point of a classifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Point {
    /// Thresholds of the highest F2.
    F2,
    /// Thresholds of high precision.
    Precise,
}

/// Arguments of `selvedge tag`.
#[derive(Debug, Args)]
pub(crate) struct TagArgs {
    /// Folder of a style bundle
    #[arg(long)]
    bundle: PathBuf,
    #[command(flatten)]
    photo: PhotoArgs,
    /// Print only the labels that reach an operating point: f2 (thresholds of the highest F2, many labels) or precise
    /// (thresholds of high precision, few and right labels)
    #[arg(long, value_enum, hide_possible_values = true)]
    point: Option<Point>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints all labels by group, most probable first; `+` marks the ones above their thresholds. With a point, prints only the
/// labels that reach it.
pub(super) fn tag(args: &TagArgs, choice: DeviceChoice) -> anyhow::Result<()> {
    let (manifest, weights) = bundle::read(&args.bundle)?;
    let groups = manifest.label_groups();
    anyhow::ensure!(
        args.point != Some(Point::Precise) || groups.iter().any(|group| group.precise.is_some()),
        "{} has no precise thresholds; `selvedge calibrate` adds them",
        manifest.model_id()
    );
    let device = choice.open()?;
    let net = load_classifier(&manifest, &weights.network, &device)?;
    let input = args.photo.input(&manifest.input)?;
    let logits = forward_one(&manifest.input, input, &device, |x| net.forward(x));
    let mut tags = manifest.tags(&logits);
    match args.point {
        Some(Point::F2) => tags.retain(|tag| tag.on),
        Some(Point::Precise) => tags.retain(|tag| tag.stated),
        None => {}
    }
    if args.json {
        return print(&serde_json::to_string_pretty(&tags)?);
    }
    let mut lines = Vec::new();
    for group in &groups {
        let own = || tags.iter().filter(|tag| tag.group == group.name);
        if groups.len() > 1 {
            lines.push(format!(
                "{}{}",
                group.name,
                if own().next().is_none() { ": not sure" } else { "" }
            ));
        }
        lines.extend(own().map(|tag| format!("{} {:.3}  {}", if tag.on { "+" } else { " " }, tag.prob, tag.id)));
    }
    if lines.is_empty() {
        lines.push("not sure".to_owned());
    }
    print(&lines.join("\n"))
}
