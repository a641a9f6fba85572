//! Comparison of a search on a device of Burn with the search on the CPU.

use std::sync::{Arc, LazyLock};

use burn::tensor::{DType, Device, Tensor, TensorData};
use half::f16;
use proptest::prelude::*;
use scan::{Bitmap, Hit, Query, Values};
use shared::embedding::Embedding;
use shared::taxonomy::Category;

use super::bounds::{products, read};
use super::codes::width;
use super::queries::digits;
use super::{DeviceScan, SearchDevice};
use crate::gallery::Gallery;
use crate::options::SearchOptions;
use crate::rerank::Rerank;
use crate::storage::{Block, MappedRows, Storage, Stored};

static DEVICE: LazyLock<SearchDevice> =
    LazyLock::new(|| SearchDevice::open(&Device::flex()).expect("the CPU multiplies integers exactly"));

/// Rows that may have NaN and scales of any kind.
#[derive(Debug)]
struct Numbers {
    storage: Storage,
    floats: Vec<f32>,
    halves: Vec<f16>,
    codes: Vec<i8>,
    scales: Vec<f32>,
}

impl MappedRows for Numbers {
    fn values(&self) -> Values<'_> {
        match self.storage {
            Storage::F32 => Values::F32(&self.floats),
            Storage::F16 => Values::F16(&self.halves),
            Storage::Int8 => Values::Int8 {
                codes: &self.codes,
                scales: &self.scales,
            },
        }
    }
}

fn block(storage: Storage, floats: Vec<f32>, dim: usize) -> Arc<Block> {
    let numbers = Numbers {
        storage,
        halves: floats.iter().map(|number| f16::from_f32(*number)).collect(),
        codes: floats.iter().map(|number| (number * 90.0) as i8).collect(),
        // Scales of zero, negative ones, and ones that are not finite.
        scales: floats
            .chunks(dim)
            .map(|row| row[0] * row[dim - 1] + row[dim / 2])
            .collect(),
        floats,
    };
    Arc::new(Block::mapped(dim, Box::new(numbers)).expect("the numbers are whole rows"))
}

/// A case of a search.
#[derive(Debug, Clone)]
struct Case {
    dim: usize,
    /// Storage and number of rows of each block.
    blocks: Vec<(Storage, usize)>,
    pool: Vec<f32>,
    limit: usize,
    /// One row of this many passes the filter, and this many of nine are deleted.
    every: (usize, usize),
    groups: u32,
    queries: usize,
}

fn case() -> impl Strategy<Value = Case> {
    let storage = proptest::sample::select(vec![Storage::F32, Storage::F16, Storage::Int8]);
    // Few distinct numbers cause many ties.
    let ties = proptest::collection::vec((-2i8..=2).prop_map(f32::from), 40..90);
    let plain = proptest::collection::vec(-1f32..1.0, 300..900);
    let special = proptest::sample::select(vec![
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        1e30,
        -1e-30,
        0.0,
        1e-41,
    ]);
    let wild = proptest::collection::vec(prop_oneof![300 => -1f32..1.0, 1 => special], 2000..3000);
    let large = proptest::collection::vec(-1e11f32..1e11, 300..900);
    let pool = prop_oneof![4 => ties, 4 => plain, 4 => wild, 1 => large, 1 => Just(vec![0.0; 50])];
    let blocks = proptest::collection::vec((storage, 1usize..1_200), 1..4);
    let every = (prop_oneof![1usize..4, 20usize..60], 0usize..5);
    let dim = prop_oneof![1usize..70, 70usize..=300];
    (dim, blocks, pool, 0usize..40, every, 1u32..200, 1usize..12).prop_map(
        |(dim, blocks, pool, limit, every, groups, queries)| Case {
            dim,
            blocks,
            pool,
            limit,
            every,
            groups,
            queries,
        },
    )
}

/// Searches on the device and on the CPU.
fn both(case: &Case, shift: usize) -> (Vec<Vec<Hit>>, Vec<Vec<Hit>>) {
    let (dim, total) = (case.dim, case.blocks.iter().map(|(_, rows)| rows).sum::<usize>());
    let value = |at: usize| case.pool[(at * 7 + at / dim % 11) % case.pool.len()];
    let mut start = 0;
    let blocks = case.blocks.iter().map(|(storage, rows)| {
        let floats = (start * dim..(start + rows) * dim).map(value).collect();
        start += rows;
        block(*storage, floats, dim)
    });
    let stored = Stored::of_blocks(dim, blocks.collect());
    let filter = Bitmap::from_fn(total, |row| row % case.every.0 == 0);
    let deleted = Bitmap::from_fn(total, |row| row % 9 < case.every.1);
    let groups: Vec<u32> = (0..total)
        .map(|row| (row as u32).wrapping_mul(2_654_435_761) % case.groups)
        .collect();
    let vectors = (0..case.queries).map(|at| (0..dim).map(|i| value(i + shift + at * 13)).collect());
    let vectors: Vec<Vec<f32>> = vectors.collect();
    let queries = vectors.iter().enumerate().map(|(at, vector)| Query {
        vector,
        limit: case.limit,
        filter: (at % 3 == 1).then_some(&filter),
        is_grouped: at % 2 == 1,
    });
    let queries: Vec<Query<'_>> = queries.collect();
    let scanner = stored.scanner().groups(&groups).expect("every row has a group");
    let scanner = if case.every.1 > 0 {
        scanner.deleted(&deleted)
    } else {
        scanner
    };
    let device = DeviceScan::new(&stored, &DEVICE).expect("the CPU has memory");
    let found = device.search(&scanner, &queries);
    assert_eq!(DEVICE.error(), None);
    (found, scanner.search(&queries))
}

/// Hits with the bits of their scores.
fn bits(found: &[Vec<Hit>]) -> Vec<Vec<(usize, u32)>> {
    let of_query = |hits: &Vec<Hit>| hits.iter().map(|hit| (hit.row, hit.score.to_bits())).collect();
    found.iter().map(of_query).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_device_finds_what_the_cpu_finds(case in case(), shift in 0usize..50) {
        let (on_device, on_cpu) = both(&case, shift);
        prop_assert_eq!(bits(&on_device), bits(&on_cpu));
    }
}

/// Numbers that look random and are always the same.
fn random(at: usize) -> usize {
    (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) as usize >> 33
}

#[test]
fn products_of_codes_are_rounded_once_in_any_number_of_dimensions() {
    let device = DEVICE.device();
    for dim in [1, 16, 300, 1_024, 1_025, 1_040, 2_100, 5_000] {
        let rows: Vec<i8> = (0..8 * dim)
            .map(|at| if at < dim { i8::MIN } else { random(at) as i8 })
            .collect();
        // The sum of the magnitudes of a query's codes is at most 16 million. The first query has the greatest sums.
        let greatest = (16_000_000 / dim).min(32_639);
        let code = |at: usize| if at < dim { greatest } else { random(at + 5) % (2 * greatest) } as i32;
        let queries = (0..3 * dim).map(|at| (code(at) - if at < dim { 0 } else { greatest as i32 }) as i16);
        let queries: Vec<i16> = queries.collect();
        let queries: Vec<&[i16]> = queries.chunks_exact(dim).collect();
        let width = width(dim);
        let mut padded = vec![0i8; 8 * width];
        let lines = padded.chunks_exact_mut(width).zip(rows.chunks_exact(dim));
        lines.for_each(|(line, row)| line[..dim].copy_from_slice(row));
        let codes = Tensor::from_data(TensorData::new(padded, [8, width]), (device, DType::I8));
        let found = read(products(&digits(&queries, dim, device), &codes)).expect("the CPU reads its memory");
        let expected = queries.iter().flat_map(|query| {
            rows.chunks_exact(dim).map(move |row| {
                let pairs = query.iter().zip(row);
                pairs.map(|(x, y)| i32::from(*x) * i32::from(*y)).sum::<i32>() as f32
            })
        });
        assert_eq!(found, expected.collect::<Vec<_>>(), "{dim} dimensions");
    }
}

#[test]
fn more_dimensions_than_a_sum_of_f32_holds_are_searched() {
    let number = |at: usize| (random(at) % 2_001) as f32 / 1_000.0 - 1.0;
    for dim in [1_025, 2_100] {
        let case = Case {
            dim,
            blocks: vec![(Storage::F32, 900), (Storage::Int8, 300), (Storage::F16, 1_100)],
            pool: (0..9_973).map(number).collect(),
            limit: 2,
            every: (2, 1),
            groups: 700,
            queries: 4,
        };
        let (on_device, on_cpu) = both(&case, 3);
        assert_eq!(bits(&on_device), bits(&on_cpu), "{dim} dimensions");
        assert!(!on_cpu[0].is_empty());
    }
}

#[test]
fn queries_that_find_nothing_and_queries_without_bounds_are_answered() {
    let stored = Stored::new(Storage::F32, &[vec![1.0, 0.0], vec![0.5, 0.5], vec![0.0, 0.0]]);
    let (scanner, device) = (
        stored.scanner(),
        DeviceScan::new(&stored, &DEVICE).expect("the CPU has memory"),
    );
    let none = Bitmap::new(3);
    let query = |vector, limit, filter| Query {
        vector,
        limit,
        filter,
        is_grouped: false,
    };
    let queries = [
        query(&[1.0, 1.0], 0, None),
        query(&[1.0], 3, None),
        query(&[0.0, 0.0], 3, None),
        query(&[f32::NAN, 1.0], 3, None),
        query(&[1.0, 0.25], 9, None),
        query(&[1.0, 0.25], 9, Some(&none)),
    ];
    let found = device.search(&scanner, &queries);
    assert_eq!(found, scanner.search(&queries));
    assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [0, 0, 3, 0, 3, 0]);
}

#[test]
fn blocks_on_a_device_are_shared_while_a_search_uses_them() {
    let one = || {
        Stored::new(Storage::F32, &[vec![1.0, 0.0], vec![0.5, 0.5]])
            .blocks
            .remove(0)
    };
    let (first, second) = (one(), one());
    let stored = Stored::of_blocks(2, vec![Arc::clone(&first)]);
    let longer = Stored::of_blocks(2, vec![second, first]);
    let on_device = |stored: &Stored| {
        stored
            .codes_on(DEVICE.device())
            .map(|(_, codes)| codes)
            .collect::<Vec<_>>()
    };
    let (before, after) = (on_device(&stored), on_device(&longer));
    assert!(Arc::ptr_eq(&before[0], &after[1]));
    assert!(!Arc::ptr_eq(&before[0], &after[0]));
}

#[test]
fn a_gallery_on_a_device_finds_the_products_that_it_finds_on_the_cpu() {
    let number = |at: usize| (random(at) % 5) as f32 - 2.0;
    let blocks = (0..3).flat_map(|block| {
        let row = |row: usize| (0..24).map(|at| number((block * 900 + row) * 24 + at)).collect();
        Stored::new(Storage::F32, &(0..900).map(row).collect::<Vec<_>>()).blocks
    });
    let blocks: Vec<Arc<Block>> = blocks.collect();
    let gallery = || {
        // Every fifth row has no product, and every seventh has two.
        let owners = (0..2_700).filter(|row| row % 5 > 0).flat_map(|row| {
            let product = (row / 4) as u32;
            [Some((row, product)), (row % 7 == 0).then_some((row, product + 1))]
        });
        let categories = (0..700).map(|at| Category::ALL[at % 4]).collect();
        Gallery::with_owners(Stored::of_blocks(24, blocks.clone()), categories, owners.flatten())
    };
    let mut on_device = gallery();
    on_device.use_device(&DEVICE).expect("the CPU has memory");
    let query = |at: usize| Embedding::new("m", (0..24).map(|i| number(at * 31 + i) + 0.5).collect());
    for at in 0..24 {
        let options = SearchOptions {
            limit: 1 + at % 9,
            category: (at % 3 == 1).then_some(Category::ALL[at % 4]),
            products: (at % 4 == 2).then(|| Arc::new(Bitmap::from_fn(700, |product| product % (1 + at) == 0))),
            rerank: if at % 5 == 4 { Rerank::Hop } else { Rerank::None }.into(),
        };
        let query = query(at).expect("the vector is not zero");
        let found = on_device.search(&query, &options);
        assert_eq!(found, gallery().search(&query, &options));
        assert!(!found.is_empty());
    }
}
