//! The category pre-classifier in an evaluation, as the service has it: a query that it is sure of is looked up among its like.

use super::run::mean_probabilities;
use super::views::Views;
use burn::tensor::Device;
use dataset::{Dataset, Images};
use shared::bundle::{Manifest, Weights};
use shared::score::{is_confident, top_k};
use shared::taxonomy::Category;
use std::sync::Arc;

/// Predictions of a category bundle for a dataset's `rows`: the most probable category, and whether it is confident.
///
/// # Errors
/// If the bundle's labels are not the categories, it does not load, or a picture cannot be read.
pub fn categorise(
    bundle: &(Manifest, Weights),
    dataset: &Arc<Dataset>,
    rows: &[usize],
    device: &Device,
) -> anyhow::Result<Vec<(Category, bool)>> {
    let manifest = &bundle.0;
    anyhow::ensure!(
        Category::are(&manifest.labels),
        "the labels of {} are not the categories; train such a bundle with `data.labels = \"categories\"`",
        manifest.model_id()
    );
    let images = Arc::new(Images::new(Arc::clone(dataset)).with_margin_of(&manifest.input));
    let probs = mean_probabilities(std::slice::from_ref(bundle), &images, rows, &Views::None, device)?;
    let of = |probs: Vec<f32>| {
        let (label, prob) = top_k(&probs, 1).first().copied().unwrap_or((0, 0.0));
        (Category::ALL[label], is_confident(prob, manifest.thresholds[label]))
    };
    Ok(probs.into_iter().map(of).collect())
}
