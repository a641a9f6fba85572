//! From the bytes of a photo to its embedding: bounded decoding, the model, and the queue that feeds it in batches.
//!
//! **Invariant:** nothing here knows HTTP; the queue knows no model, only a function from inputs to outputs.

mod error;
mod jpeg;
mod model;
mod photo;
mod queue;

pub use error::{EmbedError, PhotoError};
pub use model::RetrievalModel;
pub use photo::{MAX_PIXELS, MAX_SIDE, Photo};
pub use queue::{EmbedFn, EmbedQueue, QueueOptions};
