//! Start, memory, and speed of changes of a large catalog.
//!
//! `cargo run --release --example living -- ROWS [CHANGES]` makes a store of ROWS products with int8 embeddings of 256 random values,
//! opens it as the service does, and measures while a second thread changes products without a pause.

#![allow(clippy::print_stdout)] // the measurements

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use search::rerank::Rerank;
use service::catalog::{Catalog, CatalogQuery, SearchPlaces, Space, Without};
use service::embed::PhotoViews;
use shared::embedding::Embedding;
use store::{Element, Expected, ImageKey, Price, Product, ProductImage, ProductPatch, Store};

const DIM: usize = 256;
const MODEL: &str = "random";
/// Products per transaction while the store is made.
const BATCH: usize = 10_000;

fn main() -> Result<()> {
    let changes = std::env::args()
        .nth(2)
        .map_or(Ok(100), |text| text.parse())
        .context("not a number")?;
    let rows = std::env::args()
        .nth(1)
        .map_or(Ok(100_000), |text| text.parse())
        .context("not a number")?;
    let folder = tempfile::tempdir()?;
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let begun = Instant::now();
    make(folder.path(), rows, &mut rng)?;
    println!("{rows} products made in {:.1} s", begun.elapsed().as_secs_f64());

    let before = resident();
    let begun = Instant::now();
    let space = Space {
        model_id: MODEL.to_owned(),
        dim: DIM,
        views: PhotoViews::None,
    };
    let catalog = Catalog::open(folder.path(), &space, None, SearchPlaces::default())?;
    println!("ready after {:.2} s", begun.elapsed().as_secs_f64());
    let query = |values: Vec<f32>| -> Result<CatalogQuery> {
        Ok(CatalogQuery {
            embedding: Embedding::new(MODEL, values)?,
            limit: 10,
            category: None,
            filter: None,
            facets: Vec::new(),
            without: Without::default(),
            min_score: None,
            group: false,
            after: None,
            parts: None,
            rerank: Rerank::None.into(),
        })
    };
    let searches = |rng: &mut ChaCha8Rng, count: usize| -> Result<Vec<Duration>> {
        let one = |_| {
            let asked = query(unit(rng))?;
            let begun = Instant::now();
            catalog.search_batch(&[&asked]);
            Ok(begun.elapsed())
        };
        (0..count).map(one).collect()
    };
    report("a search", &mut searches(&mut rng, 200)?);
    let vectors = rows * (DIM + 4);
    println!(
        "resident {} MB more, with {} MB of vectors",
        resident().saturating_sub(before) >> 20,
        vectors >> 20
    );

    let store = catalog.store();
    let ends = AtomicBool::new(false);
    let (mut found, mut gone) = (Vec::new(), Vec::new());
    std::thread::scope(|scope| -> Result<()> {
        scope.spawn(|| reprice(store, rows, &ends));
        report("a search while prices change", &mut searches(&mut rng, 500)?);
        for number in 0..changes {
            let (id, values) = (format!("N{number}"), unit(&mut rng));
            let asked = query(values.clone())?;
            let is_found = || {
                let answer = catalog.search_batch(&[&asked]).pop();
                let hits = answer
                    .and_then(Result::ok)
                    .and_then(|answer| catalog.hits(&answer).ok());
                hits.is_some_and(|hits| hits.iter().any(|hit| hit.found.stored.product.id == id))
            };
            let begun = Instant::now();
            let (product, key) = product(&id, rows + number);
            store.upsert(&product, Expected::Absent)?;
            store.append(catalog.live().generation(), &[(key, values)])?;
            wait(is_found);
            found.push(begun.elapsed());
            let begun = Instant::now();
            store.delete(&id, Expected::Any)?;
            wait(|| !is_found());
            gone.push(begun.elapsed());
        }
        ends.store(true, Ordering::Relaxed);
        Ok(())
    })?;
    report("a new product is found", &mut found);
    report("a deleted product is gone", &mut gone);
    Ok(())
}

/// Makes a store of `rows` products.
fn make(dir: &Path, rows: usize, rng: &mut ChaCha8Rng) -> Result<()> {
    let store = Store::open(dir)?;
    let generation = store.begin_generation(MODEL, DIM, Element::Int8)?.number;
    store.switch_generation(generation)?;
    let file = dir.join("feed.ndjson");
    let mut lines = String::new();
    for number in 0..rows {
        let (product, _) = product(&format!("P{number:07}"), number);
        lines.push_str(&serde_json::to_string(&product)?);
        lines.push('\n');
    }
    fs::write(&file, lines)?;
    let options = store::ImportOptions::new(&file, store::Format::Ndjson);
    store.import(&options, &store::GivenHashes, &mut |_| {
        std::ops::ControlFlow::Continue(())
    })?;
    let mut after = 0;
    loop {
        let pending = store.pending(generation, after, BATCH)?;
        let Some(last) = pending.last() else { break };
        after = last.number;
        let vectors: Vec<(ImageKey, Vec<f32>)> = pending
            .iter()
            .map(|image| Ok((image.key.parse()?, unit(rng))))
            .collect::<Result<_>>()?;
        store.append(generation, &vectors)?;
    }
    Ok(())
}

/// A product with one image, and the key of the image.
fn product(id: &str, number: usize) -> (Product, ImageKey) {
    let key = ImageKey::of_bytes(&number.to_le_bytes());
    let product = Product {
        id: id.to_owned(),
        names: [("en".to_owned(), format!("Item {number}"))].into(),
        category: Some(["tops", "shoes", "bags", "other"][number % 4].to_owned()),
        price: Some(Price {
            amount: 1000 + number as u64 % 9000,
            currency: "EUR".to_owned(),
        }),
        images: vec![ProductImage::new(format!("{number}.jpg"), key.sha256())],
        ..Product::default()
    };
    (product, key)
}

/// Changes prices until `ends` is true.
fn reprice(store: &Store, rows: usize, ends: &AtomicBool) {
    for amount in 1u64.. {
        if ends.load(Ordering::Relaxed) {
            return;
        }
        let price = Price {
            amount,
            currency: "EUR".to_owned(),
        };
        let patch = ProductPatch {
            price: Some(Some(price)),
            stock: None,
        };
        let id = format!("P{:07}", amount as usize % rows);
        if let Err(error) = store.patch(&id, &patch, Expected::Any) {
            println!("{error}");
            return;
        }
    }
}

/// Waits until `is_done`.
fn wait(is_done: impl Fn() -> bool) {
    while !is_done() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A random direction.
fn unit(rng: &mut ChaCha8Rng) -> Vec<f32> {
    let values: Vec<f32> = (0..DIM)
        .map(|_| rng.random::<f32>() + rng.random::<f32>() - 1.0)
        .collect();
    let norm = values.iter().map(|value| value * value).sum::<f32>().sqrt();
    values.into_iter().map(|value| value / norm).collect()
}

/// Prints the median, the 95th and the 99th percentile, and the maximum.
fn report(name: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |share: f64| {
        times
            .get((times.len() as f64 * share) as usize)
            .copied()
            .unwrap_or_default()
            .as_secs_f64()
            * 1e3
    };
    println!(
        "{name}: median {:.1} ms, p95 {:.1} ms, p99 {:.1} ms, maximum {:.1} ms",
        at(0.5),
        at(0.95),
        at(0.99),
        at(0.999)
    );
}

/// Resident memory of this process in bytes; 0 if the system does not tell.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok())
        .unwrap_or_default()
        << 10
}
