//! Indexing: a dataset's shop photos are embedded and become a catalog.
//!
//! A photo that cannot be read is left out and reported. If more fail than the limit allows, the run ends and the old
//! catalog stays. **Invariant:** every image that a new catalog contains could be read when it was indexed.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::PathBuf;

use burn::tensor::Device;

use super::embed_photos::{EmbeddedPhotos, PhotoJob, embed_photos};
use super::format::{FORMAT, Header, Row};
use super::image_check::{ImageCheck, UNREADABLE, WITHOUT_PHOTO, without_photo};
use super::shop_folder::{ShopFolder, ShopPhoto};
use super::writer::Writer;
use super::{CatalogError, Product};
use crate::embed::{PhotoViews, RetrievalModel};
use dataset::MaxErrors;
use dataset::manifest::MANIFEST;
use search::storage::Storage;

/// Estimated bytes of a catalog row without the photo's path.
const ROW_BYTES: u64 = 60;

/// Options of an index run.
#[derive(Debug, Clone)]
pub struct IndexOptions {
    /// The dataset folder: `manifest.csv`, its photos, and optionally `products.jsonl` and `samples.txt`.
    pub dataset: PathBuf,
    /// The folder of the retrieval bundle.
    pub bundle: PathBuf,
    /// The catalog folder. Its catalog is replaced at the end of the run.
    pub out: PathBuf,
    /// Storage type of the embeddings, on disk and in memory.
    pub storage: Storage,
    /// Views whose embeddings are averaged per photo.
    pub views: PhotoViews,
    /// Photos per batch.
    pub batch: usize,
    /// Maximum number of images that cannot be read, and of products without a readable photo.
    pub max_errors: MaxErrors,
}

/// Progress of an index run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexProgress {
    /// Number of photos done.
    pub done: usize,
    /// Number of all photos.
    pub total: usize,
}

/// Summary of an index run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexSummary {
    /// The model that made the embeddings.
    pub model_id: String,
    /// Dimension of the embeddings.
    pub dim: usize,
    /// Number of products in the catalog.
    pub products: usize,
    /// Number of embedded photos.
    pub photos: usize,
    /// Images that were left out, each with the reason.
    pub skipped: Vec<(String, String)>,
    /// Ids of products that no search can find, each with the reason.
    pub without_photo: Vec<(String, String)>,
    /// Remarks on values of the dataset's files that were changed or ignored.
    pub remarks: Vec<String>,
}

/// Embeds all shop photos of a dataset and makes the result the catalog in `options.out`.
///
/// Calls `progress` after every batch.
///
/// # Errors
/// See [`CatalogError`]. The old catalog stays unless this returns `Ok` or [`CatalogError::Unsynced`], and a failed run
/// removes its files.
pub fn index(
    options: &IndexOptions,
    device: &Device,
    mut progress: impl FnMut(IndexProgress),
) -> Result<IndexSummary, CatalogError> {
    let root = fs::canonicalize(&options.dataset).map_err(CatalogError::io("open", &options.dataset))?;
    let manifest = root.join(MANIFEST);
    let shop = ShopFolder::read(&root)?;
    if shop.photos.is_empty() {
        return Err(CatalogError::NothingToIndex { path: manifest });
    }
    let check = ImageCheck::run(&root, &shop, options.max_errors)?;
    let model = RetrievalModel::open(&options.bundle, device)?;
    let writer = Writer::open(&options.out)?;
    writer.check_space(estimated_bytes(
        &shop.photos,
        options.storage,
        model.manifest().embedding_dim,
    ))?;
    let job = PhotoJob {
        root: &root,
        shop: &shop,
        model: &model,
        storage: options.storage,
        views: options.views,
        batch: options.batch.max(1),
        limit: options.max_errors,
        images: check.total,
    };
    let total = shop.photos.len();
    let mut embedded = embed_photos(&job, &writer, |done| progress(IndexProgress { done, total }))?;
    embedded.skipped.extend(check.unreadable);
    CatalogError::check_limit(options.max_errors, UNREADABLE, &embedded.skipped, check.total)?;
    if embedded.rows.is_empty() {
        return Err(CatalogError::NothingToIndex { path: manifest });
    }
    let model_id = model.manifest().model_id();
    write(options, root, model_id, shop, embedded, &writer).and_then(|(header, summary)| {
        writer.commit(&header)?;
        Ok(summary)
    })
}

/// Estimated size of a catalog's embeddings and rows in bytes.
fn estimated_bytes(photos: &[ShopPhoto], storage: Storage, dim: usize) -> u64 {
    let rows = photos.iter().map(|photo| ROW_BYTES + photo.image.len() as u64);
    (photos.len() * storage.bytes(dim)) as u64 + rows.sum::<u64>()
}

/// Writes all data files of a catalog. The header that names them is to be committed.
fn write(
    options: &IndexOptions,
    root: PathBuf,
    model_id: String,
    shop: ShopFolder,
    embedded: EmbeddedPhotos<'_>,
    writer: &Writer,
) -> Result<(Header, IndexSummary), CatalogError> {
    let ShopFolder {
        mut products,
        lines,
        mut samples,
        mut remarks,
        ..
    } = shop;
    let EmbeddedPhotos {
        file,
        rows,
        dim,
        skipped,
    } = embedded;
    let without_photo = without_photo(&products, &lines, rows.iter().map(|row| row.product_id.as_str()));
    CatalogError::check_limit(options.max_errors, WITHOUT_PHOTO, &without_photo, products.len())?;
    replace_unreadable_images(&mut products, &rows, &skipped, &mut remarks);
    let kept: HashSet<&str> = products.iter().map(|product| product.id.as_str()).collect();
    for sample in &mut samples {
        sample.product_id.take_if(|id| !kept.contains(id.as_str()));
    }
    let header = Header {
        format: if options.storage == Storage::F32 { 1 } else { FORMAT },
        model_id: model_id.clone(),
        dim,
        count: rows.len(),
        dataset: root,
        storage: options.storage,
        views: options.views,
        embeddings: file.finish()?,
        rows: writer.lines("rows", &rows)?,
        products: writer.lines("products", &products)?,
        samples: writer.lines("samples", &samples)?,
        samples_chosen: true,
    };
    let summary = IndexSummary {
        model_id,
        dim,
        products: products.len(),
        photos: rows.len(),
        skipped,
        without_photo,
        remarks,
    };
    Ok((header, summary))
}

/// Gives every product whose own image is among the `skipped` the image of its first row. Removes a product without a row.
fn replace_unreadable_images(
    products: &mut Vec<Product>,
    rows: &[Row],
    skipped: &[(String, String)],
    remarks: &mut Vec<String>,
) {
    let readable: HashSet<&str> = rows.iter().map(|row| row.image.as_str()).collect();
    let unreadable: HashSet<&str> = skipped
        .iter()
        .map(|(image, _)| image.as_str())
        .filter(|image| !readable.contains(image))
        .collect();
    let mut first: HashMap<&str, &str> = HashMap::new();
    for row in rows {
        first.entry(&row.product_id).or_insert(&row.image);
    }
    products.retain_mut(|product| {
        if !unreadable.contains(product.image.as_str()) {
            return true;
        }
        let Some(image) = first.get(product.id.as_str()) else {
            remarks.push(format!(
                "product {} is left out, since none of its images can be shown",
                product.id
            ));
            return false;
        };
        remarks.push(format!(
            "product {} is shown by {image} instead of {}",
            product.id, product.image
        ));
        product.image = (*image).to_owned();
        true
    });
}
