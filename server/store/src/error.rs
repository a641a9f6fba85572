//! Errors of the store.

use std::path::{Path, PathBuf};

/// Error of the store. Every message says what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A file operation failed.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// The operation as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Error of the system.
        source: std::io::Error,
    },
    /// SQLite failed. The transaction was rolled back.
    #[error("the database of the store failed and nothing was changed: {0}; check the disk and its free space")]
    Database(#[from] rusqlite::Error),
    /// Another process holds the store.
    #[error("the store in {path} is open in another process{holder}; stop it, or use its admin API")]
    Busy {
        /// Folder of the store.
        path: PathBuf,
        /// Process id of the holder in parentheses, or nothing.
        holder: String,
    },
    /// The folder holds something else than a store.
    #[error("{path} is not a store: {message}; choose another folder")]
    NotAStore {
        /// The folder.
        path: PathBuf,
        /// The reason.
        message: String,
    },
    /// A later version of Selvedge wrote the store.
    #[error(
        "the store in {path} has version {found}, and this program reads up to {expected}; install a newer program"
    )]
    Newer {
        /// Folder of the store.
        path: PathBuf,
        /// Version of the store.
        found: i64,
        /// Newest version that this program reads.
        expected: i64,
    },
    /// A restore into this folder did not finish.
    #[error("a restore into {path} did not finish; remove the folder and restore the snapshot again")]
    Unfinished {
        /// The folder.
        path: PathBuf,
    },
    /// A target folder contains files.
    #[error("{path} is not empty; choose a new or an empty folder")]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// A file of the store or of a snapshot is damaged.
    #[error("{path} is damaged: {message}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The fault.
        message: String,
    },
    /// The product has another version than the caller expects.
    #[error("product `{id}` has {found}, not {expected}; read it again and repeat the change")]
    Conflict {
        /// Id of the product.
        id: String,
        /// The expected version in words.
        expected: String,
        /// The present version in words.
        found: String,
    },
    /// The store has no product with this id.
    #[error("there is no product `{id}`")]
    UnknownProduct {
        /// The id.
        id: String,
    },
    /// A value of a product cannot be stored.
    #[error("`{key}`: {message}")]
    Invalid {
        /// Key of the value.
        key: String,
        /// The fault, and what to do.
        message: String,
    },
    /// A generation is missing or in the wrong state.
    #[error("generation {generation}: {message}")]
    Generation {
        /// Number of the generation.
        generation: i64,
        /// The fault, and what to do.
        message: String,
    },
    /// An embedding cannot be stored.
    #[error("the embedding of image {image}: {message}")]
    Embedding {
        /// The image.
        image: String,
        /// The fault.
        message: String,
    },
    /// A file cannot be imported at all.
    #[error("{path}{}: {message}", .line.map(|line| format!(", line {line}")).unwrap_or_default())]
    Source {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1, if the fault is in a line.
        line: Option<u64>,
        /// The fault, and what to do.
        message: String,
    },
}

impl StoreError {
    /// For `map_err`: the error of a file operation, with `action` as a verb.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// The error of a damaged file.
    pub(crate) fn damaged(path: &Path, message: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            message: message.into(),
        }
    }

    /// The error of the value at `key`.
    pub(crate) fn invalid(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid {
            key: key.into(),
            message: message.into(),
        }
    }

    /// The error of a column in the database that does not have the form that the store writes.
    pub(crate) fn column(name: &str, error: impl std::fmt::Display) -> Self {
        Self::Damaged {
            path: PathBuf::from("store.sqlite"),
            message: format!("column `{name}`: {error}; restore a snapshot"),
        }
    }
}
