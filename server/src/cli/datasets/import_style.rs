//! `selvedge dataset import-style`: a dataset of the challenge's style labels and images.

use crate::cli::output::print_path;
use anyhow::{bail, ensure};
use clap::Args;
use dataset::MaxErrors;
use dataset::challenge::{Allowed, Entry, import, read};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Arguments of `selvedge dataset import-style`.
#[derive(Debug, Args)]
pub(crate) struct ImportStyleArgs {
    /// Training labels: a CSV file with id, url and a column of 0 and 1 per style
    labels: PathBuf,
    /// Images to predict, for the split 'test': a CSV file with id and url
    #[arg(long, value_name = "FILE")]
    test: Option<PathBuf>,
    /// Folder of the images, named by their ids or as in their urls
    #[arg(long)]
    images: PathBuf,
    /// Folder of the new dataset
    #[arg(long)]
    out: PathBuf,
    /// Maximum number of missing images; they are counted and left out
    #[arg(long, default_value_t = 100)]
    max_missing: usize,
    /// Maximum number or share of unreadable images, such as 5 or 1%; they are listed and left out
    #[arg(long, value_name = "SHARE", default_value_t)]
    max_errors: MaxErrors,
}

pub(super) fn import_style(args: &ImportStyleArgs) -> anyhow::Result<()> {
    let labels = read(&args.labels)?;
    ensure!(
        labels.iter().all(|entry| entry.styles.is_some()),
        "{} has no labels; name a list to predict with --test",
        args.labels.display()
    );
    let test = args.test.as_deref().map(read).transpose()?.unwrap_or_default();
    let ids: BTreeSet<&str> = labels.iter().map(|entry| entry.id.as_str()).collect();
    if let Some(entry) = test.iter().find(|entry| ids.contains(entry.id.as_str())) {
        bail!(
            "{} is among the labels and among the images to predict; remove it from one of the files",
            entry.id
        );
    }
    let entries: Vec<(Entry, &str)> = labels
        .into_iter()
        .map(|entry| (entry, "train"))
        .chain(test.into_iter().map(|entry| (entry, "test")))
        .collect();
    let allowed = Allowed {
        missing: args.max_missing,
        errors: args.max_errors,
    };
    for (split, images) in import(&entries, &args.images, &args.out, allowed)? {
        eprintln!("{split}: {images} images");
    }
    print_path(&args.out)
}
