//! Speed of exact search next to the bandwidth of memory, FAISS and hnswlib.
//!
//!     cargo bench -p scan [-- ROWS DIM]
//!
//! Without arguments it measures 10,000, 100,000 and 1,000,000 rows of 256 and 1,024 numbers, as far as memory allows. The
//! environment variable `PEERS` names a Python with numpy, faiss-cpu and hnswlib. All use two threads, or as many as
//! `THREADS` says. Where other processes use the CPU, compare the CPU times with one thread.

#![allow(clippy::print_stdout)] // the table

use std::hint::black_box;
use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use rayon::prelude::*;
use scan::{Bitmap, Coarse, Hit, Kernels, Query, Rows, Scanner, Values};

const LIMIT: usize = 10;
const BATCH: usize = 64;
/// Time per measured median.
const PATIENCE: Duration = Duration::from_millis(400);

/// Unit vectors around common centres, as embeddings of similar products are. The numbers are always the same.
fn vectors(rows: usize, dim: usize, seed: u64) -> Vec<f32> {
    let mut all = vec![0.0; rows * dim];
    all.par_chunks_exact_mut(dim).enumerate().for_each(|(row, numbers)| {
        let mut of_row = Noise(seed.wrapping_add(row as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut of_centre = Noise((of_row.next() * 4000.0) as u64 + 1);
        numbers
            .iter_mut()
            .for_each(|number| *number = of_centre.normal() + 0.7 * of_row.normal());
        let norm = numbers.iter().map(|number| number * number).sum::<f32>().sqrt();
        numbers.iter_mut().for_each(|number| *number /= norm);
    });
    all
}

struct Noise(u64);

impl Noise {
    /// A number from 0 to 1.
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 40) as f32 / (1 << 24) as f32
    }

    /// About a normal distribution: a sum of four uniform numbers.
    fn normal(&mut self) -> f32 {
        (self.next() + self.next() + self.next() + self.next() - 2.0) * 1.732
    }
}

/// Time that all threads of this process have been on a CPU, in milliseconds.
fn cpu_ms() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let text = tasks.map(|task| std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default());
    text.filter_map(|text| text.split_whitespace().next()?.parse::<f64>().ok())
        .sum::<f64>()
        / 1e6
}

/// Median time, least time and CPU time of `run`, in milliseconds.
fn times(mut run: impl FnMut(usize)) -> [f64; 3] {
    run(0);
    let cpu = cpu_ms();
    let (start, mut times) = (Instant::now(), Vec::new());
    while times.len() < 3 || (start.elapsed() < PATIENCE && times.len() < 200) {
        let before = Instant::now();
        run(times.len() + 1);
        times.push(before.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    [times[times.len() / 2], times[0], (cpu_ms() - cpu) / times.len() as f64]
}

/// Largest number of rows that hnswlib indexes. `peers.py` has the same default.
fn hnswlib_rows() -> usize {
    let most = std::env::var("PEERS_HNSW_ROWS").ok();
    most.and_then(|most| most.parse().ok()).unwrap_or(20_000)
}

/// Bytes per second that all threads read from memory at best, in GB/s.
fn bandwidth(threads: usize) -> f64 {
    let words = vec![1u64; 32 << 20];
    let [_, ms, _] = times(|_| {
        let sum = |part: &[u64]| {
            let lanes = part.as_chunks::<32>().0.iter().fold([0u64; 32], |mut lanes, chunk| {
                lanes.iter_mut().zip(chunk).for_each(|(lane, word)| *lane ^= word);
                lanes
            });
            black_box(lanes);
        };
        words.par_chunks(words.len() / threads).for_each(sum);
    });
    size_of_val(&words[..]) as f64 / ms / 1e6
}

/// A gallery as f32 and as int8.
struct Galleries {
    dim: usize,
    floats: Vec<f32>,
    codes: Vec<i8>,
    scales: Vec<f32>,
}

impl Galleries {
    fn new(rows: usize, dim: usize) -> Self {
        let floats = vectors(rows, dim, 1);
        let scale = |row: &[f32]| row.iter().fold(0.0f32, |most, number| most.max(number.abs())) / 127.0;
        let scales: Vec<f32> = floats.par_chunks_exact(dim).map(scale).collect();
        let codes = floats
            .par_iter()
            .enumerate()
            .map(|(at, number)| (number / scales[at / dim]).round() as i8);
        Self {
            dim,
            codes: codes.collect(),
            scales,
            floats,
        }
    }

    fn floats(&self) -> Rows<'_> {
        Rows::new(self.dim, Values::F32(&self.floats)).expect("the numbers are whole rows")
    }

    fn int8(&self) -> Rows<'_> {
        let (codes, scales) = (&self.codes, &self.scales);
        Rows::new(self.dim, Values::Int8 { codes, scales }).expect("the numbers are whole rows")
    }
}

fn search(scanner: &Scanner<'_>, queries: &[&[f32]], filter: Option<&Bitmap>) -> Vec<Vec<Hit>> {
    let queries: Vec<Query<'_>> = queries
        .iter()
        .map(|vector| Query {
            vector,
            limit: LIMIT,
            filter,
            is_grouped: false,
        })
        .collect();
    scanner.search(&queries)
}

fn measure(rows: usize, dim: usize, bandwidth: f64) {
    let galleries = Galleries::new(rows, dim);
    let (floats, int8) = (galleries.floats(), galleries.int8());
    let codes = (Coarse::new(&floats), Coarse::new(&int8));
    let queries = vectors(BATCH, dim, 1 << 40);
    let queries: Vec<&[f32]> = queries.chunks_exact(dim).collect();
    let scanner = |rows, coarse| Scanner::new(dim).segment(rows, coarse).expect("the segment fits");
    let scanners = [
        ("f32", scanner(floats, None), 4 * dim),
        ("f32+codes", scanner(floats, Some(&codes.0)), dim + 12),
        ("int8", scanner(int8, Some(&codes.1)), dim + 8),
    ];
    let one_of = |n: usize| Bitmap::from_fn(rows, |row| row.wrapping_mul(2_654_435_761) >> 8 & 1023 < 1024 / n);
    let filters = [
        ("all", None, 1),
        ("50 %", Some(one_of(2)), 2),
        ("1 %", Some(one_of(102)), 102),
    ];
    for (filter_name, filter, _) in &filters {
        let mut exact = None;
        for (name, scanner, bytes) in &scanners {
            let [single, least, cpu] = times(|at| {
                drop(black_box(search(
                    scanner,
                    &queries[at % BATCH..at % BATCH + 1],
                    filter.as_ref(),
                )))
            });
            let [batch, batch_least, batch_cpu] =
                times(|_| drop(black_box(search(scanner, &queries, filter.as_ref()))));
            let found = search(scanner, &queries, filter.as_ref());
            let is_same = exact.get_or_insert_with(|| found.clone()) == &found || *name == "int8";
            let read = (rows * bytes) as f64 / least / 1e6;
            let of_memory = if filter.is_none() {
                format!("{read:>6.1} GB/s, {:.2} x memory time", bandwidth / read)
            } else {
                String::new()
            };
            println!(
                "{rows:>8} {dim:>5} {filter_name:>5} {name:>10} {single:>8.3} {least:>8.3} {cpu:>8.3} {batch:>8.2} \
                 {batch_least:>8.2} {batch_cpu:>8.2}  {of_memory}{}",
                if is_same { "" } else { " WRONG" }
            );
        }
    }
    peers(
        &galleries,
        &queries,
        &filters.each_ref().map(|(name, filter, _)| (*name, filter.as_ref())),
    );
}

/// Calls the script of the peers with the same vectors.
fn peers(galleries: &Galleries, queries: &[&[f32]], filters: &[(&str, Option<&Bitmap>)]) {
    let Ok(python) = std::env::var("PEERS") else {
        return println!("skipped: FAISS and hnswlib, because PEERS does not name a Python with both");
    };
    let folder = std::env::temp_dir().join(format!("scan-peers-{}", std::process::id()));
    let write = |name: &str, numbers: &[f32]| {
        let mut file = std::io::BufWriter::new(std::fs::File::create(folder.join(name))?);
        numbers
            .iter()
            .try_for_each(|number| file.write_all(&number.to_le_bytes()))?;
        file.flush()
    };
    let kept = |(name, filter): &(&str, Option<&Bitmap>)| {
        let rows: Vec<f32> = filter
            .map(|filter| filter.iter().map(|row| row as f32).collect())
            .unwrap_or_default();
        write(&format!("{name}.kept"), &rows)
    };
    let prepared = std::fs::create_dir_all(&folder)
        .and_then(|()| write("rows", &galleries.floats))
        .and_then(|()| write("queries", &queries.concat()))
        .and_then(|()| filters.iter().try_for_each(kept));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers.py");
    let result = prepared.and_then(|()| {
        Command::new(python)
            .arg(script)
            .arg(&folder)
            .args([galleries.dim, LIMIT, threads()].map(|n| n.to_string()))
            .status()
    });
    if !result.as_ref().is_ok_and(std::process::ExitStatus::success) {
        println!("skipped: FAISS and hnswlib, because their script failed: {result:?}");
    }
    let _ = std::fs::remove_dir_all(&folder);
}

fn threads() -> usize {
    std::env::var("THREADS")
        .ok()
        .and_then(|threads| threads.parse().ok())
        .unwrap_or(2)
}

/// Free memory in bytes.
fn free() -> usize {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok())
        .map_or(usize::MAX, |kib| kib << 10)
}

fn main() {
    let threads = threads();
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .expect("the threads start");
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or_default();
    let bandwidth = bandwidth(threads);
    println!(
        "CPU{model}, kernels {}, {threads} threads, memory {bandwidth:.1} GB/s",
        Kernels::best().name()
    );
    println!("    rows   dim  kept       rows ms alone    least      CPU ms of {BATCH}    least      CPU");
    let arguments: Vec<usize> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    let sizes = match arguments[..] {
        [rows, dim] => vec![(rows, dim)],
        _ => [10_000, 100_000, 1_000_000]
            .iter()
            .flat_map(|rows| [256, 1024].map(|dim| (*rows, dim)))
            .collect(),
    };
    for (rows, dim) in sizes {
        // Bytes per number: f32 and two sets of codes here; two copies of f32 in the process of the peers, and those of an index.
        let peers = std::env::var_os("PEERS").map_or(0, |_| 9 + if rows <= hnswlib_rows() { 5 } else { 0 });
        if rows * dim * (7 + peers) > free() {
            println!("{rows:>8} {dim:>5} skipped: too little memory");
            continue;
        }
        measure(rows, dim, bandwidth);
    }
}
