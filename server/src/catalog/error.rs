//! What can go wrong with a catalogue, and what to do about it.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::embed::EmbedError;

/// Why a catalogue was not made or not opened.
#[derive(Debug, Error)]
pub enum CatalogError {
    /// The system refused a file operation.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of the dataset is not as described.
    #[error("{path}, line {line}: {message}; correct the dataset and index again")]
    Dataset {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// What is wrong there.
        message: String,
    },
    /// The dataset has no photo that could be indexed.
    #[error("{path} lists no shop photo that can be read ({skipped} could not); is it the right dataset folder?")]
    NothingToIndex {
        /// The manifest.
        path: PathBuf,
        /// Photos that could not be read.
        skipped: usize,
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
        /// What does not agree.
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
        /// What it said.
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
        Self::Damaged { path: path.to_owned(), message: message.into() }
    }
}
