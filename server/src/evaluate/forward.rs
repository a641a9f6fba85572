//! Running a network over many pictures.

use crate::data::{Images, Loader, Plan};
use burn::tensor::{Device, Tensor, TensorData};
use shared::input::InputSpec;
use std::sync::Arc;

/// Pictures a forward pass.
const BATCH: usize = 32;

/// `forward` of every row's picture, in the order of `rows`: one line of values each.
///
/// # Errors
/// If a picture cannot be read.
pub fn forward_all(
    images: &Arc<Images>,
    rows: &[usize],
    spec: &InputSpec,
    device: &Device,
    forward: impl Fn(Tensor<4>) -> Tensor<2>,
) -> anyhow::Result<Vec<Vec<f32>>> {
    let plan = Plan { batches: rows.chunks(BATCH).map(<[usize]>::to_vec).collect(), seed: 0, epoch: 0 };
    let mut lines = Vec::with_capacity(rows.len());
    for batch in Loader::start(Arc::clone(images), spec.clone(), None, plan) {
        let batch = batch?;
        let shape = [batch.rows.len(), 3, spec.height, spec.width];
        let output = forward(Tensor::from_data(TensorData::new(batch.pixels, shape), device));
        let [_, width] = output.dims();
        let values: Vec<f32> = output.into_data().iter::<f32>().collect();
        lines.extend(values.chunks_exact(width).map(<[f32]>::to_vec));
    }
    Ok(lines)
}
