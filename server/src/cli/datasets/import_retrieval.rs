//! `selvedge dataset import-retrieval`: a dataset of published retrieval lists and images.

use crate::cli::output::print_path;
use clap::Args;
use dataset::MaxErrors;
use dataset::benchmarks::{self, Format};
use dataset::import::{report_missing, write_manifest};
use std::path::{Path, PathBuf};

/// Arguments of `selvedge dataset import-retrieval`.
#[derive(Debug, Args)]
pub(crate) struct ImportRetrievalArgs {
    /// Folder of the published dataset; for the challenge its file of pairs
    from: PathBuf,
    /// Format of the lists
    #[arg(long, value_enum)]
    format: Format,
    /// Folder of the images, if it is not the folder of the lists
    #[arg(long)]
    images: Option<PathBuf>,
    /// Folder of the new dataset
    #[arg(long)]
    out: PathBuf,
    /// Maximum number of missing images; they are counted and left out
    #[arg(long, default_value_t = 0)]
    max_missing: usize,
    /// Maximum number or share of images that cannot be read or whose box lies outside, such as 5 or 1%; they are listed
    /// and left out
    #[arg(long, value_name = "SHARE", default_value_t)]
    max_errors: MaxErrors,
}

pub(super) fn import_retrieval(args: &ImportRetrievalArgs) -> anyhow::Result<()> {
    let listed = benchmarks::read(args.format, &args.from)?;
    // The folder of a file given by its bare name is the working folder.
    let parent = args
        .from
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let lists = if args.from.is_dir() {
        args.from.as_path()
    } else {
        parent
    };
    let images = args.images.as_deref().unwrap_or(lists);
    let (lines, missing) = benchmarks::lines(listed, images, args.max_errors)?;
    report_missing(missing.iter().map(String::as_str), args.max_missing, images)?;
    anyhow::ensure!(
        !lines.is_empty(),
        "none of the images in {} can be used; name their folder with --images",
        images.display()
    );
    for (split, images) in write_manifest(lines, &args.out)? {
        eprintln!("{split}: {images} images");
    }
    print_path(&args.out)
}
