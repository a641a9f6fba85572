//! One pass over rows for several queries.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::bitmap::Bitmap;
use crate::candidates::{Candidate, Candidates};
use crate::coarse::{Bounds, CoarseQuery, Weights};
use crate::segment::Segment;
use crate::simd::{Block, CODES, Kernels, LANES, Pick};

/// Bytes of the rows of a block. A block stays in the cache while it is compared with all queries.
const BLOCK_BYTES: usize = 64 << 10;
/// Queries that are compared with a block before their products are read. A multiple of every tile.
const GROUP: usize = 6;
/// Rows whose products are tested at once.
const STRIDE: usize = 16;
/// Operations below which a second thread costs more time than it saves.
const SMALL: usize = 1 << 19;

/// A query that takes part in a pass.
pub(crate) struct Task<'a> {
    pub(crate) limit: usize,
    pub(crate) filter: Option<&'a Bitmap>,
    pub(crate) groups: Option<&'a [u32]>,
    /// The query, padded to a multiple of [`LANES`].
    pub(crate) vector: Vec<f32>,
    /// Codes for a coarse pass.
    pub(crate) coarse: Option<CoarseQuery>,
}

/// Rows of one segment.
struct Work<'a> {
    segment: &'a Segment<'a>,
    pick: Pick<'a>,
}

/// A pass. It compares integers if all queries have codes, and the numbers themselves otherwise.
pub(crate) struct Pass<'a> {
    kernels: Kernels,
    tasks: Vec<&'a Task<'a>>,
    is_coarse: bool,
    /// Queries of all tasks, `[query][width]`.
    vectors: Vec<f32>,
    /// Codes of all queries, `[query][width]`.
    codes: Vec<i16>,
    deleted: Option<&'a Bitmap>,
    /// Highest floor per task, as [`key`].
    floors: Vec<AtomicU32>,
}

/// Memory of one thread.
#[derive(Default)]
struct Memory {
    expanded: Vec<f32>,
    products: Vec<f32>,
    integers: Vec<i32>,
    picked: Picked,
}

/// Scales and bounds of rows that are not adjacent.
#[derive(Default)]
struct Picked {
    scales: Vec<f32>,
    norms: Vec<f32>,
    errors: Vec<f32>,
}

/// Maps a number to an integer with the same order.
fn key(number: f32) -> u32 {
    let bits = number.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// Inverts [`key`].
fn number(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key & !(1 << 31) } else { !key })
}

impl<'a> Pass<'a> {
    pub(crate) fn new(kernels: Kernels, tasks: Vec<&'a Task<'a>>, deleted: Option<&'a Bitmap>) -> Self {
        let codes: Option<Vec<&[i16]>> = tasks
            .iter()
            .map(|task| task.coarse.as_ref().map(|coarse| &coarse.codes[..]))
            .collect();
        let floors = tasks.iter().map(|_| AtomicU32::new(key(f32::NEG_INFINITY))).collect();
        Self {
            kernels,
            is_coarse: codes.is_some(),
            vectors: tasks.iter().flat_map(|task| task.vector.iter().copied()).collect(),
            codes: codes.unwrap_or_default().concat(),
            deleted,
            floors,
            tasks,
        }
    }

    /// Finds the candidates of each task among all rows, or among `rows`, which are in ascending order.
    pub(crate) fn run(&self, segments: &[Segment<'_>], rows: Option<&[usize]>) -> Vec<Candidates<'a>> {
        let Some(first) = segments.first() else {
            return self.empty();
        };
        let dim = first.rows.dim();
        let bytes = if self.is_coarse { dim } else { 4 * dim };
        let size = (BLOCK_BYTES / bytes.max(1)).next_multiple_of(STRIDE).min(1024);
        let lists = local_lists(segments, rows);
        let work = cut(segments, lists.as_deref(), size);
        let operations = self.tasks.len() * dim * work.iter().map(|work| work.pick.len()).sum::<usize>();
        let threads = if operations < SMALL {
            1
        } else {
            rayon::current_num_threads().min(work.len())
        };
        let next = AtomicUsize::new(0);
        let one_thread = |_| {
            let (mut memory, mut found) = (Memory::default(), self.empty());
            while let Some(work) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                self.block(work, rows.is_none(), &mut memory, &mut found);
            }
            found
        };
        let merge = |mut left: Vec<Candidates<'a>>, right: Vec<Candidates<'a>>| {
            left.iter_mut().zip(right).for_each(|(left, right)| left.append(right));
            left
        };
        if threads <= 1 {
            return one_thread(0);
        }
        (0..threads)
            .into_par_iter()
            .with_max_len(1)
            .map(one_thread)
            .reduce(|| self.empty(), merge)
    }

    fn empty(&self) -> Vec<Candidates<'a>> {
        let empty = |task: &&Task<'a>| Candidates::new(task.limit, task.groups, !self.is_coarse);
        self.tasks.iter().map(empty).collect()
    }

    /// Compares a block with all queries. `is_filtered` is true if rows have yet to pass the filters.
    fn block(&self, work: &Work<'_>, is_filtered: bool, memory: &mut Memory, found: &mut [Candidates<'_>]) {
        let passes = |task: &Task<'_>, at: usize| {
            let row = work.segment.start + work.pick.row(at);
            let is_kept = !self.deleted.is_some_and(|deleted| deleted.contains(row))
                && (!is_filtered || task.filter.is_none_or(|filter| filter.contains(row)));
            is_kept.then_some(row as u32)
        };
        let coarse = work.segment.coarse.filter(|_| self.is_coarse);
        for start in (0..self.tasks.len()).step_by(GROUP) {
            let queries = start..(start + GROUP).min(self.tasks.len());
            match coarse {
                Some(coarse) => {
                    let bounds = coarse.bounds(&work.segment.rows);
                    self.compare_codes(work, &bounds, queries, memory, found, &passes);
                }
                None => self.compare(work, queries, memory, found, &passes),
            }
        }
    }

    /// Compares the numbers of a block with a few queries.
    fn compare(
        &self,
        work: &Work<'_>,
        queries: Range<usize>,
        memory: &mut Memory,
        found: &mut [Candidates<'_>],
        passes: &impl Fn(&Task<'_>, usize) -> Option<u32>,
    ) {
        let (rows, width) = (work.pick.len(), work.segment.rows.dim().next_multiple_of(LANES));
        let vectors = &self.vectors[queries.start * width..queries.end * width];
        memory.products.resize(queries.len() * rows, 0.0);
        let (pick, out) = (work.pick.clone(), &mut memory.products[..]);
        work.segment
            .rows
            .products(self.kernels, pick, vectors, &mut memory.expanded, out);
        for (at, products) in queries.zip(out.chunks_exact(rows)) {
            self.share(at, &mut found[at], |best| {
                sift(products, best, |row| passes(self.tasks[at], row))
            });
        }
    }

    /// Compares the codes of a block with those of a few queries.
    fn compare_codes(
        &self,
        work: &Work<'_>,
        bounds: &Bounds<'_>,
        queries: Range<usize>,
        memory: &mut Memory,
        found: &mut [Candidates<'_>],
        passes: &impl Fn(&Task<'_>, usize) -> Option<u32>,
    ) {
        let (rows, dim) = (work.pick.len(), work.segment.rows.dim());
        let width = dim.next_multiple_of(CODES);
        let codes = &self.codes[queries.start * width..queries.end * width];
        memory.integers.resize(queries.len() * rows, 0);
        let (numbers, pick) = (bounds.codes, work.pick.clone());
        self.kernels
            .integer_products(&Block { numbers, dim, pick }, codes, &mut memory.integers);
        let bounds = picked(bounds, &work.pick, queries.start == 0, &mut memory.picked);
        for (at, sums) in queries.zip(memory.integers.chunks_exact(rows)) {
            let task = self.tasks[at];
            if let Some(query) = &task.coarse {
                self.share(at, &mut found[at], |best| {
                    sift_bounds(query, sums, &bounds, best, |row| passes(task, row))
                });
            }
        }
    }

    /// Calls `sift` with the highest floor of all threads, and shares the new one.
    fn share<'b>(&self, at: usize, best: &mut Candidates<'b>, sift: impl FnOnce(&mut Candidates<'b>)) {
        best.raise(number(self.floors[at].load(Ordering::Relaxed)));
        let before = best.floor();
        sift(best);
        if best.floor() > before {
            self.floors[at].fetch_max(key(best.floor()), Ordering::Relaxed);
        }
    }
}

/// Splits ascending rows by segment, relative to the segment's first row.
fn local_lists(segments: &[Segment<'_>], rows: Option<&[usize]>) -> Option<Vec<Vec<u32>>> {
    rows.map(|rows| {
        let list = |segment: &Segment<'_>| {
            let end = segment.start + segment.rows.len();
            let range = rows.partition_point(|row| *row < segment.start)..rows.partition_point(|row| *row < end);
            rows[range].iter().map(|row| (row - segment.start) as u32).collect()
        };
        segments.iter().map(list).collect()
    })
}

/// Cuts the rows of all segments, or those of the lists, into blocks of at most `size` rows.
fn cut<'a>(segments: &'a [Segment<'a>], lists: Option<&'a [Vec<u32>]>, size: usize) -> Vec<Work<'a>> {
    let mut all = Vec::new();
    for (at, segment) in segments.iter().enumerate() {
        let mut push = |pick| all.push(Work { segment, pick });
        match lists {
            Some(lists) => lists[at].chunks(size).for_each(|list| push(Pick::List(list))),
            None => (0..segment.rows.len())
                .step_by(size)
                .for_each(|row| push(Pick::Range(row..(row + size).min(segment.rows.len())))),
        }
    }
    all
}

/// Selects the bounds of the picked rows; the codes remain those of all rows. `memory` has those of the same rows already
/// unless `is_new`.
fn picked<'a>(all: &Bounds<'a>, pick: &Pick<'_>, is_new: bool, memory: &'a mut Picked) -> Bounds<'a> {
    match pick {
        Pick::Range(range) => Bounds {
            codes: all.codes,
            scales: &all.scales[range.clone()],
            norms: &all.norms[range.clone()],
            errors: all.errors.get(range.clone()).unwrap_or_default(),
        },
        Pick::List(list) => {
            let collect = |numbers: &[f32], out: &mut Vec<f32>| {
                out.clear();
                if !numbers.is_empty() {
                    out.extend(list.iter().map(|row| numbers[*row as usize]));
                }
            };
            if is_new {
                collect(all.scales, &mut memory.scales);
                collect(all.norms, &mut memory.norms);
                collect(all.errors, &mut memory.errors);
            }
            Bounds {
                codes: all.codes,
                scales: &memory.scales,
                norms: &memory.norms,
                errors: &memory.errors,
            }
        }
    }
}

/// Offers the rows whose products are not below the floor.
fn sift(products: &[f32], best: &mut Candidates<'_>, row: impl Fn(usize) -> Option<u32>) {
    for (chunk, products) in products.chunks(STRIDE).enumerate() {
        let floor = best.floor();
        if !products.iter().fold(false, |any, product| any | (*product >= floor)) {
            continue;
        }
        for (at, product) in products.iter().enumerate() {
            if *product >= best.floor()
                && let Some(row) = row(chunk * STRIDE + at)
            {
                best.push(Candidate {
                    upper: *product,
                    lower: *product,
                    row,
                });
            }
        }
    }
}

/// Offers the rows whose products may not be below the floor.
fn sift_bounds(
    query: &CoarseQuery,
    sums: &[i32],
    bounds: &Bounds<'_>,
    best: &mut Candidates<'_>,
    row: impl Fn(usize) -> Option<u32>,
) {
    // Without errors, their factor is zero. The product of zero and an infinite norm is not a number, which is no bound.
    let has_errors = !bounds.errors.is_empty();
    let errors = if has_errors { bounds.errors } else { bounds.norms };
    let weights = query.weights(has_errors);
    let (chunks, rest) = sums.as_chunks::<STRIDE>();
    let numbers = [bounds.scales, bounds.norms, errors].map(|numbers| numbers.as_chunks::<STRIDE>());
    let [scales, norms, errors] = numbers.map(|(chunks, _)| chunks);
    let whole = chunks.iter().zip(scales).zip(norms.iter().zip(errors)).enumerate();
    for (chunk, ((sums, scales), (norms, errors))) in whole {
        sift_chunk(weights, [scales, norms, errors], sums, best, |at| {
            row(chunk * STRIDE + at)
        });
    }
    if !rest.is_empty() {
        let mut sums = [0; STRIDE];
        sums[..rest.len()].copy_from_slice(rest);
        let padded = numbers.map(|(_, rest)| {
            let mut padded = [0.0; STRIDE];
            padded[..rest.len()].copy_from_slice(rest);
            padded
        });
        let row = |at: usize| {
            if at < rest.len() {
                row(chunks.len() * STRIDE + at)
            } else {
                None
            }
        };
        sift_chunk(weights, padded.each_ref(), &sums, best, row);
    }
}

/// As [`sift_bounds`] for a few rows. `numbers` are their scales, norms and errors.
#[inline(always)]
fn sift_chunk(
    weights: Weights,
    [scales, norms, errors]: [&[f32; STRIDE]; 3],
    sums: &[i32; STRIDE],
    best: &mut Candidates<'_>,
    row: impl Fn(usize) -> Option<u32>,
) {
    let (mut estimates, mut widths) = ([0.0; STRIDE], [0.0; STRIDE]);
    let floor = best.floor();
    let mut any = false;
    for at in 0..STRIDE {
        (estimates[at], widths[at]) = weights.estimate(sums[at], scales[at], norms[at], errors[at]);
        let upper = estimates[at] + widths[at];
        any |= upper >= floor || upper.is_nan();
    }
    if !any {
        return;
    }
    for (at, (estimate, width)) in estimates.into_iter().zip(widths).enumerate() {
        let (mut upper, mut lower) = (estimate + width, estimate - width);
        if upper < best.floor() {
            continue;
        }
        if !(upper.is_finite() && lower.is_finite()) {
            (upper, lower) = (f32::INFINITY, f32::NEG_INFINITY);
        }
        if let Some(row) = row(at) {
            best.push(Candidate { upper, lower, row });
        }
    }
}
