//! Options of embeddings that a catalog stores.

use clap::Args;
use service::embed::PhotoViews;
use store::Element;

/// Options of embeddings that a catalog stores.
#[derive(Debug, Args)]
pub(super) struct StoredEmbeddings {
    /// Storage of the embeddings on disk and in memory: f32, or int8 (one byte per value, and one scale per embedding)
    #[arg(long, default_value = "f32", env = "SELVEDGE_STORAGE", value_parser = element)]
    pub(super) storage: Element,
    /// Views of every photo whose embeddings are averaged: none or flip (the photo and its mirror image). Indexing takes longer,
    /// and searches do not
    #[arg(long, default_value = "none", env = "SELVEDGE_VIEWS")]
    pub(super) views: PhotoViews,
    /// Photos per batch
    #[arg(long, default_value_t = 32)]
    pub(super) batch: usize,
}

/// Parses the name of a storage.
fn element(name: &str) -> Result<Element, String> {
    Element::parse(name).ok_or_else(|| format!("'{name}' is not one of the storages f32 and int8"))
}
