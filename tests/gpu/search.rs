//! Exact search on the GPU: the same hits as on the CPU, and throughput.

use std::sync::Arc;
use std::time::Instant;

use burn::tensor::{Device, Tensor};
use half::f16;
use rayon::prelude::*;
use scan::{Bitmap, Hit, Query, Values};
use search::{Block, DeviceScan, MappedRows, SearchDevice, Stored};

use super::device_to_compare;

/// Rows in memory.
#[derive(Debug)]
enum Numbers {
    F32(Vec<f32>),
    F16(Vec<f16>),
    Int8(Vec<i8>, Vec<f32>),
}

impl MappedRows for Numbers {
    fn values(&self) -> Values<'_> {
        match self {
            Self::F32(numbers) => Values::F32(numbers),
            Self::F16(numbers) => Values::F16(numbers),
            Self::Int8(codes, scales) => Values::Int8 { codes, scales },
        }
    }
}

/// Number from -1 to 1 that looks random and is always the same.
fn number(at: usize) -> f32 {
    let mixed = (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40;
    mixed as f32 / (1 << 23) as f32 - 1.0
}

/// Blocks of all storage types. Rows repeat, so that there are ties, and some have NaN.
fn blocks(dim: usize, rows: usize) -> Stored {
    let block = |at: usize| {
        let value = |i: usize| {
            let (row, column) = (i / dim, i % dim);
            let is_odd = row % 997 == 5 && column == 0 && at == 0;
            if is_odd {
                f32::NAN
            } else {
                number((row % (rows - 50)) * dim + column + at * 77)
            }
        };
        let floats = (0..rows * dim).map(value);
        let numbers = match at % 3 {
            0 => Numbers::F32(floats.collect()),
            1 => Numbers::F16(floats.map(f16::from_f32).collect()),
            _ => Numbers::Int8(floats.map(|value| (value * 128.0) as i8).collect(), vec![0.01; rows]),
        };
        Arc::new(Block::mapped(dim, Box::new(numbers)).expect("the numbers are whole rows"))
    };
    Stored::of_blocks(dim, (0..4).map(block).collect())
}

/// Hits with the bits of their scores.
fn bits(found: &[Vec<Hit>]) -> Vec<Vec<(usize, u32)>> {
    let of_query = |hits: &Vec<Hit>| hits.iter().map(|hit| (hit.row, hit.score.to_bits())).collect();
    found.iter().map(of_query).collect()
}

#[test]
fn gpu_searches_find_what_cpu_searches_find() {
    let Some(gpu) = device_to_compare() else { return };
    let gpu = SearchDevice::open(&gpu).expect("the GPU multiplies integers exactly");
    for (dim, rows) in [
        (3, 900),
        (64, 20_000),
        (256, 30_000),
        (300, 9_000),
        (1_024, 5_000),
        (2_100, 3_000),
    ] {
        let stored = blocks(dim, rows);
        let device = DeviceScan::new(&stored, &gpu).expect("the GPU has memory");
        let groups: Vec<u32> = (0..stored.len() as u32).map(|row| row / 3).collect();
        let half = Bitmap::from_fn(stored.len(), |row| row % 2 == 1);
        let few = Bitmap::from_fn(stored.len(), |row| row % 90 == 1);
        let deleted = Bitmap::from_fn(stored.len(), |row| row % 11 == 3);
        let vectors: Vec<Vec<f32>> = (0..70)
            .map(|at| (0..dim).map(|i| number(at * 5_003 + i)).collect())
            .collect();
        let queries = vectors.iter().enumerate().map(|(at, vector)| Query {
            vector,
            limit: [1, 10, 100, 2_000][at % 4],
            filter: [None, Some(&half), None, Some(&few)][at / 4 % 4],
            is_grouped: at % 3 == 0,
        });
        let queries: Vec<Query<'_>> = queries.collect();
        let scanner = stored.scanner().groups(&groups).expect("every row has a group");
        for scanner in [scanner.clone(), scanner.deleted(&deleted)] {
            for size in [1, 5, 70] {
                for queries in queries.chunks(size).take(9) {
                    let (on_gpu, on_cpu) = (device.search(&scanner, queries), scanner.search(queries));
                    assert_eq!(bits(&on_gpu), bits(&on_cpu), "{dim} dimensions, {size} queries");
                }
            }
        }
        assert_eq!(gpu.error(), None);
    }
}

/// Bytes per second that the addition of a number to a large tensor reads and writes.
fn bandwidth(gpu: &Device) -> f64 {
    const NUMBERS: usize = 1 << 28;
    let mut tensor = Tensor::<1>::zeros([NUMBERS], gpu);
    let mut seconds = f64::INFINITY;
    for _ in 0..8 {
        gpu.sync().expect("the GPU works");
        let started = Instant::now();
        tensor = tensor.add_scalar(1.0);
        gpu.sync().expect("the GPU works");
        seconds = seconds.min(started.elapsed().as_secs_f64());
    }
    (8 * NUMBERS) as f64 / seconds
}

#[test]
fn gpu_searches_in_millions_of_rows_are_measured() {
    let Some(gpu) = device_to_compare() else { return };
    let possible = bandwidth(&gpu);
    eprintln!("the memory reads and writes {:.0} GB/s", possible / 1e9);
    for rows in [1_000_000, 10_000_000] {
        measure(&gpu, rows, possible);
    }
}

/// Prints the times of searches in `rows` rows, next to the bytes per second that are possible.
fn measure(gpu: &Device, rows: usize, possible: f64) {
    let dim = 256;
    let codes: Vec<i8> = (0..rows * dim)
        .into_par_iter()
        .map(|at| (number(at) * 128.0) as i8)
        .collect();
    let block =
        Block::mapped(dim, Box::new(Numbers::Int8(codes, vec![0.001; rows]))).expect("the numbers are whole rows");
    let stored = Stored::of_blocks(dim, vec![Arc::new(block)]);
    let checked = SearchDevice::open(gpu).expect("the GPU multiplies integers exactly");
    let device = DeviceScan::new(&stored, &checked).expect("the GPU has memory");
    let scanner = stored.scanner();
    let vectors: Vec<Vec<f32>> = (0..256)
        .map(|at| (0..dim).map(|i| number(at * 977 + i)).collect())
        .collect();
    for size in [1, 16, 64, 256] {
        let queries = vectors.iter().take(size).map(|vector| Query {
            vector,
            limit: 10,
            filter: None,
            is_grouped: false,
        });
        let queries: Vec<Query<'_>> = queries.collect();
        let mut seconds: Vec<f64> = (0..30)
            .map(|_| {
                let started = Instant::now();
                let found = device.search(&scanner, &queries);
                assert_eq!(found.len(), size);
                started.elapsed().as_secs_f64()
            })
            .collect();
        seconds.sort_by(f64::total_cmp);
        let median = seconds[seconds.len() / 2];
        let read = (rows * dim) as f64 / median;
        eprintln!(
            "{rows} × {dim}, {size} queries: {:.2} ms, {:.0} queries/s, codes at {:.0} GB/s, {:.0} % of the memory's speed",
            median * 1e3,
            size as f64 / median,
            read / 1e9,
            100.0 * read / possible
        );
        assert_eq!(
            bits(&device.search(&scanner, &queries)),
            bits(&scanner.search(&queries))
        );
    }
    assert_eq!(checked.error(), None);
}
