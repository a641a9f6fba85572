//! Running a network over many pictures.

use super::views::View;
use crate::data::{Images, Loader, Plan};
use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use shared::input::InputSpec;
use shared::score::sigmoid;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

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
        lines.extend(pass(batch?.pixels, spec, device, &forward));
    }
    Ok(lines)
}

/// Probabilities of every row's picture, in the order of `rows`: the mean over `views` of the logits' sigmoids.
///
/// # Errors
/// If a picture cannot be read.
pub fn probabilities(
    images: &Arc<Images>,
    rows: &[usize],
    spec: &InputSpec,
    views: &[View],
    device: &Device,
    forward: impl Fn(Tensor<4>) -> Tensor<2>,
) -> anyhow::Result<Vec<Vec<f32>>> {
    let (sender, inputs) = sync_channel(2);
    let (source, rows, seen) = (Arc::clone(images), rows.to_vec(), views.to_vec());
    let wanted = spec.clone();
    // Made on the global pool while the network computes, as the loader's batches are.
    std::thread::spawn(move || {
        for rows in rows.chunks((BATCH / seen.len().max(1)).max(1)) {
            let pixels = rows.par_iter().map(|row| -> anyhow::Result<Vec<f32>> {
                let photo = source.get(*row)?;
                let inputs = seen.iter().map(|view| view.input(&photo, &wanted)).collect::<Result<Vec<_>, _>>()?;
                Ok(inputs.concat())
            });
            let batch: anyhow::Result<Vec<Vec<f32>>> = pixels.collect();
            let failed = batch.is_err();
            if sender.send(batch).is_err() || failed {
                return;
            }
        }
    });
    let mut lines = Vec::new();
    for batch in inputs {
        let logits = pass(batch?.concat(), spec, device, &forward);
        lines.extend(logits.chunks_exact(views.len()).map(mean_probability));
    }
    Ok(lines)
}

/// Mean over lines of logits of their sigmoids, label by label.
fn mean_probability(logits: &[Vec<f32>]) -> Vec<f32> {
    let n = logits.len() as f32;
    (0..logits[0].len()).map(|label| logits.iter().map(|line| sigmoid(line[label])).sum::<f32>() / n).collect()
}

/// One forward pass over `[n, 3, height, width]` values: n lines.
fn pass(
    pixels: Vec<f32>,
    spec: &InputSpec,
    device: &Device,
    forward: &impl Fn(Tensor<4>) -> Tensor<2>,
) -> Vec<Vec<f32>> {
    let shape = [pixels.len() / spec.len(), 3, spec.height, spec.width];
    let output = forward(Tensor::from_data(TensorData::new(pixels, shape), device));
    let [_, width] = output.dims();
    let values: Vec<f32> = output.into_data().iter::<f32>().collect();
    values.chunks_exact(width).map(<[f32]>::to_vec).collect()
}
