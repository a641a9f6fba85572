//! Errors of a catalogue, with what to do about them.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::faults::{Faults, Named};
use crate::embed::EmbedError;
use dataset::MaxErrors;

/// Why a catalogue was not made or not opened.
#[derive(Debug, Error)]
pub enum CatalogError {
    /// The system refused a file operation.
    #[error("cannot {action} {path}")]
    Io {
        /// Attempted action, as a verb.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// Error of the system.
        source: std::io::Error,
    },
    /// The manifest cannot be read.
    #[error(transparent)]
    Manifest(anyhow::Error),
    /// Lines of a file of the dataset are not as described.
    #[error("{0}\nhint: correct the dataset and index again; until then the catalogue that is there stays")]
    Dataset(Faults),
    /// Too much of the dataset cannot be used.
    #[error(
        "{failed} of {total} {what}, and at most {limit} may; the catalogue that is there stays\n{named}\nhint: repair or \
         remove them and index again, or allow more with --max-errors"
    )]
    TooManyErrors {
        /// Number of failures.
        failed: usize,
        /// Of how many.
        total: usize,
        /// In which way they fail.
        what: &'static str,
        /// The most that may.
        limit: MaxErrors,
        /// Each, with the reason.
        named: Named,
    },
    /// The dataset has no photo that could be indexed.
    #[error(
        "{path} lists no shop photo that can be read\nhint: photos of a shop have the domain `shop`; is it the right folder?"
    )]
    NothingToIndex {
        /// The manifest.
        path: PathBuf,
    },
    /// The new catalogue would not fit on the disk.
    #[error(
        "the catalogue takes about {needed} bytes in {path}, where {free} are free; make room or choose another folder"
    )]
    NoSpace {
        /// The catalogue folder.
        path: PathBuf,
        /// Bytes that it takes.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// The catalogue was replaced, but the system did not confirm that the change is on the disk.
    #[error(
        "the new catalogue is in place in {path}, but it is not certain to be on the disk, and may be the one before after a \
         power failure\nhint: check the disk, then index again"
    )]
    Unsynced {
        /// The catalogue folder.
        path: PathBuf,
        /// Error of the system.
        source: std::io::Error,
    },
    /// Another run holds the folder.
    #[error("another run is writing {path}; wait until it ends or choose another folder")]
    Busy {
        /// The catalogue folder.
        path: PathBuf,
    },
    /// There is no catalogue.
    #[error("{path} holds no catalogue; make one with `selvedge index`")]
    Missing {
        /// The folder.
        path: PathBuf,
    },
    /// The catalogue was written by another version.
    #[error("the catalogue in {path} has format {found}, this version reads {expected}; index the dataset again")]
    Format {
        /// The folder.
        path: PathBuf,
        /// Format of the folder.
        found: u32,
        /// Format this version reads.
        expected: u32,
    },
    /// The catalogue's files do not agree with each other.
    #[error("the catalogue in {path} is damaged: {message}; index the dataset again")]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// Disagreement.
        message: String,
    },
    /// The retrieval bundle cannot be used.
    #[error(transparent)]
    Bundle(#[from] EmbedError),
    /// The model failed while embedding.
    #[error("the model failed on the photos after number {after}: {message}")]
    Model {
        /// Photos embedded before.
        after: usize,
        /// Message of the model.
        message: String,
    },
}

impl CatalogError {
    /// For `map_err`: the system refused to `action` the `path`.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// The catalogue in `path` does not agree with itself.
    pub(super) fn damaged(path: &Path, message: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            message: message.into(),
        }
    }
}
