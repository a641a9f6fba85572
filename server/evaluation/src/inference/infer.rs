//! Running a network over many pictures.

use super::views::View;
use burn::tensor::{Device, Tensor, TensorData};
use dataset::Images;
use rayon::prelude::*;
use search::unit;
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
    embeddings(images, rows, spec, &[View::default()], device, forward)
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
    let probabilities = over_views(images, rows, spec, views, device, forward)?
        .into_iter()
        .map(|logits| {
            let mean = |label: usize| logits.iter().map(|line| sigmoid(line[label])).sum::<f32>() / logits.len() as f32;
            (0..logits[0].len()).map(mean).collect()
        });
    Ok(probabilities.collect())
}

/// Embeddings of every row's picture, in the order of `rows`: the mean over `views`, at unit length; of one view what the
/// network says.
///
/// # Errors
/// If a picture cannot be read.
pub fn embeddings(
    images: &Arc<Images>,
    rows: &[usize],
    spec: &InputSpec,
    views: &[View],
    device: &Device,
    forward: impl Fn(Tensor<4>) -> Tensor<2>,
) -> anyhow::Result<Vec<Vec<f32>>> {
    let embeddings = over_views(images, rows, spec, views, device, forward)?
        .into_iter()
        .map(|mut lines| {
            // One view is what the network says, to the bit.
            if lines.len() == 1 {
                return lines.swap_remove(0);
            }
            let sum = |at: usize| lines.iter().map(|line| f64::from(line[at])).sum::<f64>();
            unit(&(0..lines[0].len()).map(sum).collect::<Vec<f64>>())
        });
    Ok(embeddings.collect())
}

/// `forward` of every row's picture in every view, `[row][view]`: one line of values each.
fn over_views(
    images: &Arc<Images>,
    rows: &[usize],
    spec: &InputSpec,
    views: &[View],
    device: &Device,
    forward: impl Fn(Tensor<4>) -> Tensor<2>,
) -> anyhow::Result<Vec<Vec<Vec<f32>>>> {
    // Inputs of one size make a batch; each has the places of its views.
    let mut sizes: Vec<(InputSpec, Vec<usize>)> = Vec::new();
    for (place, view) in views.iter().enumerate() {
        let spec = view.spec(spec);
        match sizes.iter_mut().find(|(known, _)| *known == spec) {
            Some((_, places)) => places.push(place),
            None => sizes.push((spec, vec![place])),
        }
    }
    let (sender, inputs) = sync_channel(2);
    let (source, rows, seen, wanted) = (Arc::clone(images), rows.to_vec(), views.to_vec(), sizes.clone());
    // Made on the global pool while the network computes, as the loader's batches are.
    std::thread::spawn(move || {
        for rows in rows.chunks((BATCH / seen.len().max(1)).max(1)) {
            let of_size = |(spec, places): &(InputSpec, Vec<usize>)| -> anyhow::Result<Vec<f32>> {
                let pixels = rows.par_iter().map(|row| -> anyhow::Result<Vec<f32>> {
                    let photo = source.get(*row)?;
                    let inputs = places.iter().map(|place| seen[*place].input(&photo, spec));
                    Ok(inputs.collect::<Result<Vec<_>, _>>()?.concat())
                });
                Ok(pixels.collect::<anyhow::Result<Vec<_>>>()?.concat())
            };
            let batch: anyhow::Result<Vec<Vec<f32>>> = wanted.iter().map(of_size).collect();
            let failed = batch.is_err();
            if sender.send((rows.len(), batch)).is_err() || failed {
                return;
            }
        }
    });
    let mut answers = Vec::new();
    for (n, batch) in inputs {
        let mut of_rows: Vec<Vec<Vec<f32>>> = vec![vec![Vec::new(); views.len()]; n];
        for (pixels, (spec, places)) in batch?.into_iter().zip(&sizes) {
            let lines = pass(pixels, spec, device, &forward);
            for (at, line) in lines.into_iter().enumerate() {
                of_rows[at / places.len()][places[at % places.len()]] = line;
            }
        }
        answers.extend(of_rows);
    }
    Ok(answers)
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
