//! Measurements. `STORE_ROWS=100000 cargo test --release -p store -- --ignored --nocapture scale` prints them.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::{Duration, Instant};

use store::{CompactOptions, Element, Format, GivenHashes, ImageKey, ImportOptions, Store};

use crate::{new_store, product, run, vector};

const DIM: usize = 256;

/// Peak and present resident memory in mebibytes, from the system.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let lines = status
        .lines()
        .filter(|line| line.starts_with("VmHWM") || line.starts_with("VmRSS"));
    lines
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join(", ")
}

fn report(name: &str, rows: usize, time: Duration) {
    eprintln!(
        "{name}: {time:.2?}, {:.0} rows/s, {}",
        rows as f64 / time.as_secs_f64(),
        memory()
    );
}

#[test]
#[ignore = "prints measurements"]
fn scale() {
    let rows: usize = std::env::var("STORE_ROWS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(20_000);
    let (dir, store) = new_store();
    let path = dir.path().join("products.jsonl");
    let write = |changed: usize| {
        let mut file = BufWriter::new(File::create(&path).unwrap());
        for at in 0..rows {
            let price = if at < changed { 200 } else { 100 };
            serde_json::to_writer(&mut file, &product(&format!("P{at:07}"), price, &at.to_string())).unwrap();
            file.write_all(b"\n").unwrap();
        }
        file.flush().unwrap();
    };
    for (name, changed) in [
        ("import of new rows", 0),
        ("import of equal rows", 0),
        ("import with 1 % new prices", rows / 100),
    ] {
        write(changed);
        let start = Instant::now();
        let counts = run(&store, &ImportOptions::new(&path, Format::Ndjson), &GivenHashes).counts;
        report(name, rows, start.elapsed());
        assert_eq!(counts.failed_rows, 0);
    }
    let generation = store.begin_generation("m", DIM, Element::Int8).unwrap().number;
    let start = Instant::now();
    loop {
        let pending = store.pending(generation, 0, 4096).unwrap();
        if pending.is_empty() {
            break;
        }
        let embed = |key: &str| -> (ImageKey, Vec<f32>) { (key.parse().unwrap(), vector(key, DIM)) };
        let vectors: Vec<_> = pending.iter().map(|image| embed(&image.key)).collect();
        store.append(generation, &vectors).unwrap();
    }
    report("storing of embeddings", rows, start.elapsed());
    store.switch_generation(generation).unwrap();
    let start = Instant::now();
    store
        .compact(&CompactOptions {
            small: 8192,
            ..CompactOptions::default()
        })
        .unwrap();
    report("compaction", rows, start.elapsed());
    drop(store);
    let start = Instant::now();
    let store = Store::open(&dir.path().join("store")).unwrap();
    report("opening", rows, start.elapsed());
    let start = Instant::now();
    let view = store.view(generation).unwrap();
    report("view", view.rows.len(), start.elapsed());
    let start = Instant::now();
    let findings = store.verify().unwrap().findings;
    report("verification", rows, start.elapsed());
    assert!(findings.is_empty() && view.rows.len() == rows, "{findings:?}");
}
