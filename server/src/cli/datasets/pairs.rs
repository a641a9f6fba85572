//! `selvedge dataset pairs`: a retrieval dataset of photos that come without pairs.

use crate::cli::output::{print_path, progress_bar};
use anyhow::ensure;
use clap::Args;
use dataset::pairs::Pairs;
use dataset::{Dataset, Images, Limit, MaxErrors, Row, label_list};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Arguments of `selvedge dataset pairs`.
#[derive(Debug, Args)]
pub(crate) struct PairsArgs {
    /// Dataset with masks and a label_list.csv. Each piece gives a pair: the piece cut out on white, and the photo around it
    #[arg(long, value_name = "DIR")]
    cutouts: Vec<PathBuf>,
    /// Dataset of photos. Each photo of 'train' gives a pair: its salient part, and the whole photo
    #[arg(long, value_name = "DIR")]
    instances: Vec<PathBuf>,
    /// Dataset that has pairs already, such as a rendered shop
    #[arg(long, value_name = "DIR")]
    with: Vec<PathBuf>,
    /// Folder of the new dataset, which names the photos of the old ones
    #[arg(long)]
    out: PathBuf,
    /// Maximum number or share of unreadable photos, such as 5 or 1%; they are listed and left out
    #[arg(long, value_name = "SHARE", default_value_t)]
    max_errors: MaxErrors,
}

pub(super) fn pairs(args: &PairsArgs) -> anyhow::Result<()> {
    ensure!(
        !args.out.exists(),
        "{} exists already; name another folder with --out",
        args.out.display()
    );
    ensure!(
        args.cutouts.len() + args.instances.len() + args.with.len() > 0,
        "name at least one dataset with --cutouts, --instances or --with"
    );
    let mut pairs = Pairs::new(&args.out);
    for dir in &args.cutouts {
        let images = open(dir, args.max_errors, |row| !row.mask.is_empty())?;
        let labels = label_list(images.dataset())?;
        let bar = progress_bar(images.dataset().rows.len(), "cutting out pieces");
        let added = pairs.add_cutouts(&images, &labels, &|| bar.inc(1))?;
        bar.finish_and_clear();
        ensure!(added > 0, "no mask of {} shows a piece", dir.display());
        eprintln!("{added} pairs of pieces of {}", dir.display());
    }
    for dir in &args.instances {
        let images = open(dir, args.max_errors, |_| true)?;
        let bar = progress_bar(images.dataset().rows.len(), "finding salient parts");
        let added = pairs.add_instances(&images, &|| bar.inc(1))?;
        bar.finish_and_clear();
        eprintln!("{added} pairs of photos of {}", dir.display());
    }
    for dir in &args.with {
        let images = open(dir, args.max_errors, |_| true)?;
        eprintln!("{} images of {}", pairs.add_rows(images.dataset())?, dir.display());
    }
    pairs.finish()?;
    print_path(&args.out)
}

fn open(dir: &Path, max_errors: MaxErrors, needed: impl Fn(&Row) -> bool + Sync) -> anyhow::Result<Images> {
    let mut dataset = Dataset::open(dir)?;
    dataset.leave_out_corrupt(needed, true, Limit::Share(max_errors))?;
    Ok(Images::keeping(Arc::new(dataset), 0))
}
