//! Tests of the store through its public items.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

mod crash;
mod embeddings;
mod feeds;
mod imports;
mod previous;
mod products;
mod scale;
mod snapshots;

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use store::{
    Element, Format, Generation, ImageKey, ImageSource, ImportOptions, ImportReport, Price, Product, ProductImage,
    Store, StoreError,
};
use tempfile::TempDir;

/// A temporary folder with an empty store in `store`.
pub fn new_store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    (dir, store)
}

/// A product with one image whose bytes are `image`.
pub fn product(id: &str, amount: u64, image: &str) -> Product {
    Product {
        id: id.into(),
        names: BTreeMap::from([("en".into(), format!("Product {id}"))]),
        category: Some("shoes".into()),
        price: Some(Price {
            amount,
            currency: "EUR".into(),
        }),
        images: vec![ProductImage::new(
            format!("{image}.jpg"),
            ImageKey::of_bytes(image.as_bytes()).to_string(),
        )],
        ..Product::default()
    }
}

/// Unit vector of dimension `dim` that follows from the key.
pub fn vector(key: &str, dim: usize) -> Vec<f32> {
    let mut state = key.bytes().fold(17u64, |state, byte| {
        state.wrapping_mul(31).wrapping_add(u64::from(byte))
    });
    let values: Vec<f64> = (0..dim)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / f64::from(1 << 24) - 0.5
        })
        .collect();
    let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt();
    values.iter().map(|value| (value / norm) as f32).collect()
}

/// Embeds all images that wait, in batches.
pub fn embed(store: &Store, generation: &Generation, batch: usize) -> Result<(), StoreError> {
    loop {
        let pending = store.pending(generation.number, 0, batch)?;
        if pending.is_empty() {
            return Ok(());
        }
        let vectors: Vec<(ImageKey, Vec<f32>)> = pending
            .iter()
            .map(|image| (image.key.parse().unwrap(), vector(&image.key, generation.dim)))
            .collect();
        store.append(generation.number, &vectors)?;
    }
}

/// As [`embed`], if nothing can fail.
pub fn embed_all(store: &Store, generation: &Generation, batch: usize) {
    embed(store, generation, batch).unwrap();
}

/// Begins a generation, embeds everything and switches to it.
pub fn roll_out(store: &Store, model: &str, element: Element) -> Generation {
    let generation = store.begin_generation(model, 16, element).unwrap();
    embed_all(store, &generation, 7);
    store.switch_generation(generation.number).unwrap();
    generation
}

/// Writes a file into the folder.
pub fn write(dir: &TempDir, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path
}

/// Imports without ending early.
pub fn run(store: &Store, options: &ImportOptions, images: &dyn ImageSource) -> ImportReport {
    store
        .import(options, images, &mut |_| ControlFlow::Continue(()))
        .unwrap()
}

/// Options that allow every failure.
pub fn lenient(file: &Path, format: Format) -> ImportOptions {
    ImportOptions {
        max_errors: 1.0,
        ..ImportOptions::new(file, format)
    }
}

/// Ids of all products.
pub fn ids(store: &Store) -> Vec<String> {
    store
        .products("", 10_000)
        .unwrap()
        .into_iter()
        .map(|stored| stored.product.id)
        .collect()
}

/// Names of the segment files.
pub fn segment_files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir.join("segments"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}
