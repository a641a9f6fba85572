//! Measurement of the engine next to the exact one.

use std::time::{Duration, Instant};

use engine::conformance::Sample;
use engine::{Condition, Engine, EngineQuery, ExactEngine, Facets, IdRange, ImageVector, ProductVectors};

/// Dimension of the vectors.
const DIM: usize = 256;
/// Number of measured searches.
const SEARCHES: usize = 30;

/// Prints times with `rows` products of one vector.
pub fn print(server: &dyn Engine, rows: usize) {
    let mut sample = Sample::new(1);
    let products: Vec<ProductVectors> = (0..rows)
        .map(|at| ProductVectors {
            id: format!("P{at:07}"),
            version: 1,
            facets: Facets {
                category: Some(if at % 100 == 0 { "rare" } else { "frequent" }.into()),
                ..Facets::default()
            },
            images: vec![ImageVector {
                key: format!("{at:064}"),
                vector: sample.vector(DIM),
            }],
        })
        .collect();
    let exact = ExactEngine::new();
    for (name, engine) in [("memory", &exact as &dyn Engine), ("Milvus", server)] {
        let start = Instant::now();
        engine.create(1, DIM).unwrap();
        engine.switch(1).unwrap();
        eprintln!("{name}: create {:.2} s", start.elapsed().as_secs_f32());
        let start = Instant::now();
        products.chunks(1000).for_each(|part| engine.apply(1, part).unwrap());
        eprintln!("{name}: apply {rows} products {:.2} s", start.elapsed().as_secs_f32());
        let start = Instant::now();
        engine.apply(1, &products[..1]).unwrap();
        eprintln!("{name}: apply 1 product {:.2} s", start.elapsed().as_secs_f32());
        let start = Instant::now();
        assert_eq!(engine.stamps(1, IdRange::default()).unwrap().len(), rows);
        eprintln!("{name}: read all stamps {:.2} s", start.elapsed().as_secs_f32());
    }
    for (name, count, condition) in [
        ("1 query", 1, Condition::default()),
        ("1 query, 1 % of the rows", 1, rare()),
        ("16 queries", 16, Condition::default()),
    ] {
        let (mut times, mut exact_times) = (Vec::new(), Vec::new());
        for _ in 0..SEARCHES {
            let vectors: Vec<Vec<f32>> = (0..count).map(|_| sample.vector(DIM)).collect();
            let query = |vector| EngineQuery {
                vector,
                limit: 20,
                condition: condition.clone(),
            };
            let queries: Vec<EngineQuery<'_>> = vectors.iter().map(|vector| query(vector)).collect();
            let (hits, time) = timed(|| server.search(&queries).unwrap());
            let (expected, exact_time) = timed(|| exact.search(&queries).unwrap());
            assert_eq!(hits, expected);
            times.push(time);
            exact_times.push(exact_time);
        }
        let (time, exact) = (median(times), median(exact_times));
        eprintln!("{name}, median: Milvus {time:.1} ms, memory {exact:.2} ms");
    }
}

fn rare() -> Condition {
    Condition {
        categories: Some(vec!["rare".into()]),
        ..Condition::default()
    }
}

fn timed<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    (run(), start.elapsed())
}

/// Median in milliseconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}
