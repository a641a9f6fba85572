//! Time of concurrent searches in a large gallery: each alone, and in batches by the search thread of the service.
//!
//!     cargo run --release --example crowd -- [EMBEDDINGS [SECONDS]]
//!
//! Every client sends its next search as soon as it is answered. The table has one row per way and number of clients.

#![allow(clippy::print_stdout)] // the table

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use search::rerank::Rerank;
use search::storage::{Storage, Stored};
use search::{Gallery, SearchOptions};
use service::catalog::Searcher;
use shared::embedding::Embedding;
use shared::taxonomy::Category;

const DIM: usize = 256;
const PHOTOS_A_PRODUCT: usize = 4;
fn options() -> SearchOptions {
    SearchOptions {
        limit: 10,
        category: None,
        products: None,
        rerank: Rerank::None.into(),
    }
}

fn main() -> Result<()> {
    let mut args = std::env::args()
        .skip(1)
        .map(|arg| arg.parse::<usize>().context("not a number"));
    let n = args.next().transpose()?.unwrap_or(100_000);
    let time = Duration::from_secs(args.next().transpose()?.unwrap_or(10) as u64);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut unit = || {
        let values = (0..DIM)
            .map(|_| rng.random::<f32>() + rng.random::<f32>() - 1.0)
            .collect();
        Embedding::new("random", values).context("a direction")
    };
    let queries: Vec<Embedding> = (0..64).map(|_| unit()).collect::<Result<_>>()?;
    let mut bytes = Vec::with_capacity(n * Storage::F32.bytes(DIM));
    for _ in 0..n {
        Storage::F32.encode(unit()?.values(), &mut bytes);
    }
    let stored = Stored::decode(Storage::F32, DIM, &bytes).map_err(anyhow::Error::msg)?;
    let mut products = vec![(Category::Tops, PHOTOS_A_PRODUCT); n / PHOTOS_A_PRODUCT];
    products.push((Category::Tops, n % PHOTOS_A_PRODUCT));
    let gallery = Arc::new(Gallery::new(stored, &products).map_err(anyhow::Error::msg)?);
    let searched = Arc::clone(&gallery);
    let wanted = options();
    let search = move |queries: &[&Embedding]| {
        let queries: Vec<_> = queries.iter().map(|query| (*query, &wanted)).collect();
        searched.search_batch(&queries)
    };
    let searcher = Searcher::start(search, 1024)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let handle = runtime.handle();

    println!("{n} embeddings of {DIM} values, {} s each", time.as_secs());
    println!(
        "{:>12} {:>8} {:>10} {:>9} {:>9} {:>9}",
        "way", "clients", "searches/s", "p50 ms", "p99 ms", "max ms"
    );
    for clients in [1, 8, 16, 60] {
        report(
            "each alone",
            clients,
            measure(clients, time, &queries, |query| drop(gallery.search(query, &options()))),
        );
        let batched = |query: &Embedding| {
            let answer = handle.block_on(searcher.search(query.clone(), ()));
            assert!(answer.is_ok_and(|found| !found.is_empty()), "a search found nothing");
        };
        report("in batches", clients, measure(clients, time, &queries, batched));
    }
    Ok(())
}

/// Times of all searches of `clients` threads during `time`, in ascending order, and the whole time.
fn measure(
    clients: usize,
    time: Duration,
    queries: &[Embedding],
    search: impl Fn(&Embedding) + Sync,
) -> (Vec<Duration>, Duration) {
    let (begun, search) = (Instant::now(), &search);
    let client = |at: usize| {
        let mut times = Vec::new();
        for query in queries.iter().cycle().skip(at) {
            let begun_search = Instant::now();
            search(query);
            times.push(begun_search.elapsed());
            if begun.elapsed() > time {
                break;
            }
        }
        times
    };
    let mut times: Vec<Duration> = thread::scope(|scope| {
        let clients: Vec<_> = (0..clients).map(|at| scope.spawn(move || client(at))).collect();
        clients
            .into_iter()
            .filter_map(|client| client.join().ok())
            .flatten()
            .collect()
    });
    times.sort_unstable();
    (times, begun.elapsed())
}

fn report(way: &str, clients: usize, (times, took): (Vec<Duration>, Duration)) {
    let ms = |share: f64| {
        let at = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
        times.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    };
    let rate = times.len() as f64 / took.as_secs_f64();
    println!(
        "{way:>12} {clients:>8} {rate:>10.0} {:>9.1} {:>9.1} {:>9.1}",
        ms(0.5),
        ms(0.99),
        ms(1.0)
    );
}
