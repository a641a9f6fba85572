//! The option `--catalog`.

use clap::Args;
use service::catalog::{open_store, open_store_to_embed};
use std::path::PathBuf;
use store::Store;

/// The folder of a catalog.
#[derive(Debug, Args)]
pub(super) struct CatalogArg {
    /// Folder of the catalog
    #[arg(long, env = "SELVEDGE_INDEX")]
    catalog: PathBuf,
}

impl CatalogArg {
    /// Opens the catalog as it is.
    pub(super) fn open(&self) -> anyhow::Result<Store> {
        Ok(open_store(&self.catalog)?)
    }

    /// Opens the catalog to embed photos, also those whose embeddings are damaged.
    pub(super) fn open_to_embed(&self) -> anyhow::Result<Store> {
        Ok(open_store_to_embed(&self.catalog)?)
    }
}
