//! The option `--catalog`.

use clap::Args;
use service::catalog::open_store;
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
    /// Opens the catalog.
    pub(super) fn open(&self) -> anyhow::Result<Store> {
        Ok(open_store(&self.catalog)?)
    }
}
