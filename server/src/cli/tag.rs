//! `selvedge tag`: the labels of one photo.

use super::output::print;
use super::photo::{PhotoArgs, forward_one};
use clap::{Args, ValueEnum};
use dataset::bundle;
use device::DeviceChoice;
use serde::Serialize;
use shared::score::Tag;
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

/// A tag in JSON.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    tag: &'a Tag,
    /// True if the label was learnt from drawings instead of photos.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    drawn: bool,
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
        let is_drawn = |tag: &Tag| groups.iter().any(|group| group.drawn && group.name == tag.group);
        let printed = tags.iter().map(|tag| Printed {
            tag,
            drawn: is_drawn(tag),
        });
        return print(&serde_json::to_string_pretty(&printed.collect::<Vec<_>>())?);
    }
    let mut lines = Vec::new();
    for group in &groups {
        let own = || tags.iter().filter(|tag| tag.group == group.name);
        if groups.len() > 1 || group.drawn {
            let source = if group.drawn {
                " (learnt from drawings, not from real photos)"
            } else {
                ""
            };
            let doubt = if own().next().is_none() { ": not sure" } else { "" };
            lines.push(format!("{}{source}{doubt}", group.name));
        }
        lines.extend(own().map(|tag| format!("{} {:.3}  {}", if tag.on { "+" } else { " " }, tag.prob, tag.id)));
    }
    if lines.is_empty() {
        lines.push("not sure".to_owned());
    }
    print(&lines.join("\n"))
}
