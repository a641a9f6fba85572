//! From a prepared photo to its embedding: the model, and a queue that passes photos to it in batches.
//!
//! **Invariant:** this module does not depend on HTTP. The queue does not depend on a concrete model, only on a function
//! from inputs to outputs.

mod category;
mod error;
mod input;
mod model;
mod queue;
mod views;

pub use category::Categoriser;
pub use error::EmbedError;
pub use input::EmbedInput;
pub use model::RetrievalModel;
pub use queue::{EmbedFn, QueueOptions};
pub(crate) use queue::{EmbedQueue, QueueHealth};
pub use views::PhotoViews;
