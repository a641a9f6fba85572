//! Every path of a search against a naive reference.

use std::collections::HashSet;

use half::f16;
use proptest::prelude::*;
use scan::{Bitmap, Coarse, Hit, Kernels, Query, Rows, Scanner, Values};

/// Storage of a segment.
#[derive(Debug, Clone, Copy)]
enum Stored {
    F32,
    F16,
    Int8,
}

/// Numbers of one segment in all types.
struct Numbers {
    stored: Stored,
    floats: Vec<f32>,
    halves: Vec<f16>,
    codes: Vec<i8>,
    scales: Vec<f32>,
}

impl Numbers {
    fn new(stored: Stored, floats: &[f32], dim: usize) -> Self {
        Self {
            stored,
            floats: floats.to_vec(),
            halves: floats.iter().map(|number| f16::from_f32(*number)).collect(),
            codes: floats.iter().map(|number| (number * 30.0) as i8).collect(),
            // Scales of zero, negative ones, and ones that are not finite.
            scales: floats
                .chunks(dim)
                .map(|row| row[0] * row[dim - 1] + row[dim / 2])
                .collect(),
        }
    }

    fn rows(&self, dim: usize) -> Rows<'_> {
        let values = match self.stored {
            Stored::F32 => Values::F32(&self.floats),
            Stored::F16 => Values::F16(&self.halves),
            Stored::Int8 => Values::Int8 {
                codes: &self.codes,
                scales: &self.scales,
            },
        };
        Rows::new(dim, values).expect("the numbers are whole rows")
    }

    /// A row as f32, and its scale.
    fn row(&self, dim: usize, row: usize) -> (Vec<f32>, f32) {
        let range = row * dim..(row + 1) * dim;
        match self.stored {
            Stored::F32 => (self.floats[range].to_vec(), 1.0),
            Stored::F16 => (self.halves[range].iter().map(|half| half.to_f32()).collect(), 1.0),
            Stored::Int8 => (
                self.codes[range].iter().map(|code| f32::from(*code)).collect(),
                self.scales[row],
            ),
        }
    }
}

/// The inner product as `Rows::dot` documents it.
fn dot(query: &[f32], row: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 16];
    for (at, (x, y)) in query.iter().zip(row).enumerate() {
        lanes[at % 16] += x * y;
    }
    for half in [8, 4, 2, 1] {
        for at in 0..half {
            lanes[at] += lanes[at + half];
        }
    }
    lanes[0]
}

/// A case of a search.
#[derive(Debug, Clone)]
struct Case {
    dim: usize,
    /// Storage and number of rows of each segment.
    segments: Vec<(Stored, usize)>,
    pool: Vec<f32>,
    limit: usize,
    /// One row of this many passes the filter, and one row of this many is deleted.
    every: (usize, usize),
    groups: u32,
}

fn case() -> impl Strategy<Value = Case> {
    let stored = proptest::sample::select(vec![Stored::F32, Stored::F16, Stored::Int8]);
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
    let wild = proptest::collection::vec(prop_oneof![30 => -1f32..1.0, 1 => special], 700..900);
    let zeros = Just(vec![0.0; 50]);
    let pool = prop_oneof![4 => ties, 4 => plain, 3 => wild, 1 => zeros];
    let every = (prop_oneof![1usize..4, 20usize..60], 1usize..9);
    (
        1usize..70,
        proptest::collection::vec((stored, 0usize..400), 0..4),
        pool,
        0usize..40,
        every,
        1u32..200,
    )
        .prop_map(|(dim, segments, pool, limit, every, groups)| Case {
            dim,
            segments,
            pool,
            limit,
            every,
            groups,
        })
}

/// All rows that may be found, sorted, with the best row of each group.
fn naive(
    case: &Case,
    segments: &[Numbers],
    query: &[f32],
    keep: impl Fn(usize) -> bool,
    groups: Option<&[u32]>,
) -> Vec<Hit> {
    let (mut all, mut start) = (Vec::new(), 0);
    for (numbers, (_, rows)) in segments.iter().zip(&case.segments) {
        for row in (0..*rows).filter(|row| keep(start + row)) {
            let (values, scale) = numbers.row(case.dim, row);
            let score = match numbers.stored {
                Stored::Int8 => dot(query, &values) * scale,
                _ => dot(query, &values),
            };
            all.push(Hit {
                row: start + row,
                score,
            });
        }
        start += rows;
    }
    all.retain(|hit| !hit.score.is_nan());
    all.sort_by(|a, b| {
        b.score
            .partial_cmp(&a.score)
            .expect("no score is NaN")
            .then(a.row.cmp(&b.row))
    });
    let mut seen = HashSet::new();
    all.retain(|hit| groups.is_none_or(|groups| seen.insert(groups[hit.row])));
    all.truncate(case.limit);
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_path_finds_what_the_reference_finds(case in case(), shift in 0usize..50) {
        let (dim, total) = (case.dim, case.segments.iter().map(|(_, rows)| rows).sum::<usize>());
        let value = |at: usize| case.pool[(at * 7 + at / dim % 11) % case.pool.len()];
        let mut start = 0;
        let segments: Vec<Numbers> = case.segments.iter().map(|(stored, rows)| {
            let floats: Vec<f32> = (start * dim..(start + rows) * dim).map(value).collect();
            start += rows;
            Numbers::new(*stored, &floats, dim)
        }).collect();
        let coarse: Vec<Coarse> = segments.iter().map(|numbers| Coarse::new(&numbers.rows(dim))).collect();
        let filter = Bitmap::from_fn(total, |row| row % case.every.0 == 0);
        let deleted = Bitmap::from_fn(total, |row| row % 9 < case.every.1 / 2);
        let groups: Vec<u32> = (0..total).map(|row| (row as u32).wrapping_mul(2_654_435_761) % case.groups).collect();
        let vectors: Vec<Vec<f32>> = (0..9).map(|at| (0..dim).map(|i| value(i + shift + at * 13)).collect()).collect();
        let queries: Vec<Query<'_>> = vectors.iter().enumerate().map(|(at, vector)| Query {
            vector,
            limit: case.limit,
            filter: (at % 3 == 1).then_some(&filter),
            is_grouped: at % 2 == 1,
        }).collect();
        let expected: Vec<Vec<Hit>> = queries.iter().map(|query| {
            let keep = |row| !deleted.contains(row) && query.filter.is_none_or(|filter| filter.contains(row));
            naive(&case, &segments, query.vector, keep, query.is_grouped.then_some(&groups[..]))
        }).collect();
        for (kernels, has_codes) in Kernels::all().into_iter().flat_map(|kernels| [(kernels, false), (kernels, true)]) {
            let mut scanner = Scanner::new(dim).kernels(kernels).deleted(&deleted);
            for (numbers, coarse) in segments.iter().zip(&coarse) {
                scanner = scanner.segment(numbers.rows(dim), has_codes.then_some(coarse)).expect("the segment fits");
            }
            let scanner = scanner.groups(&groups).expect("every row has a group");
            prop_assert_eq!(&scanner.search(&queries), &expected, "{} {}", kernels.name(), has_codes);
            for (query, expected) in queries.iter().zip(&expected) {
                prop_assert_eq!(&scanner.search(&[*query])[0], expected, "{} {} alone", kernels.name(), has_codes);
            }
        }
    }
}

/// Numbers that look random and are always the same.
fn noise(count: usize) -> Vec<f32> {
    let mut state = 1u64;
    let next = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(next).collect()
}

#[test]
fn many_rows_on_several_threads_are_ranked_as_by_their_scores() {
    let (dim, rows) = (48, 30_000);
    let numbers = Numbers::new(Stored::F32, &noise(rows * dim), dim);
    let coarse = Coarse::new(&numbers.rows(dim));
    let groups: Vec<u32> = (0..rows as u32).map(|row| row / 3).collect();
    let vectors = noise(13 * dim);
    for threads in [1, 2, 5] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("the threads start");
        for coarse in [None, Some(&coarse)] {
            let scanner = Scanner::new(dim)
                .segment(numbers.rows(dim), coarse)
                .expect("the segment fits");
            let scanner = scanner.groups(&groups).expect("every row has a group");
            let vectors: Vec<&[f32]> = vectors.chunks(dim).collect();
            let scores = pool.install(|| scanner.scores(&vectors));
            for limit in [1, 10, 400] {
                let queries = vectors.iter().enumerate().map(|(at, vector)| Query {
                    vector,
                    limit,
                    filter: None,
                    is_grouped: at % 2 == 0,
                });
                let queries: Vec<Query<'_>> = queries.collect();
                let found = pool.install(|| scanner.search(&queries));
                for ((query, found), scores) in queries.iter().zip(found).zip(&scores) {
                    let mut order: Vec<usize> = (0..rows).collect();
                    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
                    let mut seen = HashSet::new();
                    order.retain(|row| !query.is_grouped || seen.insert(groups[*row]));
                    order.truncate(limit);
                    let expected: Vec<Hit> = order
                        .into_iter()
                        .map(|row| Hit {
                            row,
                            score: scores[row],
                        })
                        .collect();
                    assert_eq!(found, expected, "{threads} threads, codes: {}", coarse.is_some());
                }
            }
        }
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused_and_a_query_of_another_dimension_finds_nothing() {
    let numbers = [1.0, 2.0, 3.0, 4.0];
    assert!(Rows::new(3, Values::F32(&numbers)).is_err());
    assert!(
        Rows::new(
            2,
            Values::Int8 {
                codes: &[1, 2],
                scales: &[]
            }
        )
        .is_err()
    );
    let rows = Rows::new(2, Values::F32(&numbers)).expect("two rows");
    let one = Rows::new(2, Values::F32(&numbers[..2])).expect("one row");
    assert!(Scanner::new(3).segment(rows, None).is_err());
    assert!(Scanner::new(2).segment(rows, Some(&Coarse::new(&one))).is_err());
    let scanner = Scanner::new(2).segment(rows, None).expect("the segment fits");
    assert!(scanner.clone().groups(&[1]).is_err());
    let find = |vector: &[f32]| {
        scanner
            .search(&[Query {
                vector,
                limit: 9,
                filter: None,
                is_grouped: false,
            }])
            .remove(0)
    };
    assert_eq!(
        find(&[1.0, 1.0]),
        [Hit { row: 1, score: 7.0 }, Hit { row: 0, score: 3.0 }]
    );
    assert!(find(&[1.0]).is_empty());
    assert!(find(&[f32::NAN, 1.0]).is_empty());
}
