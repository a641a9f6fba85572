//! Runs a network over many images.

use super::views::{View, Views};
use burn::tensor::{Device, Tensor, TensorData};
use dataset::Images;
use dataset::prefetch::{prefetch, until_error};
use rayon::prelude::*;
use search::unit;
use shared::bundle::{Manifest, Weights};
use shared::input::InputSpec;
use shared::score::sigmoid;
use shared::server_models::load_classifier;
use std::sync::Arc;

/// Images per forward pass.
const BATCH: usize = 32;
/// Batches that are decoded ahead of the network.
const AHEAD: usize = 2;

/// Runs `forward` over the image of each row; returns one line of values per row.
///
/// # Errors
/// If an image cannot be read.
pub fn forward_all(
    images: &Arc<Images>,
    rows: &[usize],
    spec: &InputSpec,
    device: &Device,
    forward: impl Fn(Tensor<4>) -> Tensor<2>,
) -> anyhow::Result<Vec<Vec<f32>>> {
    embeddings(images, rows, spec, &[View::default()], device, forward)
}

/// Computes the probabilities of each row's image, `[row][label]`: the mean over `views` of the logits' sigmoids.
///
/// # Errors
/// If an image cannot be read.
pub fn probabilities(
    images: &Arc<Images>,
    rows: &[usize],
    spec: &InputSpec,
    views: &[View],
    device: &Device,
    forward: impl Fn(Tensor<4>) -> Tensor<2>,
) -> anyhow::Result<Vec<Vec<f32>>> {
    let sigmoids = |logits: &[f32]| logits.iter().copied().map(sigmoid).collect();
    activated(images, rows, spec, views, device, (forward, sigmoids))
}

/// Like [`probabilities`], with the probabilities of a view's logits computed by `activate`: one value per logit.
///
/// # Errors
/// If an image cannot be read.
pub fn activated(
    images: &Arc<Images>,
    rows: &[usize],
    spec: &InputSpec,
    views: &[View],
    device: &Device,
    (forward, activate): (impl Fn(Tensor<4>) -> Tensor<2>, impl Fn(&[f32]) -> Vec<f32>),
) -> anyhow::Result<Vec<Vec<f32>>> {
    let probabilities = over_views(images, rows, spec, views, device, forward)?
        .into_iter()
        .map(|logits| {
            let lines: Vec<Vec<f32>> = logits.iter().map(|line| activate(line)).collect();
            let mean = |label: usize| lines.iter().map(|line| line[label]).sum::<f32>() / lines.len() as f32;
            (0..lines[0].len()).map(mean).collect()
        });
    Ok(probabilities.collect())
}

/// Computes the mean of the probabilities that style bundles predict, `[row][label]`.
///
/// # Errors
/// If a bundle does not load or an image cannot be read.
pub fn mean_probabilities(
    bundles: &[(Manifest, Weights)],
    images: &Arc<Images>,
    rows: &[usize],
    views: &Views,
    device: &Device,
) -> anyhow::Result<Vec<Vec<f32>>> {
    let mut probs = vec![vec![0.0; bundles[0].0.labels.len()]; rows.len()];
    for (manifest, weights) in bundles {
        let net = load_classifier(manifest, &weights.network, device)?;
        let (forward, activate) = (|x| net.forward(x), |logits: &[f32]| manifest.probabilities(logits));
        let ours = activated(
            images,
            rows,
            &manifest.input,
            &views.list(),
            device,
            (forward, activate),
        )?;
        for (sum, prob) in probs.iter_mut().flatten().zip(ours.iter().flatten()) {
            *sum += prob / bundles.len() as f32;
        }
    }
    Ok(probs)
}

/// Computes the embedding of each row's image, `[row][dim]`: the mean over `views` at unit length. The embedding of a single
/// view is the network's output.
///
/// # Errors
/// If an image cannot be read.
pub(crate) fn embeddings(
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
            // The output of one view is returned unchanged, to the bit.
            if lines.len() == 1 {
                return lines.swap_remove(0);
            }
            let sum = |at: usize| lines.iter().map(|line| f64::from(line[at])).sum::<f64>();
            unit(&(0..lines[0].len()).map(sum).collect::<Vec<f64>>())
        });
    Ok(embeddings.collect())
}

/// Inputs of some rows, one tensor's values per input size.
type Inputs = (usize, Vec<Vec<f32>>);

/// Runs `forward` over each row's image in each view, `[row][view]`; one line of values each.
fn over_views(
    images: &Arc<Images>,
    rows: &[usize],
    spec: &InputSpec,
    views: &[View],
    device: &Device,
    forward: impl Fn(Tensor<4>) -> Tensor<2>,
) -> anyhow::Result<Vec<Vec<Vec<f32>>>> {
    // Inputs of one size form a batch. Each size keeps the places of its views.
    let mut sizes: Vec<(InputSpec, Vec<usize>)> = Vec::new();
    for (place, view) in views.iter().enumerate() {
        let spec = view.spec(spec);
        match sizes.iter_mut().find(|(known, _)| *known == spec) {
            Some((_, places)) => places.push(place),
            None => sizes.push((spec, vec![place])),
        }
    }
    let batch = (BATCH / views.len().max(1)).max(1);
    let chunks: Vec<Vec<usize>> = rows.chunks(batch).map(<[usize]>::to_vec).collect();
    let (source, seen, wanted) = (Arc::clone(images), views.to_vec(), sizes.clone());
    let decode = move |rows: Vec<usize>| -> anyhow::Result<Inputs> {
        let decode_size = |(spec, places): &(InputSpec, Vec<usize>)| -> anyhow::Result<Vec<f32>> {
            let pixels = rows.par_iter().map(|row| -> anyhow::Result<Vec<f32>> {
                let photo = source.get(*row)?;
                let inputs = places.iter().map(|place| seen[*place].input(&photo, spec));
                Ok(inputs.collect::<Result<Vec<_>, _>>()?.concat())
            });
            Ok(pixels.collect::<anyhow::Result<Vec<_>>>()?.concat())
        };
        let inputs = wanted.iter().map(decode_size).collect::<anyhow::Result<_>>()?;
        Ok((rows.len(), inputs))
    };
    let mut outputs = Vec::with_capacity(rows.len());
    for decoded in prefetch(AHEAD, until_error(chunks.into_iter().map(decode))) {
        let (n, inputs) = decoded?;
        let mut lines_of_rows: Vec<Vec<Vec<f32>>> = vec![vec![Vec::new(); views.len()]; n];
        for (pixels, (spec, places)) in inputs.into_iter().zip(&sizes) {
            let lines = pass(pixels, spec, device, &forward);
            for (at, line) in lines.into_iter().enumerate() {
                lines_of_rows[at / places.len()][places[at % places.len()]] = line;
            }
        }
        outputs.extend(lines_of_rows);
    }
    Ok(outputs)
}

/// Runs one forward pass over values `[n, 3, height, width]`; returns `n` lines.
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
