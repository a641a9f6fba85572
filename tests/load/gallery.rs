//! Size and search time of a gallery as f32, f16 and int8. The embeddings are random, one per product. Queries are sent one at
//! a time, to the three storages in turn.
//!
//!     CARGO_PROFILE_DEV_OPT_LEVEL=3 cargo run --example gallery [EMBEDDINGS] [SEARCHES]

#![allow(clippy::print_stdout)] // the table

use anyhow::{Context, Result};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use search::rerank::Rerank;
use search::storage::{Storage, Stored};
use search::{Gallery, SearchOptions};
use shared::embedding::Embedding;
use shared::taxonomy::Category;
use std::time::Instant;

/// Photos of the shop side of the JD AI Fashion Challenge's retrieval task.
const EMBEDDINGS: usize = 154_294;
const STORAGES: [Storage; 3] = [Storage::F32, Storage::F16, Storage::Int8];

fn main() -> Result<()> {
    let mut args = std::env::args()
        .skip(1)
        .map(|arg| arg.parse::<usize>().context("not a number"));
    let n = args.next().transpose()?.unwrap_or(EMBEDDINGS);
    let searches = args.next().transpose()?.unwrap_or(21);
    println!("{n} embeddings, median of {searches} searches for 10 products");
    println!(
        "{:>6} {:>8} {:>14} {:>10} {:>10} {:>10}",
        "values", "storage", "bytes", "ms", "of f32's", "same top"
    );
    for dim in [1024, 256] {
        measure(n, searches, dim)?;
    }
    Ok(())
}

/// Prints a row per storage for `n` embeddings of dimension `dim`.
fn measure(n: usize, searches: usize, dim: usize) -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut unit = || {
        let values = (0..dim)
            .map(|_| rng.random::<f32>() + rng.random::<f32>() - 1.0)
            .collect();
        Embedding::new("random", values).context("a direction")
    };
    let queries: Vec<Embedding> = (0..searches).map(|_| unit()).collect::<Result<_>>()?;
    let mut bytes = STORAGES.map(|storage| Vec::with_capacity(n * storage.bytes(dim)));
    for _ in 0..n {
        let row = unit()?;
        STORAGES
            .iter()
            .zip(&mut bytes)
            .for_each(|(storage, bytes)| storage.encode(row.values(), bytes));
    }
    let products = vec![(Category::Tops, 1); n];
    let sizes: Vec<usize> = bytes.iter().map(Vec::len).collect();
    let mut galleries = Vec::new();
    for (storage, bytes) in STORAGES.into_iter().zip(bytes) {
        let stored = Stored::decode(storage, dim, &bytes).map_err(anyhow::Error::msg)?;
        galleries.push(Gallery::new(stored, &products).map_err(anyhow::Error::msg)?);
    }
    let options = SearchOptions {
        limit: 10,
        category: None,
        products: None,
        rerank: Rerank::None.into(),
    };
    let mut times = vec![Vec::new(); STORAGES.len()];
    let mut same = [0; STORAGES.len()];
    for query in &queries {
        let mut first = None;
        for (at, gallery) in galleries.iter().enumerate() {
            let begun = Instant::now();
            let found = gallery.search(query, &options);
            times[at].push(begun.elapsed().as_secs_f64() * 1e3);
            let best = found.first().map(|hit| hit.product);
            same[at] += usize::from(*first.get_or_insert(best) == best);
        }
    }
    let medians: Vec<f64> = times.into_iter().map(median).collect();
    for (at, storage) in STORAGES.into_iter().enumerate() {
        let (ms, ratio) = (medians[at], medians[at] / medians[0]);
        let (name, size, same) = (storage.name(), sizes[at], format!("{}/{searches}", same[at]));
        println!("{dim:>6} {name:>8} {size:>14} {ms:>10.2} {ratio:>10.2} {same:>10}");
    }
    Ok(())
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}
