//! Category classifier of an evaluation. As in the service, a query with a confident category is searched within it.

use crate::inference::{Views, mean_probabilities};
use burn::tensor::Device;
use dataset::{Dataset, Images};
use shared::bundle::{Manifest, Weights};
use shared::score::{is_confident, top_k};
use shared::taxonomy::Category;
use std::sync::Arc;

/// Predicts the category of a dataset's `rows` with a category bundle: the most probable category, and true if it is
/// confident.
///
/// # Errors
/// If the bundle's labels are not the categories, it does not load, or an image cannot be read.
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
    let most_probable = |probs: Vec<f32>| {
        let (label, prob) = top_k(&probs, 1).first().copied().unwrap_or((0, 0.0));
        (Category::ALL[label], is_confident(prob, manifest.thresholds[label]))
    };
    Ok(probs.into_iter().map(most_probable).collect())
}
