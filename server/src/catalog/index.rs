//! Dataset → catalogue: decode, embed, write.
//!
//! The next batch is decoded on all cores while the device embeds the one before. A photo that cannot be read is left out
//! and named in the summary, since one bad file among a hundred thousand must not cost the others.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::thread;

use burn::tensor::Device;
use rayon::prelude::*;
use shared::embedding::Embedding;
use shared::input::{CropBox, InputSpec};

use super::CatalogError;
use super::dataset::{Dataset, ShopPhoto};
use super::format::{FORMAT, Header, Row, Writer};
use super::storage::Storage;
use crate::data::Photo;
use crate::embed::RetrievalModel;

/// Batches that wait decoded; one being decoded, one waiting, one on the device keeps both sides busy.
const AHEAD: usize = 1;

/// What to index, with what, into where.
#[derive(Debug, Clone)]
pub struct IndexOptions {
    /// The dataset folder: `manifest.csv`, its photos and perhaps `products.jsonl`.
    pub dataset: PathBuf,
    /// The folder of the retrieval bundle.
    pub bundle: PathBuf,
    /// The catalogue folder; what it holds is replaced at the very end.
    pub out: PathBuf,
    /// How the embeddings are kept, on disk and in memory.
    pub storage: Storage,
    /// Photos embedded at once.
    pub batch: usize,
}

/// How far an index run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexProgress {
    /// Photos done.
    pub done: usize,
    /// Photos to do.
    pub total: usize,
}

/// What an index run did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexSummary {
    /// The model that made the embeddings.
    pub model_id: String,
    /// Numbers of an embedding.
    pub dim: usize,
    /// Products in the catalogue.
    pub products: usize,
    /// Photos embedded.
    pub photos: usize,
    /// Photos left out, each with the reason.
    pub skipped: Vec<(String, String)>,
}

/// Embeds all shop photos of a dataset and makes the result the catalogue in `options.out`.
///
/// `progress` is called after every batch.
///
/// # Errors
/// See [`CatalogError`]. Until this returns `Ok`, the catalogue that was there before stays.
pub fn index(
    options: &IndexOptions,
    device: &Device,
    mut progress: impl FnMut(IndexProgress),
) -> Result<IndexSummary, CatalogError> {
    let root = fs::canonicalize(&options.dataset).map_err(CatalogError::io("open", &options.dataset))?;
    let Dataset { products, photos, samples } = Dataset::read(&root)?;
    let model = RetrievalModel::open(&options.bundle, device)?;
    let model_id = model.manifest().model_id();
    let writer = Writer::open(&options.out)?;

    let mut embeddings = writer.file("embeddings", options.storage.name())?;
    let mut rows = Vec::with_capacity(photos.len());
    let mut skipped = Vec::new();
    let mut dim = 0;
    for_each_batch(&root, &photos, &model.manifest().input, options.batch.max(1), |decoded| {
        let done = rows.len() + skipped.len() + decoded.len();
        let mut read = Vec::new();
        let mut inputs = Vec::new();
        for (photo, input) in decoded {
            match input {
                Ok(input) => {
                    read.push(photo);
                    inputs.push(input);
                }
                Err(reason) => skipped.push((photo.image.clone(), reason)),
            }
        }
        let failed = |message: String| CatalogError::Model { after: rows.len(), message };
        let outputs = model.embed(inputs).map_err(|error| failed(format!("{error:#}")))?;
        let mut bytes = Vec::new();
        for (photo, output) in read.iter().zip(outputs) {
            let refuse = |why: String| failed(format!("{}: {why}", photo.image));
            let embedding = Embedding::new(model_id.as_str(), output).map_err(|error| refuse(error.to_string()))?;
            if dim != 0 && embedding.dim() != dim {
                return Err(refuse("its embedding has another length than those before".into()));
            }
            dim = embedding.dim();
            options.storage.encode(embedding.values(), &mut bytes);
        }
        embeddings.write(&bytes)?;
        rows.extend(
            read.iter().map(|photo| Row { product_id: products[photo.product].id.clone(), image: photo.image.clone() }),
        );
        progress(IndexProgress { done, total: photos.len() });
        Ok(())
    })?;
    if rows.is_empty() {
        return Err(CatalogError::NothingToIndex { path: root.join("manifest.csv"), skipped: skipped.len() });
    }

    let header = Header {
        format: if options.storage == Storage::F32 { 1 } else { FORMAT },
        model_id: model_id.clone(),
        dim,
        count: rows.len(),
        dataset: root,
        storage: options.storage,
        embeddings: embeddings.finish()?,
        rows: writer.lines("rows", &rows)?,
        products: writer.lines("products", &products)?,
        samples: writer.lines("samples", &samples)?,
    };
    writer.commit(&header)?;
    Ok(IndexSummary { model_id, dim, products: products.len(), photos: rows.len(), skipped })
}

type Decoded<'a> = Vec<(&'a ShopPhoto, Result<Vec<f32>, String>)>;

/// Decodes batch after batch on all cores and hands them to `consume` in order, decoding ahead meanwhile.
fn for_each_batch<'a>(
    root: &Path,
    photos: &'a [ShopPhoto],
    spec: &InputSpec,
    batch: usize,
    mut consume: impl FnMut(Decoded<'a>) -> Result<(), CatalogError>,
) -> Result<(), CatalogError> {
    thread::scope(|scope| {
        let (ahead, decoded) = sync_channel(AHEAD);
        scope.spawn(move || {
            for batch in photos.chunks(batch) {
                let batch: Decoded<'a> = batch
                    .par_iter()
                    .map(|photo| (photo, decode(&root.join(&photo.image), photo.bounds, spec)))
                    .collect();
                // The other side has failed and gone.
                if ahead.send(batch).is_err() {
                    return;
                }
            }
        });
        // By value, so that a failure drops the receiver and lets the decoder end.
        decoded.into_iter().try_for_each(&mut consume)
    })
}

fn decode(path: &Path, bounds: Option<CropBox>, spec: &InputSpec) -> Result<Vec<f32>, String> {
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    let photo = Photo::decode(&bytes).map_err(|error| error.to_string())?;
    let pixels = photo.pixels().map_err(|error| error.to_string())?;
    spec.to_chw(pixels, bounds).map_err(|error| error.to_string())
}
