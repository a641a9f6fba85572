//! What can go wrong between a photo and its embedding.

use std::path::PathBuf;

use thiserror::Error;

/// Why bytes did not become a [`Photo`](super::Photo).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PhotoError {
    /// There are no bytes.
    #[error("the photo has no bytes; choose another file")]
    Empty,
    /// The first bytes are those of no format read here.
    #[error("the file is not a JPEG, PNG, WebP, GIF or BMP picture; save it as one of these and send it again")]
    NotAnImage,
    /// The format is known, but the bytes end early or are damaged.
    #[error("the picture is damaged or breaks off ({0}); send the complete file")]
    Damaged(String),
    /// The picture would take too much memory.
    #[error(
        "the picture has {width} x {height} pixels; send one of at most {} megapixels and {} pixels a side",
        super::MAX_PIXELS / 1_000_000,
        super::MAX_SIDE
    )]
    TooLarge {
        /// Width in pixels, as the file says.
        width: u32,
        /// Height in pixels, as the file says.
        height: u32,
    },
}

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
