//! Errors of a catalog, with hints.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::faults::{Failures, Faults};
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
    /// `catalog.json` cannot be written.
    #[error(transparent)]
    Header(anyhow::Error),
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
    /// The new catalog does not fit on the disk.
    #[error(
        "the catalog takes about {needed} bytes in {path}, where {free} are free; make room or choose another folder"
    )]
    NoSpace {
        /// The catalog folder.
        path: PathBuf,
        /// Estimated size of the catalog in bytes.
        needed: u64,
        /// Free bytes.
        free: u64,
    },
    /// The catalog was replaced, but the system did not confirm that the change is on the disk.
    #[error(
        "the new catalog is in place in {path}, but the system did not confirm that it is on the disk; after a power \
         failure the old one may be back\nhint: check the disk, then index again"
    )]
    Unsynced {
        /// The catalog folder.
        path: PathBuf,
        /// Error of the system.
        source: std::io::Error,
    },
    /// Another run holds the folder.
    #[error("another run is writing {path}; wait until it ends or choose another folder")]
    Busy {
        /// The catalog folder.
        path: PathBuf,
    },
    /// The folder has no catalog.
    #[error("{path} holds no catalog; make one with `selvedge index`")]
    Missing {
        /// The folder.
        path: PathBuf,
    },
    /// Another version wrote the catalog.
    #[error("the catalog in {path} has format {found}, this version reads {expected}; index the dataset again")]
    Format {
        /// The folder.
        path: PathBuf,
        /// Format of the catalog.
        found: u32,
        /// Newest format that this version reads.
        expected: u32,
    },
    /// The catalog's files contradict each other or their checksums.
    #[error("the catalog in {path} is damaged: {message}; index the dataset again")]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// The contradiction.
        message: String,
    },
    /// The retrieval bundle cannot be used.
    #[error(transparent)]
    Bundle(#[from] EmbedError),
    /// The model failed on a batch.
    #[error("the model failed on the photos after number {after}: {message}")]
    Model {
        /// Number of photos embedded before.
        after: usize,
        /// Error of the model.
        message: String,
    },
}

impl CatalogError {
    /// For `map_err`: the error of a file operation, with `action` as a verb.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// The error of a damaged catalog in `path`.
    pub(super) fn damaged(path: &Path, message: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            message: message.into(),
        }
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
