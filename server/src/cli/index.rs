//! `selvedge index`: a catalog of a dataset's shop photos.

use super::output::{print_path, progress_bar};
use super::stored_embeddings::StoredEmbeddings;
use clap::Args;
use dataset::MaxErrors;
use device::DeviceChoice;
use service::catalog::{self, Failures, IndexOptions};
use std::path::PathBuf;

/// Arguments of `selvedge index`.
#[derive(Debug, Args)]
pub(crate) struct IndexArgs {
    /// Dataset folder, whose shop photos become the catalog
    #[arg(long, env = "SELVEDGE_DATA")]
    dataset: PathBuf,
    /// Folder of the retrieval bundle
    #[arg(long, env = "SELVEDGE_BUNDLE")]
    bundle: PathBuf,
    /// Folder of the catalog. Its products are replaced. Photos that it has are not embedded again
    #[arg(long, env = "SELVEDGE_INDEX")]
    out: PathBuf,
    #[command(flatten)]
    embeddings: StoredEmbeddings,
    /// Maximum number of images that cannot be read, and of products without a readable photo: a count, or a share such as
    /// 0.5%. With more, the catalog stays as it was
    #[arg(long, default_value_t, env = "SELVEDGE_MAX_ERRORS")]
    max_errors: MaxErrors,
}

pub(super) fn index(args: &IndexArgs, device: DeviceChoice) -> anyhow::Result<()> {
    let options = IndexOptions {
        dataset: args.dataset.clone(),
        bundle: args.bundle.clone(),
        out: args.out.clone(),
        storage: args.embeddings.storage,
        views: args.embeddings.views,
        batch: args.embeddings.batch.max(1),
        max_errors: args.max_errors,
    };
    let bar = progress_bar(0, "indexing");
    let summary = catalog::index(&options, &device.open()?, |progress| {
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
    });
    bar.finish_and_clear();
    let summary = summary?;
    for (what, failures) in [
        ("images were left out", summary.skipped),
        ("products have no photo", summary.without_photo),
    ] {
        if !failures.is_empty() {
            eprintln!("{} {what}\n{}", failures.len(), Failures(failures));
        }
    }
    if let Some(comparison) = summary.comparison {
        eprintln!("{comparison}");
    }
    summary.remarks.iter().for_each(|remark| eprintln!("note: {remark}"));
    eprintln!(
        "indexed {} products, {} photos, with {} ({} values each, stored as {})",
        summary.products,
        summary.photos,
        summary.model_id,
        summary.dim,
        args.embeddings.storage.name()
    );
    print_path(&args.out)
}
