//! What can go wrong between a photo and its embedding.

use std::path::PathBuf;

use thiserror::Error;

/// Why inputs did not become embeddings.
#[derive(Debug, Error)]
pub enum EmbedError {
    /// The queue has no room.
    #[error("{waiting} photos are waiting already; try again in {retry_after_s} s")]
    Overloaded {
        /// Photos waiting.
        waiting: usize,
        /// Seconds after which there should be room.
        retry_after_s: u64,
    },
    /// The worker has ended or never started.
    #[error("the embedding worker has ended; restart the server")]
    Closed,
    /// The model panicked or returned an error; it is loaded again before the next batch.
    #[error("the model failed: {0}")]
    Model(String),
    /// A file of the bundle cannot be read.
    #[error("cannot read {path}, a file of the bundle")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system gave no threads to compute on.
    #[error("cannot start the threads to compute on")]
    Threads(#[source] rayon::ThreadPoolBuildError),
    /// The bundle is not one that embeds photos.
    #[error("the bundle in {path} cannot be used: {message}")]
    Bundle {
        /// The bundle's folder.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
}
