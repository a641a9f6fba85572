//! Networks that run on servers alone, with their names of parameters and their loaders: DenseNet, Inception-v3 and Xception,
//! dense supervision, one network per label, joined retrieval networks and projections.
//!
//! This module is everything behind the feature `server-models`. Browsers run a plain style network, a query encoder, one
//! retrieval network or a segmentation network, so their build leaves the feature out.

pub(crate) mod backbone;
mod bundle;
mod classifier;
mod dense;
pub(crate) mod densenet;
mod embedder;
mod inception;
mod pretrained;
mod projection;
mod resemblance;
mod xception;

pub use bundle::{load_classifier, load_projection, load_retrieval};
pub use classifier::Classifier;
pub use embedder::Embedder;
pub use pretrained::load_pretrained;
pub use projection::{Projection, Side};
