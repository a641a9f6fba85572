//! Ranking of rows that a scan offers with upper bounds of their scores.

use crate::bitmap::Bitmap;
use crate::candidates::{Candidate, Candidates};
use crate::pass::Task;
use crate::segment::Segment;
use crate::simd::{Block, Kernels, Pick};

/// Minimum number of rows whose scores are computed at once.
const RESCORED: usize = 32;

/// A row that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Index of the row among the rows of all segments.
    pub row: usize,
    /// Inner product of the row and the query.
    pub score: f32,
}

/// A row with an upper bound of its score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounded {
    /// Index of the row among the rows of all segments.
    pub row: u32,
    /// Number that the score does not exceed. It is not NaN.
    pub upper: f32,
}

/// The best rows among those that were offered. **Invariant:** if every row is offered whose upper bound reaches the final
/// [`floor`](Self::floor), the hits are those of [`Scanner::search`](crate::Scanner::search).
pub struct Ranking<'a> {
    segments: &'a [Segment<'a>],
    deleted: Option<&'a Bitmap>,
    kernels: Kernels,
    task: Task<'a>,
    best: Candidates<'a>,
    buffer: Vec<f32>,
    are_bounds_right: bool,
}

impl<'a> Ranking<'a> {
    pub(crate) fn new(
        segments: &'a [Segment<'a>],
        deleted: Option<&'a Bitmap>,
        kernels: Kernels,
        task: Task<'a>,
    ) -> Self {
        Self {
            segments,
            deleted,
            kernels,
            best: Candidates::new(task.limit, task.groups, true),
            task,
            buffer: Vec::new(),
            are_bounds_right: true,
        }
    }

    /// Maximum number of hits.
    pub fn limit(&self) -> usize {
        self.task.limit
    }

    /// A score that as many groups reach as there can be hits; −∞ until then. A row whose score is less is not a hit.
    pub fn floor(&self) -> f32 {
        self.best.floor()
    }

    /// Computes the scores of rows, those with the greatest bounds first, and stops at bounds below the floor. Leaves out rows
    /// that are deleted or that the filter does not contain. Changes the order of `rows`.
    ///
    /// # Panics
    /// If a row does not exist.
    pub fn offer(&mut self, rows: &mut [Bounded]) {
        rows.sort_unstable_by(|a, b| b.upper.total_cmp(&a.upper));
        let mut left = rows;
        while left.first().is_some_and(|next| next.upper >= self.floor()) {
            let (now, later) = left.split_at_mut(left.len().min(self.task.limit.max(RESCORED)));
            now.sort_unstable_by_key(|bounded| bounded.row);
            self.score(now);
            self.best.select();
            left = later;
        }
    }

    /// Lowers the bounds of rows to those of their codes, and offers the rows. The bounds may be those of many rows each.
    ///
    /// # Panics
    /// If a row does not exist.
    pub fn offer_loose(&mut self, mut rows: Vec<Bounded>) {
        rows.sort_unstable_by_key(|bounded| bounded.row);
        self.lower(&mut rows);
        // The first rows raise the floor, so that few of the others are sorted.
        let count = self.task.limit.max(RESCORED).min(rows.len());
        if count < rows.len() {
            rows.select_nth_unstable_by(count, |a, b| b.upper.total_cmp(&a.upper));
        }
        let mut rest = rows.split_off(count);
        self.offer(&mut rows);
        let floor = self.floor();
        rest.retain(|bounded| bounded.upper >= floor);
        self.offer(&mut rest);
    }

    /// Lowers the bounds of rows, which are in ascending order, to those of their codes.
    fn lower(&self, rows: &mut [Bounded]) {
        let Some(query) = &self.task.coarse else { return };
        let mut left = rows;
        for segment in self.segments {
            let end = segment.start + segment.rows.len();
            let count = left.partition_point(|bounded| (bounded.row as usize) < end);
            let (now, later) = left.split_at_mut(count);
            left = later;
            let Some(coarse) = segment.coarse else { continue };
            let bounds = coarse.bounds(&segment.rows);
            let list: Vec<u32> = now.iter().map(|bounded| bounded.row - segment.start as u32).collect();
            let mut sums = vec![0; list.len()];
            let block = Block {
                numbers: bounds.codes,
                dim: segment.rows.dim(),
                pick: Pick::List(&list),
            };
            self.kernels.integer_products(&block, &query.codes, &mut sums);
            let has_errors = !bounds.errors.is_empty();
            let (weights, errors) = (
                query.weights(has_errors),
                if has_errors { bounds.errors } else { bounds.norms },
            );
            for ((bounded, row), sum) in now.iter_mut().zip(list).zip(sums) {
                let row = row as usize;
                let (estimate, width) = weights.estimate(sum, bounds.scales[row], bounds.norms[row], errors[row]);
                let upper = estimate + width;
                if upper.is_finite() {
                    bounded.upper = bounded.upper.min(upper);
                }
            }
        }
    }

    /// True if no score has exceeded its bound. Otherwise the hits may be wrong.
    pub fn are_bounds_right(&self) -> bool {
        self.are_bounds_right
    }

    /// The best rows, best first, with ties by row.
    pub fn hits(self) -> Vec<Hit> {
        hits(self.best)
    }

    /// Adds the scores of rows, which are in ascending order. Leaves out those that are not numbers.
    fn score(&mut self, rows: &[Bounded]) {
        let mut left = rows;
        for segment in self.segments {
            let end = segment.start + segment.rows.len();
            let (now, later) = left.split_at(left.partition_point(|bounded| (bounded.row as usize) < end));
            left = later;
            let kept: Vec<&Bounded> = now.iter().filter(|bounded| self.can_be_found(bounded.row)).collect();
            let list: Vec<u32> = kept.iter().map(|bounded| bounded.row - segment.start as u32).collect();
            let mut scores = vec![0.0; list.len()];
            let (pick, vector) = (Pick::List(&list), &self.task.vector);
            let (kernels, buffer) = (self.kernels, &mut self.buffer);
            segment.rows.products(kernels, pick, vector, buffer, &mut scores);
            for (bounded, score) in kept.iter().zip(scores).filter(|(_, score)| !score.is_nan()) {
                self.are_bounds_right &= score <= bounded.upper;
                self.best.push(Candidate {
                    upper: score,
                    lower: score,
                    row: bounded.row,
                });
            }
        }
        assert!(left.is_empty(), "a row after the last one");
    }

    fn can_be_found(&self, row: u32) -> bool {
        let is_in = |set: Option<&Bitmap>| set.map(|set| set.contains(row as usize));
        is_in(self.task.filter).unwrap_or(true) && !is_in(self.deleted).unwrap_or(false)
    }
}

/// Rows of candidates whose bounds are their scores, best first, with ties by row.
pub(crate) fn hits(best: Candidates<'_>) -> Vec<Hit> {
    let selected = best.selected().into_iter();
    let hit = |found: Candidate| Hit {
        row: found.row as usize,
        score: found.lower,
    };
    selected.map(hit).collect()
}
