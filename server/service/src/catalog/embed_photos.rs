//! Embedding of a shop's photos, batch by batch.
//!
//! All cores decode the next batch while the device embeds the current one.

use std::path::Path;

use rayon::prelude::*;
use shared::embedding::Embedding;
use shared::input::{CropBox, InputSpec};

use super::format::Row;
use super::shop_folder::{ShopFolder, ShopPhoto};
use super::writer::{DataWriter, Writer};
use super::{CatalogError, image_file};
use crate::embed::{PhotoViews, RetrievalModel};
use dataset::MaxErrors;
use dataset::prefetch::prefetch;
use search::storage::Storage;

/// Number of decoded batches that wait for the device. With one, neither the decoder nor the device idles.
const AHEAD: usize = 1;

/// Input of [`embed_photos`].
pub(super) struct PhotoJob<'a> {
    /// The dataset folder.
    pub(super) root: &'a Path,
    /// Its products and photos.
    pub(super) shop: &'a ShopFolder,
    /// The model, which runs on its own device.
    pub(super) model: &'a RetrievalModel,
    /// Storage type of the embeddings.
    pub(super) storage: Storage,
    /// Views whose embeddings are averaged.
    pub(super) views: PhotoViews,
    /// Photos per batch.
    pub(super) batch: usize,
    /// Maximum number of images that may fail.
    pub(super) limit: MaxErrors,
    /// Number of images to which the limit applies.
    pub(super) images: usize,
}

/// Embeddings that were written, and their rows.
pub(super) struct EmbeddedPhotos<'w> {
    /// The data file of the embeddings, not yet finished.
    pub(super) file: DataWriter<'w>,
    /// Product and photo per embedding.
    pub(super) rows: Vec<Row>,
    /// Dimension of the embeddings.
    pub(super) dim: usize,
    /// Photos that could not be read, each with the reason.
    pub(super) skipped: Vec<(String, String)>,
}

/// Embeds the shop's photos and writes the embeddings. Calls `progress` with the number of photos done after every batch.
///
/// # Errors
/// If the model fails or the file cannot be written.
pub(super) fn embed_photos<'w>(
    job: &PhotoJob<'_>,
    writer: &'w Writer,
    mut progress: impl FnMut(usize),
) -> Result<EmbeddedPhotos<'w>, CatalogError> {
    let mut embedded = EmbeddedPhotos {
        file: writer.file("embeddings", job.storage.name())?,
        rows: Vec::with_capacity(job.shop.photos.len()),
        dim: 0,
        skipped: Vec::new(),
    };
    let spec = &job.model.manifest().input;
    for_each_batch(job.root, &job.shop.photos, spec, job.batch, |batch| {
        embedded.append(batch, job)?;
        progress(embedded.rows.len() + embedded.skipped.len());
        Ok(())
    })?;
    Ok(embedded)
}

impl EmbeddedPhotos<'_> {
    fn append(&mut self, batch: Decoded<'_>, job: &PhotoJob<'_>) -> Result<(), CatalogError> {
        let (mut photos, mut inputs) = (Vec::new(), Vec::new());
        for (photo, input) in batch {
            match input {
                Ok(input) => {
                    photos.push(photo);
                    inputs.push(input);
                }
                Err(reason) => self.skipped.push(photo.failure(reason)),
            }
        }
        if !job.limit.allows(self.skipped.len(), job.images) {
            // The run will be refused. The other photos are only decoded so that the error can list all that fail.
            return Ok(());
        }
        let failed = |after: usize, message: String| CatalogError::Model { after, message };
        let after = self.rows.len();
        let spec = &job.model.manifest().input;
        let outputs = job.views.embed(inputs, spec, |inputs| job.model.embed(inputs));
        let outputs = outputs.map_err(|error| failed(after, format!("{error:#}")))?;
        let model_id = job.model.manifest().model_id();
        let mut bytes = Vec::new();
        for (photo, output) in photos.iter().zip(outputs) {
            let refuse = |reason: String| failed(after, format!("{}: {reason}", photo.image));
            let embedding = Embedding::new(model_id.as_str(), output).map_err(|error| refuse(error.to_string()))?;
            if self.dim != 0 && embedding.dim() != self.dim {
                return Err(refuse("its embedding has another length than the ones before".into()));
            }
            self.dim = embedding.dim();
            job.storage.encode(embedding.values(), &mut bytes);
        }
        self.file.write(&bytes)?;
        self.rows.extend(photos.iter().map(|photo| Row {
            product_id: job.shop.products[photo.product].id.clone(),
            image: photo.image.clone(),
        }));
        Ok(())
    }
}

/// Photos of one batch, each with its input `[3, height, width]` or the reason of its failure.
type Decoded<'a> = Vec<(&'a ShopPhoto, Result<Vec<f32>, String>)>;

/// Decodes batch after batch on all cores and passes them to `consume` in order.
fn for_each_batch<'a>(
    root: &Path,
    photos: &'a [ShopPhoto],
    spec: &InputSpec,
    batch: usize,
    mut consume: impl FnMut(Decoded<'a>) -> Result<(), CatalogError>,
) -> Result<(), CatalogError> {
    let files: Vec<(String, Option<CropBox>)> =
        photos.iter().map(|photo| (photo.image.clone(), photo.bounds)).collect();
    let (root, spec) = (root.to_owned(), spec.clone());
    let decode_batch = move |start: usize| -> Vec<Result<Vec<f32>, String>> {
        files[start..files.len().min(start + batch)]
            .par_iter()
            .map(|(image, bounds)| decode(&root, image, *bounds, &spec))
            .collect()
    };
    let inputs = prefetch(AHEAD, (0..photos.len()).step_by(batch).map(decode_batch));
    for (photos, inputs) in photos.chunks(batch).zip(inputs) {
        consume(photos.iter().zip(inputs).collect())?;
    }
    Ok(())
}

fn decode(root: &Path, image: &str, bounds: Option<CropBox>, spec: &InputSpec) -> Result<Vec<f32>, String> {
    let photo = image_file::read(root, image)?;
    let pixels = photo.pixels().map_err(|error| error.to_string())?;
    spec.to_chw(pixels, bounds).map_err(|error| error.to_string())
}
