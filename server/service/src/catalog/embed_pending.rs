//! Embedding of the images that wait for it.

use rayon::prelude::*;
use shared::embedding::Embedding;
use shared::input::{CropBox, InputSpec};
use store::{ImageKey, PendingImage, Store};

use super::{CatalogError, PhotoFiles};
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

impl EmbedJob<'_> {
    /// Embeds all images that wait, batch by batch. Calls `progress` after every batch, and ends early when it returns false.
    /// Returns true if it came to the end.
    ///
    /// # Errors
    /// Those of [`embed_pending`].
    pub fn run(
        &self,
        embed: EmbedInputs<'_>,
        mut progress: impl FnMut(&EmbeddedBatch) -> bool,
    ) -> Result<bool, CatalogError> {
        let mut after = 0;
        loop {
            let batch = embed_pending(self, after, &mut *embed)?;
            let Some(last) = batch.last else {
                return Ok(true);
            };
            after = last;
            if !progress(&batch) {
                return Ok(false);
            }
        }
    }
}

/// Result of one batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EmbeddedBatch {
    /// Images that were embedded.
    pub stored: usize,
    /// Images that cannot be embedded, each with the reason.
    pub failed: Vec<(String, String)>,
    /// Number of the last image that waited. `None` if none did.
    pub last: Option<i64>,
}

/// Embeds the next images that wait behind the image number `after`, at most one batch of them.
///
/// An image that cannot be decoded is remembered with its reason and does not wait any more.
///
/// # Errors
/// If the model fails, or the store. Then the images still wait.
pub fn embed_pending(job: &EmbedJob<'_>, after: i64, embed: EmbedInputs<'_>) -> Result<EmbeddedBatch, CatalogError> {
    let pending = job.store.pending(job.generation, after, job.batch.max(1))?;
    let prepare = |image: &PendingImage| -> Result<(ImageKey, Vec<f32>), String> {
        let key: ImageKey = image
            .key
            .parse()
            .map_err(|error: store::StoreError| error.to_string())?;
        let bytes = job.files.bytes(&image.source, key.sha256())?;
        let photo = Photo::decode(&bytes).map_err(|error| error.to_string())?;
        let pixels = photo.pixels().map_err(|error| error.to_string())?;
        let crop = key.crop().map(|crop| CropBox {
            x: crop.x,
            y: crop.y,
            width: crop.width,
            height: crop.height,
        });
        let input = job.spec.to_chw(pixels, crop).map_err(|error| error.to_string())?;
        Ok((key, input))
    };
    let prepared: Vec<_> = pending.par_iter().map(prepare).collect();
    let mut batch = EmbeddedBatch {
        last: pending.last().map(|image| image.number),
        ..EmbeddedBatch::default()
    };
    let (mut keys, mut inputs) = (Vec::new(), Vec::new());
    for (image, prepared) in pending.iter().zip(prepared) {
        match prepared {
            Ok((key, input)) => {
                keys.push(key);
                inputs.push(input);
            }
            Err(reason) => {
                let key: ImageKey = image.key.parse()?;
                job.store.fail_embedding(job.generation, &key, &reason)?;
                batch.failed.push((image.source.clone(), reason));
            }
        }
    }
    if keys.is_empty() {
        return Ok(batch);
    }
    let failed = |message: String| CatalogError::Model { message };
    let outputs = embed(inputs).map_err(|error| failed(format!("{error:#}")))?;
    let mut vectors = Vec::with_capacity(keys.len());
    for (key, output) in keys.into_iter().zip(outputs) {
        let unit = Embedding::new("", output).map_err(|error| failed(format!("{key}: {error}")))?;
        vectors.push((key, unit.values().to_vec()));
    }
    batch.stored = job.store.append(job.generation, &vectors)?.stored;
    Ok(batch)
}
