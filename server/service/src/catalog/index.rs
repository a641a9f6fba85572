//! Dataset → catalogue: decode, embed, write.
//!
//! The next batch is decoded on all cores while the device embeds the one before. A photo that cannot be read is left out
//! and named, since one bad file among a hundred thousand must not cost the others; too many of them end the run, and the
//! catalogue that was there stays. What the new catalogue names can be shown: see [`settle`].

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::thread;

use burn::tensor::Device;
use rayon::prelude::*;
use shared::embedding::Embedding;
use shared::input::{CropBox, InputSpec};

use super::dataset::{Dataset, PRODUCTS, ShopPhoto};
use super::faults::check;
use super::format::{FORMAT, Header, Row};
use super::writer::Writer;
use super::{CatalogError, Product, picture};
use crate::embed::RetrievalModel;
use dataset::MaxErrors;
use dataset::manifest::MANIFEST;
use search::storage::Storage;

/// Batches that wait decoded; one being decoded, one waiting, one on the device keeps both sides busy.
const AHEAD: usize = 1;

/// In which way pictures fail.
const UNREADABLE: &str = "pictures cannot be read";
/// In which way products fail.
const UNFOUND: &str = "products are shown by no photo of the manifest that can be read";

/// Inputs and output of an index run.
#[derive(Debug, Clone)]
pub struct IndexOptions {
    /// The dataset folder: `manifest.csv`, its photos, perhaps `products.jsonl` and `samples.txt`.
    pub dataset: PathBuf,
    /// The folder of the retrieval bundle.
    pub bundle: PathBuf,
    /// The catalogue folder; what it holds is replaced at the very end.
    pub out: PathBuf,
    /// Storage type of the embeddings, on disk and in memory.
    pub storage: Storage,
    /// Photos embedded at once.
    pub batch: usize,
    /// The most pictures that may be unreadable, and the most products that no readable photo may show.
    pub max_errors: MaxErrors,
}

/// Progress of an index run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexProgress {
    /// Photos done.
    pub done: usize,
    /// Photos to do.
    pub total: usize,
}

/// Summary of an index run.
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
    /// Pictures left out, each with the reason.
    pub skipped: Vec<(String, String)>,
    /// Products that no search finds, by id, each with the reason.
    pub unfound: Vec<(String, String)>,
    /// Values of the dataset's files that were changed or left out.
    pub remarks: Vec<String>,
}

/// Embeds all shop photos of a dataset and makes the result the catalogue in `options.out`.
///
/// `progress` is called after every batch.
///
/// # Errors
/// See [`CatalogError`]. Unless this returns `Ok` or [`CatalogError::Unsynced`], the catalogue that was there before stays,
/// and nothing else is left behind.
pub fn index(
    options: &IndexOptions,
    device: &Device,
    mut progress: impl FnMut(IndexProgress),
) -> Result<IndexSummary, CatalogError> {
    let limit = options.max_errors;
    let root = fs::canonicalize(&options.dataset).map_err(CatalogError::io("open", &options.dataset))?;
    let Dataset {
        mut products,
        lines,
        photos,
        mut samples,
        mut remarks,
    } = Dataset::read(&root)?;
    let manifest = root.join(MANIFEST);
    if photos.is_empty() {
        return Err(CatalogError::NothingToIndex { path: manifest });
    }
    let pictures = Pictures::check(&root, &products, &lines, &photos, limit)?;
    let model = RetrievalModel::open(&options.bundle, device)?;
    let model_id = model.manifest().model_id();
    let writer = Writer::open(&options.out)?;
    writer.check_space(
        (photos.len() * options.storage.bytes(model.manifest().embedding_dim)) as u64
            + photos
                .iter()
                .map(|photo| ROW_BYTES + photo.image.len() as u64)
                .sum::<u64>(),
    )?;

    let mut embeddings = writer.file("embeddings", options.storage.name())?;
    let mut rows: Vec<Row> = Vec::with_capacity(photos.len());
    let mut skipped = Vec::new();
    let mut dim = 0;
    for_each_batch(
        &root,
        &photos,
        &model.manifest().input,
        options.batch.max(1),
        |decoded| {
            let done = rows.len() + skipped.len() + decoded.len();
            let mut read = Vec::new();
            let mut inputs = Vec::new();
            for (photo, input) in decoded {
                match input {
                    Ok(input) => {
                        read.push(photo);
                        inputs.push(input);
                    }
                    Err(reason) => skipped.push(photo.named(reason)),
                }
            }
            if !limit.allows(skipped.len(), pictures.total) {
                // The run will be refused; the others are only read, to be named.
                return Ok(());
            }
            let failed = |message: String| CatalogError::Model {
                after: rows.len(),
                message,
            };
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
            rows.extend(read.iter().map(|photo| Row {
                product_id: products[photo.product].id.clone(),
                image: photo.image.clone(),
            }));
            progress(IndexProgress {
                done,
                total: photos.len(),
            });
            Ok(())
        },
    )?;
    skipped.extend(pictures.unreadable);
    check(limit, UNREADABLE, &skipped, pictures.total)?;
    if rows.is_empty() {
        return Err(CatalogError::NothingToIndex { path: manifest });
    }
    let unfound = unfound(&products, &lines, rows.iter().map(|row| row.product_id.as_str()));
    check(limit, UNFOUND, &unfound, products.len())?;
    settle(&mut products, &rows, &skipped, &mut remarks);
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
        embeddings: embeddings.finish()?,
        rows: writer.lines("rows", &rows)?,
        products: writer.lines("products", &products)?,
        samples: writer.lines("samples", &samples)?,
        samples_chosen: true,
    };
    writer.commit(&header)?;
    Ok(IndexSummary {
        model_id,
        dim,
        products: products.len(),
        photos: rows.len(),
        skipped,
        unfound,
        remarks,
    })
}

/// About what a row takes besides its photo's path.
const ROW_BYTES: u64 = 60;

/// The pictures that a catalogue would name.
struct Pictures {
    /// Shop photos, and pictures of products that are no shop photo.
    total: usize,
    /// Of the latter, those that cannot be read.
    unreadable: Vec<(String, String)>,
}

impl Pictures {
    /// Looks for the files of all pictures, and reads those that will not be embedded. `lines` are those of the `products` in
    /// their file.
    ///
    /// # Errors
    /// When more than `limit` fail already, or show no product: nothing has been embedded by then.
    fn check(
        root: &Path,
        products: &[Product],
        lines: &[u64],
        photos: &[ShopPhoto],
        limit: MaxErrors,
    ) -> Result<Self, CatalogError> {
        let shop: HashSet<&str> = photos.iter().map(|photo| photo.image.as_str()).collect();
        let images = products.iter().map(|product| product.image.as_str()).zip(lines);
        let other: BTreeMap<&str, &u64> = images.filter(|(image, _)| !shop.contains(image)).collect();
        let unreadable: Vec<_> = other
            .par_iter()
            .filter_map(|(image, line)| {
                let why = picture::read(root, image).err()?;
                Some(((*image).to_owned(), format!("{why} ({PRODUCTS}, line {line}, `image`)")))
            })
            .collect();
        let total = photos.len() + other.len();
        let failing = |try_one: fn(&Path, &str) -> Result<(), String>| {
            let failed = photos
                .par_iter()
                .filter_map(|photo| Some(photo.named(try_one(root, &photo.image).err()?)));
            failed.chain(unreadable.par_iter().cloned()).collect::<Vec<_>>()
        };
        let missing = failing(|root, image| picture::locate(root, image).map(|_| ()));
        if !limit.allows(missing.len(), total) {
            // All that fail are named, not only those that are missing.
            check(
                limit,
                UNREADABLE,
                &failing(|root, image| picture::read(root, image).map(|_| ())),
                total,
            )?;
        }
        let shown = photos.iter().map(|photo| products[photo.product].id.as_str());
        check(limit, UNFOUND, &unfound(products, lines, shown), products.len())?;
        Ok(Self { total, unreadable })
    }
}

impl ShopPhoto {
    /// The photo and why it fails, for lists.
    fn named(&self, why: String) -> (String, String) {
        (
            self.image.clone(),
            format!("{why} ({MANIFEST}, line {}, `path`)", self.line),
        )
    }
}

/// The products that are not among those `shown`, by id; `lines` are those of the `products` in their file.
fn unfound<'a>(products: &[Product], lines: &[u64], shown: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    let shown: HashSet<&str> = shown.collect();
    let without = products
        .iter()
        .zip(lines)
        .filter(|(product, _)| !shown.contains(product.id.as_str()));
    let named = |(product, line): (&Product, &u64)| match line {
        0 => (product.id.clone(), "no search can find it".to_owned()),
        line => (
            product.id.clone(),
            format!("no search can find it ({PRODUCTS}, line {line})"),
        ),
    };
    without.map(named).collect()
}

/// Sees that every product has a picture that can be shown: one whose own is among the `skipped` gets its first photo, and
/// goes where it has none.
fn settle(products: &mut Vec<Product>, rows: &[Row], skipped: &[(String, String)], remarks: &mut Vec<String>) {
    let good: HashSet<&str> = rows.iter().map(|row| row.image.as_str()).collect();
    let bad: HashSet<&str> = skipped
        .iter()
        .map(|(image, _)| image.as_str())
        .filter(|image| !good.contains(image))
        .collect();
    let mut first: HashMap<&str, &str> = HashMap::new();
    for row in rows {
        first.entry(&row.product_id).or_insert(&row.image);
    }
    products.retain_mut(|product| {
        if !bad.contains(product.image.as_str()) {
            return true;
        }
        let Some(image) = first.get(product.id.as_str()) else {
            remarks.push(format!(
                "product {} is left out, since it has no picture that can be shown",
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
                    .map(|photo| (photo, decode(root, &photo.image, photo.bounds, spec)))
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

fn decode(root: &Path, image: &str, bounds: Option<CropBox>, spec: &InputSpec) -> Result<Vec<f32>, String> {
    let photo = picture::read(root, image)?;
    let pixels = photo.pixels().map_err(|error| error.to_string())?;
    spec.to_chw(pixels, bounds).map_err(|error| error.to_string())
}
