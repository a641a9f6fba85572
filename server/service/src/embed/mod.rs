//! From a prepared photo to its embedding: the model, and the queue that feeds it in batches.
//!
//! **Invariant:** nothing here knows HTTP; the queue knows no model, only a function from inputs to outputs.

mod category;
mod error;
mod model;
mod queue;

pub use category::Categoriser;
pub use error::EmbedError;
pub use model::RetrievalModel;
pub use queue::{EmbedFn, EmbedQueue, QueueHealth, QueueOptions};
