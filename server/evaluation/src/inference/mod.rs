//! Networks run over many images, and the views that their results are averaged over.

mod infer;
mod views;

pub(crate) use infer::embeddings;
pub use infer::{activated, forward_all, mean_probabilities, probabilities};
pub use views::{View, Views};
