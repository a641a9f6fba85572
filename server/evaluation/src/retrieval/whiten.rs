//! Whitening that is fitted on a dataset.

use burn::tensor::Device;
use dataset::Dataset;
use search::whitening::{Whitening, whitening};
use shared::server_models::Projection;

/// Fits a whitening on the dataset's split 'train', whose rows `embed` embeds.
///
/// # Errors
/// If there is no such split, an image cannot be read, or [`whitening`](search::whitening::whitening) fails.
pub fn fit_whitening(
    dataset: &Dataset,
    options: Whitening,
    embed: impl Fn(&[usize]) -> anyhow::Result<Vec<Vec<f32>>>,
    device: &Device,
) -> anyhow::Result<Projection> {
    let rows = dataset.split("train", |row| !row.item_id.is_empty(), " with an item_id")?;
    let ids: Vec<&str> = rows.iter().map(|row| dataset.rows[*row].item_id.as_str()).collect();
    whitening(&embed(&rows)?, &ids, options, device)
}
