//! `selvedge catalog embed`: embeddings of a catalog's photos.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use dataset::MaxErrors;
use device::DeviceChoice;
use service::catalog::{CatalogError, EmbedRun, Failures, PhotoFiles};
use service::embed::RetrievalModel;
use store::Store;

use super::super::output::progress_bar;
use super::super::stored_embeddings::StoredEmbeddings;
use super::place::CatalogArg;

/// The model of an embedding.
#[derive(Debug, Args)]
pub(super) struct ModelArgs {
    /// Folder of the retrieval bundle that embeds the photos. Without it a running service embeds them
    #[arg(long, env = "SELVEDGE_BUNDLE")]
    bundle: Option<PathBuf>,
    #[command(flatten)]
    embeddings: StoredEmbeddings,
}

impl ModelArgs {
    /// Loads the model, if one is named.
    pub(super) fn open(&self, device: DeviceChoice) -> anyhow::Result<Option<RetrievalModel>> {
        let open = |bundle: &PathBuf| Ok(RetrievalModel::open(bundle, &device.open()?)?);
        self.bundle.as_ref().map(open).transpose()
    }

    /// Embeds all photos that wait, with a progress bar.
    ///
    /// # Errors
    /// As [`EmbedRun::run`], and if photos cannot be read, at the end.
    pub(super) fn embed(
        &self,
        store: &Store,
        files: &PhotoFiles,
        model: &RetrievalModel,
        max_errors: MaxErrors,
    ) -> anyhow::Result<()> {
        let run = EmbedRun {
            store,
            files,
            model,
            views: self.embeddings.views,
            element: self.embeddings.storage,
            batch: self.embeddings.batch,
            max_errors,
        };
        let bar = progress_bar(0, "embedding");
        let embedded = run.run(|progress| {
            bar.set_length(progress.total as u64);
            bar.set_position(progress.done as u64);
            true
        });
        bar.finish_and_clear();
        let embedded = embedded?;
        let state = store.progress(embedded.generation)?;
        let skipped = embedded.skipped;
        if !skipped.is_empty() {
            eprintln!("{} photos cannot be embedded\n{}", skipped.len(), Failures(skipped));
        }
        if let Some(comparison) = embedded.comparison {
            eprintln!("{comparison}");
        }
        eprintln!(
            "{} of {} photos are embedded with {}",
            state.embedded,
            state.images,
            model.manifest().model_id()
        );
        if embedded.unreadable.is_empty() {
            Ok(())
        } else {
            Err(CatalogError::Unreadable(embedded.unreadable).into())
        }
    }
}

/// Arguments of `selvedge catalog embed`.
#[derive(Debug, Args)]
pub(crate) struct EmbedArgs {
    #[command(flatten)]
    catalog: CatalogArg,
    #[command(flatten)]
    model: ModelArgs,
    /// Folder of the photos, if it has moved since the import
    #[arg(long, env = "SELVEDGE_IMAGES")]
    images: Option<PathBuf>,
    /// Maximum number of photos without an embedding by another model: a count, or a share such as 0.5%. With more, searches go
    /// on with the embeddings of the model before
    #[arg(long, default_value_t, env = "SELVEDGE_MAX_ERRORS")]
    max_errors: MaxErrors,
}

pub(super) fn embed(args: &EmbedArgs, device: DeviceChoice) -> anyhow::Result<()> {
    let model = args
        .model
        .open(device)?
        .context("name the retrieval bundle with --bundle")?;
    let store = args.catalog.open_to_embed()?;
    let files = PhotoFiles::of(&store, args.images.as_deref())?;
    args.model.embed(&store, &files, &model, args.max_errors)
}
