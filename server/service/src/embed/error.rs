//! Errors between a photo and its embedding.

use thiserror::Error;

/// Error of embedding an input, or of loading a model.
#[derive(Debug, Error)]
pub enum EmbedError {
    /// The queue is full.
    #[error("{waiting} photos are waiting; try again in {retry_after_s} s")]
    Overloaded {
        /// Number of waiting photos.
        waiting: usize,
        /// Estimated seconds until there is room, 1 to 60.
        retry_after_s: u64,
    },
    /// The worker has ended or never started.
    #[error("the embedding worker has ended; restart the server")]
    Closed,
    /// The model panicked or returned an error. It is loaded again before the next batch.
    #[error("the model failed: {0}")]
    Model(String),
    /// The system gave no threads for the model.
    #[error("cannot start the threads for the model")]
    Threads(#[source] rayon::ThreadPoolBuildError),
    /// The bundle cannot be read, or it is for another task.
    #[error(transparent)]
    Bundle(anyhow::Error),
}
