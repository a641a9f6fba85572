//! Embedding of the images that wait for it.

use std::fmt;

use rayon::prelude::*;
use shared::embedding::Embedding;
use shared::input::{CropBox, InputSpec};
use store::{ImageKey, PendingImage, Store};

use super::faults::Unreadable;
use super::upkeep::merge;
use super::{CatalogError, PhotoFiles};
use crate::embed::EmbedError;
use dataset::Photo;

/// Function from inputs `[3, height, width]` to as many embeddings.
pub type EmbedInputs<'a> = &'a mut dyn FnMut(Vec<Vec<f32>>) -> anyhow::Result<Vec<Vec<f32>>>;

/// Store, generation and options of an embedding of images.
pub struct EmbedJob<'a> {
    /// The store.
    pub store: &'a Store,
    /// Number of the generation.
    pub generation: i64,
    /// The image files.
    pub files: &'a PhotoFiles,
    /// Input of the model.
    pub spec: &'a InputSpec,
    /// Maximum number of images.
    pub batch: usize,
}

/// Reason why an image has no input for the model.
enum Unprepared {
    /// Its file cannot be read now. A later attempt may succeed.
    Unreadable(String),
    /// Its bytes cannot be decoded into an input of the model.
    Undecodable(String),
}

impl EmbedJob<'_> {
    /// Embeds all images that wait, batch by batch, and merges small files of embeddings. Calls `progress` after every batch,
    /// and ends early when it returns false. Returns true if it came to the end.
    ///
    /// # Errors
    /// Those of [`embed_images`].
    pub fn run(
        &self,
        embed: EmbedInputs<'_>,
        mut progress: impl FnMut(&EmbeddedBatch) -> bool,
    ) -> Result<bool, CatalogError> {
        let mut after = 0;
        loop {
            let pending = self.store.pending(self.generation, after, self.batch.max(1))?;
            let Some(last) = pending.last() else {
                return Ok(true);
            };
            after = last.number;
            let batch = embed_images(self, &pending, &mut *embed)?;
            if batch.stored > 0 {
                merge(self.store)?;
            }
            if !progress(&batch) {
                return Ok(false);
            }
        }
    }

    /// Reads and decodes an image.
    fn prepare(&self, image: &PendingImage) -> Result<Vec<f32>, Unprepared> {
        let undecodable = |error: &dyn fmt::Display| Unprepared::Undecodable(error.to_string());
        let key: ImageKey = image.key.parse().map_err(|error| undecodable(&error))?;
        let bytes = self.files.bytes(&image.source, key.sha256());
        let bytes = bytes.map_err(Unprepared::Unreadable)?;
        let photo = Photo::decode(&bytes).map_err(|error| undecodable(&error))?;
        let pixels = photo.pixels().map_err(|error| undecodable(&error))?;
        let crop = key.crop().map(|crop| CropBox {
            x: crop.x,
            y: crop.y,
            width: crop.width,
            height: crop.height,
        });
        self.spec.to_chw(pixels, crop).map_err(|error| undecodable(&error))
    }

    /// Remembers that an image cannot be embedded.
    fn fail(&self, image: &PendingImage, reason: String, batch: &mut EmbeddedBatch) -> Result<(), CatalogError> {
        self.store
            .fail_embedding(self.generation, &image.key.parse()?, &reason)?;
        batch.failed.push((image.source.clone(), reason));
        Ok(())
    }
}

/// Result of one batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EmbeddedBatch {
    /// Images that were embedded.
    pub stored: usize,
    /// Images that cannot be embedded, each with the reason.
    pub failed: Vec<(String, String)>,
    /// Images that wait on, because they cannot be read now.
    pub unreadable: Unreadable,
}

/// Embeds images that wait.
///
/// An image that cannot be decoded, or on which the model fails, is remembered with its reason and does not wait any more. One
/// that cannot be read waits on.
///
/// # Errors
/// If the model fails on every image, or the store. Then the images that are not embedded still wait.
pub fn embed_images(
    job: &EmbedJob<'_>,
    pending: &[PendingImage],
    embed: EmbedInputs<'_>,
) -> Result<EmbeddedBatch, CatalogError> {
    let prepared: Vec<_> = pending.par_iter().map(|image| job.prepare(image)).collect();
    let mut batch = EmbeddedBatch::default();
    let (mut images, mut inputs) = (Vec::new(), Vec::new());
    for (image, prepared) in pending.iter().zip(prepared) {
        match prepared {
            Ok(input) => {
                images.push(image);
                inputs.push(input);
            }
            Err(Unprepared::Unreadable(first)) => batch.unreadable.extend(&Unreadable { count: 1, first }),
            Err(Unprepared::Undecodable(reason)) => job.fail(image, reason, &mut batch)?,
        }
    }
    if images.is_empty() {
        return Ok(batch);
    }
    let Outputs { outputs, error } = embed_inputs(inputs, job.spec, embed);
    let mut vectors = Vec::with_capacity(images.len());
    for (image, output) in images.into_iter().zip(outputs) {
        let unit = output.and_then(|output| Embedding::new("", output).map_err(|error| error.to_string()));
        match unit {
            Ok(unit) => vectors.push((image.key.parse()?, unit.values().to_vec())),
            Err(reason) => job.fail(image, format!("the model fails on it: {reason}"), &mut batch)?,
        }
    }
    if !vectors.is_empty() {
        batch.stored = job.store.append(job.generation, &vectors)?.stored;
    }
    match error {
        None => Ok(batch),
        Some(error) => Err(CatalogError::Model {
            message: format!("{error:#}"),
        }),
    }
}

/// Outputs of the model.
struct Outputs {
    /// Output per input, or why the model fails on it. After an error the last inputs have none.
    outputs: Vec<Result<Vec<f32>, String>>,
    /// Error that is not due to an input.
    error: Option<anyhow::Error>,
}

/// Embeds inputs together. If the model fails, it embeds them one by one, so that one input does not block the others.
fn embed_inputs(inputs: Vec<Vec<f32>>, spec: &InputSpec, embed: EmbedInputs<'_>) -> Outputs {
    let mut outputs = Vec::with_capacity(inputs.len());
    let mut error = None;
    match call(inputs.clone(), embed) {
        Ok(all) => outputs.extend(all.into_iter().map(Ok)),
        Err(busy) if is_busy(&busy) => error = Some(busy),
        Err(_) => {
            for input in inputs {
                match embed_alone(input, spec, embed) {
                    Ok(output) => outputs.push(output),
                    Err(general) => {
                        error = Some(general);
                        break;
                    }
                }
            }
        }
    }
    Outputs { outputs, error }
}

/// Embeds one input. Returns the reason if the model fails on it twice, and not on an empty input in between.
///
/// # Errors
/// If the model also fails on the empty input, so that the input is not the reason.
fn embed_alone(input: Vec<f32>, spec: &InputSpec, embed: EmbedInputs<'_>) -> anyhow::Result<Result<Vec<f32>, String>> {
    let mut one = |input: Vec<f32>| Ok::<_, anyhow::Error>(call(vec![input], embed)?.swap_remove(0));
    if let Ok(output) = one(input.clone()) {
        return Ok(Ok(output));
    }
    one(vec![0.0; spec.len()])?;
    match one(input) {
        Err(error) if !is_busy(&error) => Ok(Err(format!("{error:#}"))),
        output => output.map(Ok),
    }
}

/// Calls the model.
fn call(inputs: Vec<Vec<f32>>, embed: EmbedInputs<'_>) -> anyhow::Result<Vec<Vec<f32>>> {
    let count = inputs.len();
    let outputs = embed(inputs)?;
    anyhow::ensure!(
        outputs.len() == count,
        "it returned {} outputs for {count} inputs",
        outputs.len()
    );
    Ok(outputs)
}

/// True if the model did not take the inputs.
fn is_busy(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref(),
        Some(EmbedError::Overloaded { .. } | EmbedError::Closed)
    )
}
