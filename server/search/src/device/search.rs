//! Search with the upper bounds that a device computes.

use std::ops::Range;
use std::sync::Arc;

use ::device::{HAS_STRIPS, STRIP};
use anyhow::{Context, bail, ensure};
use burn::tensor::{DType, FloatDType, Int, Tensor, TensorData};
use rayon::prelude::*;
use scan::{Bitmap, Bounded, Hit, Query, Ranking, Scanner};

use super::bounds::{SearchDevice, read, strip_maxima};
use super::codes::{DeviceCodes, HIDDEN, LINE, Tile};
use super::queries::{DeviceQuery, QueryTensors};
use crate::storage::Stored;

/// Maximum number of bounds that a batch computes at once. They take 256 MiB.
const BOUNDS: usize = if cfg!(test) { 1 << 11 } else { 1 << 26 };
/// Maximum number of queries of a batch.
const BATCH: usize = 256;
/// A filter that keeps fewer rows than one in this number is left to the CPU, which reads the kept rows only.
const FEW: usize = 32;
/// Number of strips whose bounds are read at once, without those of their lines before. They take 128 KiB.
const DIRECT: usize = if cfg!(test) { 1 << 6 } else { 1 << 15 };
/// Lines of the first round, in addition to as many as there can be hits.
const FIRST: usize = if cfg!(test) { 1 } else { 16 };

/// Rows of a [`Stored`] on a device.
#[derive(Debug)]
pub struct DeviceScan {
    device: SearchDevice,
    dim: usize,
    len: usize,
    /// First row of each block, and its codes.
    blocks: Vec<(usize, Arc<DeviceCodes>)>,
    /// Range of rows of each line.
    lines: Vec<Range<u32>>,
    /// Rows without a bound, in ascending order.
    unbounded: Vec<u32>,
}

/// A query during a batch.
struct Open<'a> {
    /// Index of the query.
    at: usize,
    query: &'a DeviceQuery,
    ranking: Ranking<'a>,
    /// Lines that have not been read.
    lines: Vec<u32>,
    /// Number of lines to read next.
    reach: usize,
}

impl DeviceScan {
    /// Copies the codes of all embeddings to a device. Blocks that another `DeviceScan` has on the device are shared.
    ///
    /// # Errors
    /// If the device fails, for example because its memory is full, or a search on it failed earlier.
    pub fn new(stored: &Stored, device: &SearchDevice) -> anyhow::Result<Self> {
        if let Some(error) = device.error() {
            bail!("the device failed earlier; restart to use it again: {error}");
        }
        let blocks: Vec<_> = stored.codes_on(device.device()).collect();
        device
            .device()
            .sync()
            .map_err(|error| anyhow::anyhow!("{error}"))
            .context("cannot copy the codes of the embeddings to the device")?;
        let of_block = |(start, codes): &(usize, Arc<DeviceCodes>)| {
            let start = *start;
            let of_tile = |tile: &Tile| {
                let (first, end) = (start + tile.start, start + tile.start + tile.len);
                let starts = (first..first + tile.padded()).step_by(STRIP * LINE);
                let ranges = starts.map(move |row| row as u32..(row + STRIP * LINE).min(end) as u32);
                ranges.collect::<Vec<_>>()
            };
            codes.tiles.iter().flat_map(of_tile).collect::<Vec<_>>()
        };
        let unbounded = |(start, codes): &(usize, Arc<DeviceCodes>)| {
            let start = *start as u32;
            codes.unbounded.iter().map(|row| start + row).collect::<Vec<_>>()
        };
        Ok(Self {
            device: device.clone(),
            dim: stored.dim(),
            len: stored.len(),
            lines: blocks.iter().flat_map(of_block).collect(),
            unbounded: blocks.iter().flat_map(unbounded).collect(),
            blocks,
        })
    }

    /// Finds what [`Scanner::search`] finds. `scanner` has the embeddings that were copied to the device.
    ///
    /// Queries whose filters keep few rows are answered by the scanner. If the device fails, the scanner answers all queries,
    /// from then on.
    pub fn search(&self, scanner: &Scanner<'_>, queries: &[Query<'_>]) -> Vec<Vec<Hit>> {
        if self.device.error().is_none() && scanner.len() == self.len {
            match self.try_search(scanner, queries) {
                Ok(found) => return found,
                Err(error) => self.device.fail(&error),
            }
        }
        scanner.search(queries)
    }

    fn try_search(&self, scanner: &Scanner<'_>, queries: &[Query<'_>]) -> anyhow::Result<Vec<Vec<Hit>>> {
        let prepared: Vec<Option<DeviceQuery>> = queries.iter().map(|query| self.prepare(query)).collect();
        let (mut left, others): (Vec<usize>, Vec<usize>) = (0..queries.len()).partition(|at| prepared[*at].is_some());
        let mut found = vec![Vec::new(); queries.len()];
        let scanned = scanner.search(&others.iter().map(|at| queries[*at]).collect::<Vec<_>>());
        others.into_iter().zip(scanned).for_each(|(at, hits)| found[at] = hits);
        // A kernel keeps the bounds of strips alone. Without one, those of a tile's rows are in memory at once.
        let rows = self.tiles().map(|(_, tile)| tile.padded()).max().unwrap_or(0);
        let strips = self.lines.len() * LINE;
        let bounds = if HAS_STRIPS { strips } else { strips.max(rows) };
        let size = (BOUNDS / bounds.max(1)).clamp(1, BATCH);
        while let Some(first) = left.first() {
            let filter = queries[*first].filter;
            let (now, later): (Vec<usize>, Vec<usize>) =
                left.into_iter().partition(|at| is_same(queries[*at].filter, filter));
            left = later;
            let hidden = self.hidden(filter, scanner.deleted_rows());
            for batch in now.chunks(size) {
                let open = batch.iter().filter_map(|at| {
                    Some(Open {
                        at: *at,
                        query: prepared[*at].as_ref()?,
                        ranking: scanner.ranking(&queries[*at])?,
                        lines: Vec::new(),
                        reach: queries[*at].limit.saturating_add(FIRST),
                    })
                });
                for (at, hits) in self.batch(open.collect(), hidden.as_deref())? {
                    found[at] = hits;
                }
            }
        }
        Ok(found)
    }

    /// Prepares a query; `None` if the CPU answers it.
    fn prepare(&self, query: &Query<'_>) -> Option<DeviceQuery> {
        let is_scattered = query.filter.is_some_and(|filter| filter.count() * FEW <= self.len);
        if is_scattered || query.vector.len() != self.dim || query.limit == 0 || self.len == 0 {
            return None;
        }
        DeviceQuery::new(query.vector)
    }

    fn tiles(&self) -> impl Iterator<Item = (usize, &Tile)> {
        let tiles = |(start, codes)| {
            let (start, codes): (&usize, &Arc<DeviceCodes>) = (start, codes);
            codes.tiles.iter().map(move |tile| (start + tile.start, tile))
        };
        self.blocks.iter().map(|(start, codes)| (start, codes)).flat_map(tiles)
    }

    /// Numbers to add to the bounds of each tile, `[1, rows]`: [`HIDDEN`] for rows that are deleted or not in the filter.
    /// `None` if there are no such rows.
    fn hidden(&self, filter: Option<&Bitmap>, deleted: Option<&Bitmap>) -> Option<Vec<Tensor<2>>> {
        if filter.is_none() && deleted.is_none() {
            return None;
        }
        let device = self.device.device();
        let is_hidden = |row| {
            filter.is_some_and(|filter| !filter.contains(row)) || deleted.is_some_and(|deleted| deleted.contains(row))
        };
        let of_tile = |(start, tile): (usize, &Tile)| {
            let rows = (start..start + tile.len).into_par_iter().with_min_len(1 << 13);
            let mut hidden: Vec<i8> = rows.map(|row| is_hidden(row).into()).collect();
            hidden.resize(tile.padded(), 0);
            let data = TensorData::new(hidden, [1, tile.padded()]);
            let hidden = Tensor::<2, Int>::from_data(data, (device, DType::I8));
            hidden.cast(FloatDType::F32).mul_scalar(HIDDEN)
        };
        Some(self.tiles().map(of_tile).collect())
    }

    /// Answers queries with the same filter. Returns their indices and hits.
    fn batch(&self, mut open: Vec<Open<'_>>, hidden: Option<&[Tensor<2>]>) -> anyhow::Result<Vec<(usize, Vec<Hit>)>> {
        let queries: Vec<&DeviceQuery> = open.iter().map(|open| open.query).collect();
        let maxima = self.strip_maxima(&queries, hidden); // [queries * lines, LINE]
        open.par_iter_mut().for_each(|open| {
            let unbounded = self.unbounded.iter().map(|row| Bounded {
                row: *row,
                upper: f32::INFINITY,
            });
            open.ranking.offer(&mut unbounded.collect::<Vec<_>>());
        });
        let lines = self.lines.len() as u32;
        if open.len() * self.lines.len() * LINE <= DIRECT {
            let numbers = read(maxima)?;
            let lines: Vec<u32> = (0..lines).collect();
            let work = open.par_iter_mut().zip(numbers.par_chunks_exact(lines.len() * LINE));
            work.for_each(|(open, numbers)| open.offer(self, &lines, numbers));
            return finished(open);
        }
        let greatest = read(maxima.clone().max_dim(1))?;
        let greatest: Vec<&[f32]> = greatest.chunks_exact(self.lines.len()).collect();
        open.par_iter_mut().zip(&greatest).for_each(|(open, greatest)| {
            let is_compared = |line: &u32| greatest[*line as usize] > HIDDEN / 2.0;
            open.lines = (0..lines).filter(is_compared).collect();
        });
        loop {
            let picks = open
                .par_iter_mut()
                .zip(&greatest)
                .map(|(open, greatest)| open.next(greatest));
            let picks: Vec<Vec<u32>> = picks.collect();
            let places = picks.iter().enumerate().flat_map(|(at, lines)| {
                let first = at * self.lines.len();
                lines.iter().map(move |line| (first + *line as usize) as i32)
            });
            let places: Vec<i32> = places.collect();
            if places.is_empty() {
                break;
            }
            let data = TensorData::new(places, [picks.iter().map(Vec::len).sum::<usize>()]);
            let places = Tensor::<1, Int>::from_data(data, (self.device.device(), DType::I32));
            let numbers = read(maxima.clone().select(0, places))?;
            let mut rest = &numbers[..];
            let parts = picks.iter().map(|lines| {
                let (part, later) = rest.split_at(lines.len() * LINE);
                rest = later;
                part
            });
            let parts: Vec<&[f32]> = parts.collect();
            let work = open.par_iter_mut().zip(&picks).zip(parts);
            work.for_each(|((open, lines), numbers)| open.offer(self, lines, numbers));
        }
        finished(open)
    }

    /// Computes the greatest upper bound of each strip, in units of the queries, `[queries * lines, LINE]`.
    fn strip_maxima(&self, queries: &[&DeviceQuery], hidden: Option<&[Tensor<2>]>) -> Tensor<2> {
        let tensors = QueryTensors::new(queries, self.dim, self.device.device());
        let of_tile = |(at, (_, tile))| strip_maxima(tile, &tensors, hidden.map(|hidden| &hidden[at]));
        let mut maxima: Vec<Tensor<2>> = self.tiles().enumerate().map(of_tile).collect();
        let maxima = match maxima.len() {
            1 => maxima.remove(0),
            _ => Tensor::cat(maxima, 1),
        };
        maxima.reshape([queries.len() * self.lines.len(), LINE])
    }
}

impl Open<'_> {
    /// Takes the lines with the greatest bounds, without those below the floor. `greatest` has the bound of each line.
    fn next(&mut self, greatest: &[f32]) -> Vec<u32> {
        let (floor, query) = (self.ranking.floor(), self.query);
        self.lines.retain(|line| query.upper(greatest[*line as usize]) >= floor);
        let count = self.reach.min(self.lines.len());
        self.reach = self.reach.saturating_mul(2);
        if count < self.lines.len() {
            let bound = |line: &u32| greatest[*line as usize];
            let falling = |a: &u32, b: &u32| bound(b).total_cmp(&bound(a));
            self.lines.select_nth_unstable_by(count, falling);
        }
        let later = self.lines.split_off(count);
        std::mem::replace(&mut self.lines, later)
    }

    /// Offers the rows of lines to the ranking, those in the strips with the greatest bounds first. `numbers` has the bounds of the
    /// strips in `lines`. Rows without a bound have been offered before.
    fn offer(&mut self, scan: &DeviceScan, lines: &[u32], numbers: &[f32]) {
        let of_line = |(line, bounds)| {
            let (line, bounds): (&u32, &[f32]) = (line, bounds);
            let starts = scan.lines[*line as usize].clone().step_by(STRIP);
            let strips = starts.zip(bounds.iter().copied());
            strips.map(|(start, bound)| (start, scan.lines[*line as usize].end, bound))
        };
        let strips = lines.iter().zip(numbers.chunks_exact(LINE)).flat_map(of_line);
        let mut strips: Vec<(u32, u32, f32)> = strips.filter(|(.., bound)| *bound > HIDDEN / 2.0).collect();
        let falling = |a: &(u32, u32, f32), b: &(u32, u32, f32)| b.2.total_cmp(&a.2);
        // The first strips raise the floor, so that few of the others are sorted.
        let count = self.ranking.limit().min(strips.len());
        if count < strips.len() {
            strips.select_nth_unstable_by(count, falling);
        }
        let rest = strips.split_off(count);
        for mut part in [strips, rest] {
            let (query, floor) = (self.query, self.ranking.floor());
            part.retain(|(.., bound)| query.upper(*bound) >= floor);
            let rows = part.into_iter().flat_map(|(start, end, bound)| {
                let upper = query.upper(bound);
                let rows = start..end.min(start + STRIP as u32);
                rows.map(move |row| Bounded { row, upper })
            });
            let rows = rows.filter(|bounded| scan.unbounded.binary_search(&bounded.row).is_err());
            self.ranking.offer_loose(rows.collect());
        }
    }
}

/// Indices and hits of queries.
fn finished(open: Vec<Open<'_>>) -> anyhow::Result<Vec<(usize, Vec<Hit>)>> {
    let are_right = open.iter().all(|open| open.ranking.are_bounds_right());
    ensure!(
        are_right,
        "the device computed a bound that is less than the score; search on the CPU"
    );
    Ok(open.into_iter().map(|open| (open.at, open.ranking.hits())).collect())
}

/// Searches on a device if there is one, and otherwise on the CPU.
pub(crate) fn search(device: Option<&DeviceScan>, scanner: &Scanner<'_>, queries: &[Query<'_>]) -> Vec<Vec<Hit>> {
    match device {
        Some(device) => device.search(scanner, queries),
        None => scanner.search(queries),
    }
}

/// True if both are the same bitmap.
fn is_same(a: Option<&Bitmap>, b: Option<&Bitmap>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => std::ptr::eq(a, b),
        (None, None) => true,
        _ => false,
    }
}
