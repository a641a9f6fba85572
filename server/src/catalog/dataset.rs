//! What indexing needs of a dataset folder: its products, their shop photos, and some user photos to try.
//!
//! `manifest.csv` lists the photos. `products.jsonl`, which a shop has and a plain photo collection lacks, describes the
//! products; without it a product is what the photos of one `item_id` show.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Component, Path, PathBuf};

use shared::input::CropBox;
use shared::taxonomy::Category;

use super::{CatalogError, LocalText, Product, SamplePhoto};
use crate::data::Row;
use crate::data::manifest::{MANIFEST, parse};

const PRODUCTS: &str = "products.jsonl";

/// How many sample photos a catalogue keeps.
const SAMPLES: usize = 8;

/// A shop photo and which product it shows.
#[derive(Debug)]
pub(super) struct ShopPhoto {
    /// Index into the products.
    pub(super) product: usize,
    /// Relative to the dataset folder.
    pub(super) image: String,
    /// The part of it that shows the product; all of it if `None`.
    pub(super) bounds: Option<CropBox>,
}

/// A dataset as far as a catalogue needs it.
#[derive(Debug)]
pub(super) struct Dataset {
    /// By id, each once.
    pub(super) products: Vec<Product>,
    /// By product, then by path.
    pub(super) photos: Vec<ShopPhoto>,
    /// Spread over the categories.
    pub(super) samples: Vec<SamplePhoto>,
}

impl Dataset {
    /// Reads the folder `root`.
    ///
    /// # Errors
    /// When a file is missing, a line cannot be read, or a shop photo's product is not described.
    pub(super) fn read(root: &Path) -> Result<Self, CatalogError> {
        let manifest = root.join(MANIFEST);
        let rows = read_manifest(&manifest)?;
        let described = root.join(PRODUCTS);
        let from_file = described.exists();
        let mut products = if from_file { read_products(&described)? } else { BTreeMap::new() };

        let mut photos: BTreeMap<String, Vec<(String, Option<CropBox>)>> = BTreeMap::new();
        for (line, row) in rows.iter().filter(|(_, row)| row.is_shop()) {
            let refuse = |message| CatalogError::Dataset { path: manifest.clone(), line: *line, message };
            let category = Category::from_id(&row.category)
                .ok_or_else(|| refuse(format!("`{}` is no category; tops, shoes, bags and other are", row.category)))?;
            if !products.contains_key(&row.item_id) {
                if from_file {
                    return Err(refuse(format!("item `{}` is not in {PRODUCTS}", row.item_id)));
                }
                products.insert(row.item_id.clone(), undescribed(row, category));
            }
            photos.entry(row.item_id.clone()).or_default().push((row.path.clone(), row.bounds));
        }
        let samples = samples(&rows, &products);

        let index: HashMap<&str, usize> = products.keys().enumerate().map(|(at, id)| (id.as_str(), at)).collect();
        let photos = photos
            .into_iter()
            .flat_map(|(id, mut images)| {
                images.sort_by(|a, b| a.0.cmp(&b.0));
                images.dedup();
                let product = index[id.as_str()];
                images.into_iter().map(move |(image, bounds)| ShopPhoto { product, image, bounds })
            })
            .collect();
        Ok(Self { photos, samples, products: products.into_values().collect() })
    }
}

/// The rows of a manifest, as training reads them, each with its line.
fn read_manifest(path: &Path) -> Result<Vec<(u64, Row)>, CatalogError> {
    let bytes = fs::read(path).map_err(CatalogError::io("read", path))?;
    let refuse = |line, message| CatalogError::Dataset { path: path.to_owned(), line, message };
    let rows = parse(path, &bytes).map_err(|error| refuse(error.line.unwrap_or(1) as u64, error.message))?;
    let inside = |row: Row| {
        let line = row.line as u64;
        if is_inside(&row.path) {
            return Ok((line, row));
        }
        Err(refuse(line, format!("`{}` is not a path inside the dataset", row.path)))
    };
    rows.into_iter().map(inside).collect()
}

fn read_products(path: &PathBuf) -> Result<BTreeMap<String, Product>, CatalogError> {
    let text = fs::read_to_string(path).map_err(CatalogError::io("read", path))?;
    let mut products = BTreeMap::new();
    for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
        let refuse = |message| CatalogError::Dataset { path: path.clone(), line, message };
        let product: Product = serde_json::from_str(text).map_err(|error| refuse(error.to_string()))?;
        if product.id.is_empty() || !is_inside(&product.image) {
            return Err(refuse("a product needs an id and an image inside the dataset".into()));
        }
        if let Some(before) = products.insert(product.id.clone(), product) {
            return Err(refuse(format!("product `{}` comes twice", before.id)));
        }
    }
    Ok(products)
}

fn undescribed(row: &Row, category: Category) -> Product {
    Product {
        id: row.item_id.clone(),
        category,
        name: LocalText { en: row.item_id.clone(), zh: row.item_id.clone() },
        price: None,
        styles: Vec::new(),
        attributes: BTreeMap::new(),
        image: row.path.clone(),
    }
}

/// User photos of known products, one a product: test photos first, the categories in turn, in a stable order.
fn samples(rows: &[(u64, Row)], products: &BTreeMap<String, Product>) -> Vec<SamplePhoto> {
    let mut by_category: BTreeMap<Category, BTreeMap<(bool, &str), &Row>> = BTreeMap::new();
    for (_, row) in rows.iter().filter(|(_, row)| row.domain == "user") {
        if let Some(product) = products.get(&row.item_id) {
            let place = (row.split != "test", row.item_id.as_str());
            by_category.entry(product.category).or_default().entry(place).or_insert(row);
        }
    }
    let mut queues: Vec<_> = by_category.into_values().map(BTreeMap::into_values).collect();
    let mut samples = Vec::new();
    while samples.len() < SAMPLES && queues.iter().any(|queue| queue.len() > 0) {
        for row in queues.iter_mut().filter_map(Iterator::next) {
            samples.push(SamplePhoto { image: row.path.clone(), product_id: row.item_id.clone() });
        }
    }
    samples.truncate(SAMPLES);
    samples
}

/// Whether `path` is relative and stays below the folder it is relative to.
fn is_inside(path: &str) -> bool {
    !path.is_empty() && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}
