//! Search in segments of rows, with deleted rows, filters and groups.

use rayon::prelude::*;

use crate::bitmap::Bitmap;
use crate::candidates::{Candidate, Candidates};
use crate::coarse::{Coarse, CoarseQuery};
use crate::pass::{Pass, Task};
use crate::ranking::{Bounded, Hit, Ranking, hits};
use crate::rows::{Rows, ShapeError};
use crate::segment::Segment;
use crate::simd::{Kernels, LANES, Pick, padded};

/// A filter that keeps fewer rows than one in this number reads the kept rows only.
const SCATTERED: usize = 4;

/// A query.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// The vector. One of another dimension than the rows finds nothing.
    pub vector: &'a [f32],
    /// Maximum number of hits.
    pub limit: usize,
    /// Rows that can be found; all rows if `None`.
    pub filter: Option<&'a Bitmap>,
    /// True if a hit is the best row of its group.
    pub is_grouped: bool,
}

/// Rows that can be searched.
#[derive(Debug, Clone)]
pub struct Scanner<'a> {
    segments: Vec<Segment<'a>>,
    dim: usize,
    len: usize,
    deleted: Option<&'a Bitmap>,
    groups: Option<&'a [u32]>,
    kernels: Kernels,
}

impl<'a> Scanner<'a> {
    /// Creates a scanner without rows.
    pub fn new(dim: usize) -> Self {
        Self {
            segments: Vec::new(),
            dim,
            len: 0,
            deleted: None,
            groups: None,
            kernels: Kernels::best(),
        }
    }

    /// Adds rows after the rows of the other segments. With `coarse`, which was computed from `rows`, a search is faster.
    ///
    /// # Errors
    /// If the dimension or the number of codes differs, or there are 2³² rows or more.
    pub fn segment(mut self, rows: Rows<'a>, coarse: Option<&'a Coarse>) -> Result<Self, ShapeError> {
        let numbers = rows.len() * rows.dim();
        if coarse.is_some_and(|coarse| (coarse.len(), coarse.dim()) != (rows.len(), rows.dim())) {
            let expected = "the rows from which the codes were computed".to_owned();
            return Err(ShapeError { numbers, expected });
        }
        if rows.is_empty() {
            return Ok(self);
        }
        if rows.dim() != self.dim || u32::try_from(self.len + rows.len()).is_err() {
            let expected = format!("fewer than 2^32 rows of {} numbers after {} rows", self.dim, self.len);
            return Err(ShapeError { numbers, expected });
        }
        let start = self.len;
        self.len += rows.len();
        self.segments.push(Segment { rows, coarse, start });
        Ok(self)
    }

    /// Hides rows from all queries.
    pub fn deleted(mut self, deleted: &'a Bitmap) -> Self {
        self.deleted = Some(deleted);
        self
    }

    /// Rows that are hidden from all queries.
    pub fn deleted_rows(&self) -> Option<&'a Bitmap> {
        self.deleted
    }

    /// Sets the group of each row, for the rows of all segments.
    ///
    /// # Errors
    /// If the number of rows differs.
    pub fn groups(mut self, groups: &'a [u32]) -> Result<Self, ShapeError> {
        if groups.len() != self.len {
            return Err(ShapeError {
                numbers: groups.len(),
                expected: format!("the groups of {} rows", self.len),
            });
        }
        self.groups = Some(groups);
        Ok(self)
    }

    /// Uses these kernels instead of the fastest ones.
    pub fn kernels(mut self, kernels: Kernels) -> Self {
        self.kernels = kernels;
        self
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Finds the rows with the greatest inner products, best first, with ties by row. A row whose product is not a number is
    /// never found. All queries share one pass over the rows, except for queries whose filters keep few rows.
    pub fn search(&self, queries: &[Query<'_>]) -> Vec<Vec<Hit>> {
        let tasks: Vec<Option<Task<'_>>> = queries.iter().map(|query| self.task(query)).collect();
        let mut found: Vec<Vec<Candidate>> = vec![Vec::new(); queries.len()];
        let mut left: Vec<usize> = (0..tasks.len()).filter(|at| tasks[*at].is_some()).collect();
        while let Some(first) = left.first().and_then(|at| tasks[*at].as_ref()) {
            let scattered = self.scattered(first);
            let (now, later): (Vec<usize>, Vec<usize>) = left.into_iter().partition(|at| {
                tasks[*at].as_ref().is_some_and(|task| {
                    let same_rows = match &scattered {
                        Some(_) => same(task.filter, first.filter),
                        None => self.scattered(task).is_none(),
                    };
                    same_rows && task.coarse.is_some() == first.coarse.is_some()
                })
            });
            left = later;
            let pass = Pass::new(
                self.kernels,
                now.iter().filter_map(|at| tasks[*at].as_ref()).collect(),
                self.deleted,
            );
            let rows = scattered.map(|filter| filter.iter().take_while(|row| *row < self.len).collect::<Vec<_>>());
            for (at, candidates) in now.into_iter().zip(pass.run(&self.segments, rows.as_deref())) {
                found[at] = candidates.selected();
            }
        }
        let finish = |(task, found): (Option<Task<'_>>, Vec<Candidate>)| match task {
            Some(task) => self.rescore(task, found),
            None => Vec::new(),
        };
        if tasks.len() == 1 {
            return tasks.into_iter().zip(found).map(finish).collect();
        }
        tasks.into_par_iter().zip(found).map(finish).collect()
    }

    /// Starts a ranking of rows that another scan offers; `None` if the query finds nothing.
    pub fn ranking<'b>(&'b self, query: &Query<'b>) -> Option<Ranking<'b>> {
        let task = self.task(query)?;
        Some(Ranking::new(&self.segments, self.deleted, self.kernels, task))
    }

    /// Computes the inner products of each query and all rows, deleted or not, `[query][row]`.
    ///
    /// # Panics
    /// If a query has another dimension and there are rows.
    pub fn scores(&self, queries: &[&[f32]]) -> Vec<Vec<f32>> {
        let chunks = queries.par_chunks(16).flat_map_iter(|queries| {
            let is_right = self.len == 0 || queries.iter().all(|query| query.len() == self.dim);
            assert!(is_right, "a query of another dimension than {}", self.dim);
            let vectors = padded(queries.iter().map(|query| query.iter().copied()), LANES);
            let mut all: Vec<Vec<f32>> = queries.iter().map(|_| Vec::with_capacity(self.len)).collect();
            let (mut buffer, mut out) = (Vec::new(), Vec::new());
            for segment in &self.segments {
                for start in (0..segment.rows.len()).step_by(64) {
                    let pick = Pick::Range(start..(start + 64).min(segment.rows.len()));
                    let rows = pick.len();
                    out.resize(queries.len() * rows, 0.0);
                    segment
                        .rows
                        .products(self.kernels, pick, &vectors, &mut buffer, &mut out);
                    let scores = out.chunks_exact(rows);
                    all.iter_mut()
                        .zip(scores)
                        .for_each(|(all, scores)| all.extend_from_slice(scores));
                }
            }
            all
        });
        chunks.collect()
    }

    /// Prepares a query; `None` if it finds nothing.
    fn task<'b>(&'b self, query: &Query<'b>) -> Option<Task<'b>> {
        let limit = query.limit.min(self.len);
        if limit == 0 || query.vector.len() != self.dim {
            return None;
        }
        let has_codes = self.segments.iter().all(|segment| segment.coarse.is_some());
        Some(Task {
            limit,
            filter: query.filter,
            groups: self.groups.filter(|_| query.is_grouped),
            vector: padded(std::iter::once(query.vector.iter().copied()), LANES),
            coarse: if has_codes {
                CoarseQuery::new(query.vector)
            } else {
                None
            },
        })
    }

    /// The filter of a task if it keeps few rows.
    fn scattered<'b>(&self, task: &Task<'b>) -> Option<&'b Bitmap> {
        task.filter.filter(|filter| filter.count() * SCATTERED <= self.len)
    }

    /// Computes the scores of candidates and returns the best.
    fn rescore(&self, task: Task<'_>, found: Vec<Candidate>) -> Vec<Hit> {
        if task.coarse.is_some() {
            let bounded = |found: Candidate| Bounded {
                row: found.row,
                upper: found.upper,
            };
            let mut ranking = Ranking::new(&self.segments, self.deleted, self.kernels, task);
            ranking.offer(&mut found.into_iter().map(bounded).collect::<Vec<_>>());
            return ranking.hits();
        }
        let mut best = Candidates::new(task.limit, task.groups, true);
        found.into_iter().for_each(|candidate| best.push(candidate));
        hits(best)
    }
}

/// True if both are the same bitmap.
fn same(a: Option<&Bitmap>, b: Option<&Bitmap>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => std::ptr::eq(a, b),
        (None, None) => true,
        _ => false,
    }
}
