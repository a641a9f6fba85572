//! Errors of a catalog, with hints.

use std::path::{Path, PathBuf};

use engine::EngineError;
use store::StoreError;
use thiserror::Error;

use super::faults::{Failures, Faults, Unreadable};
use crate::embed::EmbedError;
use dataset::MaxErrors;

/// Error of writing or opening a catalog.
#[derive(Debug, Error)]
pub enum CatalogError {
    /// A file operation failed.
    #[error("cannot {action} {path}")]
    Io {
        /// Attempted action, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Error of the system.
        source: std::io::Error,
    },
    /// The manifest cannot be read.
    #[error(transparent)]
    Manifest(anyhow::Error),
    /// A file of the dataset has lines that cannot be used.
    #[error("{0}\nhint: correct the dataset and index again; until then the old catalog stays")]
    Dataset(Faults),
    /// More of the dataset fails than the limit allows.
    #[error(
        "{failed} of {total} {what}, and at most {limit} may; the old catalog stays\n{failures}\nhint: repair or remove \
         them and index again, or allow more with --max-errors"
    )]
    TooManyErrors {
        /// Number of failures.
        failed: usize,
        /// Number of all things of this kind.
        total: usize,
        /// Kind of the failure, such as "images cannot be read".
        what: &'static str,
        /// The limit.
        limit: MaxErrors,
        /// The failures with their reasons.
        failures: Failures,
    },
    /// The dataset has no shop photo that can be indexed.
    #[error(
        "{path} lists no shop photo that can be read\nhint: photos of a shop have the domain `shop`; is it the right \
         folder?"
    )]
    NothingToIndex {
        /// The manifest.
        path: PathBuf,
    },
    /// Photos cannot be read now. They wait for their embedding.
    #[error(
        "{0}\nhint: is the folder of photos mounted? embed again when they can be read; no photo is embedded twice"
    )]
    Unreadable(Unreadable),
    /// Too many photos have no embedding in a new generation.
    #[error(
        "{missing} of {total} photos have no embedding by the new model, and at most {limit} may, so searches go on with the \
         old model{}\nhint: make the photos readable and embed again; or allow more with `selvedge catalog embed --max-errors`",
        reasons(unreadable, failures)
    )]
    Unfinished {
        /// Number of photos without an embedding.
        missing: u64,
        /// Number of all photos.
        total: u64,
        /// The limit.
        limit: MaxErrors,
        /// Photos that wait, because they cannot be read now.
        unreadable: Unreadable,
        /// Photos on which this run failed.
        failures: Failures,
    },
    /// The vector engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The folder has no catalog.
    #[error("{path} holds no catalog; make one with `selvedge index` or `selvedge catalog import`")]
    Missing {
        /// The folder.
        path: PathBuf,
    },
    /// An earlier version wrote the catalog.
    #[error(
        "the catalog in {path} was made by an earlier version, which kept it in other files; index the dataset again into a \
         new folder, and then remove this one"
    )]
    Old {
        /// The folder.
        path: PathBuf,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The catalog has no generation of the model any more.
    #[error("the catalog's embeddings are now those of {model_id}; restart the service with that bundle")]
    Replaced {
        /// The model of the live generation.
        model_id: String,
    },
    /// The columns of the products cannot be read.
    #[error("the columns of the products cannot be read: {0}")]
    Columns(String),
    /// A segment does not fit its generation.
    #[error("a file of embeddings cannot be used: {0}; run `selvedge catalog verify`")]
    Segment(String),
    /// The retrieval bundle cannot be used.
    #[error(transparent)]
    Bundle(#[from] EmbedError),
    /// The model failed on a batch.
    #[error("the model failed on the photos: {message}")]
    Model {
        /// Error of the model.
        message: String,
    },
}

/// Lines that say why photos have no embedding.
fn reasons(unreadable: &Unreadable, failures: &Failures) -> String {
    let mut lines = String::new();
    if !unreadable.is_empty() {
        lines.push_str(&format!("\n{unreadable}"));
    }
    if !failures.0.is_empty() {
        lines.push_str(&format!("\n{} photos cannot be embedded\n{failures}", failures.0.len()));
    }
    lines
}

impl CatalogError {
    /// For `map_err`: the error of a file operation, with `action` as a verb.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// Checks the number of failures. `what` names their kind, such as "images cannot be read".
    ///
    /// # Errors
    /// If `limit` allows fewer failures out of `total`.
    pub(super) fn check_limit(
        limit: MaxErrors,
        what: &'static str,
        failures: &[(String, String)],
        total: usize,
    ) -> Result<(), Self> {
        if limit.allows(failures.len(), total) {
            return Ok(());
        }
        Err(Self::TooManyErrors {
            failed: failures.len(),
            total,
            what,
            limit,
            failures: Failures(failures.to_vec()),
        })
    }
}

impl From<Faults> for CatalogError {
    fn from(faults: Faults) -> Self {
        Self::Dataset(faults)
    }
}
