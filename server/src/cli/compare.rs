//! `selvedge compare`: paired differences between two evaluations.

use super::output::print_report;
use anyhow::Context;
use clap::Args;
use evaluation::statistics::{PairedReport, PerImage, compare_paired};
use std::path::{Path, PathBuf};

/// Arguments of `selvedge compare`.
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// Results per image of the reference: a file of `selvedge evaluate --outcomes`
    reference: PathBuf,
    /// Results per image of the other evaluation
    other: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn compare(args: &CompareArgs) -> anyhow::Result<()> {
    let report: PairedReport = compare_paired(&read(&args.reference)?, &read(&args.other)?)?;
    print_report(&report, args.json)
}

fn read(path: &Path) -> anyhow::Result<PerImage> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&bytes)
        .with_context(|| format!("{} is not a file of `selvedge evaluate --outcomes`", path.display()))
}
