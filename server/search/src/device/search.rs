//! Search with the upper bounds that a device computes.

use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use burn::tensor::{DType, FloatDType, Int, Tensor, TensorData};
use rayon::prelude::*;
use scan::{Bitmap, Bounded, Hit, Query, Ranking, Scanner};

use super::bounds::{SearchDevice, read, upper_bounds};
use super::codes::{DeviceCodes, HIDDEN, STRIP, Tile};
use super::queries::{DeviceQuery, QueryTensors};
use crate::storage::Stored;

/// Maximum number of bounds of a batch. They take 256 MiB.
const BOUNDS: usize = if cfg!(test) { 1 << 11 } else { 1 << 26 };
/// Maximum number of queries of a batch.
const BATCH: usize = 256;
/// A filter that keeps fewer rows than one in this number is left to the CPU, which reads the kept rows only.
const FEW: usize = 32;
/// Strips that are read in the first round, in addition to as many as there can be hits.
const FIRST: usize = if cfg!(test) { 1 } else { 16 };

/// Rows of a [`Stored`] on a device.
#[derive(Debug)]
pub struct DeviceScan {
    device: SearchDevice,
    dim: usize,
    len: usize,
    /// First row of each block, and its codes.
    blocks: Vec<(usize, Arc<DeviceCodes>)>,
    /// First row of each strip.
    strips: Vec<u32>,
    /// Rows without a bound, in ascending order.
    unbounded: Vec<u32>,
}

/// A query during a batch.
struct Open<'a> {
    /// Index of the query.
    at: usize,
    query: &'a DeviceQuery,
    ranking: Ranking<'a>,
    /// Strips that have not been read.
    strips: Vec<u32>,
    /// Number of strips to read next.
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
            let strips = codes
                .tiles
                .iter()
                .flat_map(|tile| (0..tile.padded()).step_by(STRIP).map(move |row| tile.start + row));
            strips.map(|row| (start + row) as u32).collect::<Vec<_>>()
        };
        let unbounded = |(start, codes): &(usize, Arc<DeviceCodes>)| {
            let start = *start as u32;
            codes.unbounded.iter().map(|row| start + row).collect::<Vec<_>>()
        };
        Ok(Self {
            device: device.clone(),
            dim: stored.dim(),
            len: stored.len(),
            strips: blocks.iter().flat_map(of_block).collect(),
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
        let size = (BOUNDS / (self.strips.len() * STRIP).max(1)).clamp(1, BATCH);
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
                        strips: Vec::new(),
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
        let bounds = self.bounds(&queries, hidden); // [queries * strips, STRIP]
        let greatest = read(bounds.clone().max_dim(1))?;
        let greatest: Vec<&[f32]> = greatest.chunks_exact(self.strips.len()).collect();
        open.par_iter_mut().zip(&greatest).for_each(|(open, greatest)| {
            let is_compared = |strip: &u32| greatest[*strip as usize] > HIDDEN / 2.0;
            open.strips = (0..self.strips.len() as u32).filter(is_compared).collect();
            let unbounded = self.unbounded.iter().map(|row| Bounded {
                row: *row,
                upper: f32::INFINITY,
            });
            open.ranking.offer(&mut unbounded.collect::<Vec<_>>());
        });
        loop {
            let picks = open
                .par_iter_mut()
                .zip(&greatest)
                .map(|(open, greatest)| open.next(greatest));
            let picks: Vec<Vec<u32>> = picks.collect();
            let lines = picks.iter().enumerate().flat_map(|(at, strips)| {
                let first = at * self.strips.len();
                strips.iter().map(move |strip| (first + *strip as usize) as i32)
            });
            let lines: Vec<i32> = lines.collect();
            if lines.is_empty() {
                break;
            }
            let data = TensorData::new(lines, [picks.iter().map(Vec::len).sum::<usize>()]);
            let lines = Tensor::<1, Int>::from_data(data, (self.device.device(), DType::I32));
            let numbers = read(bounds.clone().select(0, lines))?;
            let mut rest = &numbers[..];
            let parts = picks.iter().map(|strips| {
                let (part, later) = rest.split_at(strips.len() * STRIP);
                rest = later;
                part
            });
            let parts: Vec<&[f32]> = parts.collect();
            let work = open.par_iter_mut().zip(&picks).zip(parts);
            work.for_each(|((open, strips), numbers)| open.offer(&self.strips, strips, numbers));
        }
        let are_right = open.iter().all(|open| open.ranking.are_bounds_right());
        ensure!(
            are_right,
            "the device computed a bound that is less than the score; search on the CPU"
        );
        Ok(open.into_iter().map(|open| (open.at, open.ranking.hits())).collect())
    }

    /// Computes the upper bounds of all rows, in units of the queries, `[queries * strips, STRIP]`.
    fn bounds(&self, queries: &[&DeviceQuery], hidden: Option<&[Tensor<2>]>) -> Tensor<2> {
        let tensors = QueryTensors::new(queries, self.dim, self.device.device());
        let of_tile = |(at, (_, tile))| upper_bounds(tile, &tensors, hidden.map(|hidden| &hidden[at]));
        let bounds = Tensor::cat(self.tiles().enumerate().map(of_tile).collect(), 1);
        bounds.reshape([queries.len() * self.strips.len(), STRIP])
    }
}

impl Open<'_> {
    /// Takes the strips with the greatest bounds, without those below the floor. `greatest` has the bound of each strip.
    fn next(&mut self, greatest: &[f32]) -> Vec<u32> {
        let (floor, query) = (self.ranking.floor(), self.query);
        self.strips
            .retain(|strip| query.upper(greatest[*strip as usize]) >= floor);
        let count = self.reach.min(self.strips.len());
        self.reach = self.reach.saturating_mul(2);
        if count < self.strips.len() {
            let bound = |strip: &u32| greatest[*strip as usize];
            let falling = |a: &u32, b: &u32| bound(b).total_cmp(&bound(a));
            self.strips.select_nth_unstable_by(count, falling);
        }
        let later = self.strips.split_off(count);
        std::mem::replace(&mut self.strips, later)
    }

    /// Offers the rows of strips to the ranking. `starts` has the first row of each strip, and `numbers` the bounds of the rows.
    fn offer(&mut self, starts: &[u32], strips: &[u32], numbers: &[f32]) {
        let floor = self.ranking.floor();
        let mut rows = Vec::new();
        for (strip, bounds) in strips.iter().zip(numbers.chunks_exact(STRIP)) {
            let start = starts[*strip as usize];
            let all = (start..).zip(bounds).filter(|(_, bound)| **bound > HIDDEN / 2.0);
            let all = all.map(|(row, bound)| Bounded {
                row,
                upper: self.query.upper(*bound),
            });
            rows.extend(all.filter(|row| row.upper >= floor));
        }
        self.ranking.offer(&mut rows);
    }
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
