//! The vectors of one generation in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use scan::{Bitmap, Query, Rows, Scanner, ShapeError, Values};

use crate::compare::Compare;
use crate::error::EngineError;
use crate::product::{Facets, IdRange, ProductVectors, Stamp};
use crate::query::{EngineHit, EngineQuery, sort_hits};

/// Number of unused rows from which on a space is compacted, if they are half of the rows.
const COMPACTED: usize = 1024;

/// A product of a space.
#[derive(Debug, Clone)]
struct Entry {
    stamp: Stamp,
    version: u64,
    facets: Facets,
    /// Keys of the images.
    keys: Vec<String>,
    /// Its first row. Its other rows follow.
    start: usize,
}

/// The vectors of one generation.
#[derive(Debug, Clone)]
pub(crate) struct Space {
    dim: usize,
    /// `[row][dim]`.
    vectors: Vec<f32>,
    /// Number of the product per row.
    groups: Vec<u32>,
    /// True for rows that are no longer used.
    unused: Vec<bool>,
    /// Products by number. Numbers of deleted products are used again.
    entries: Vec<Option<Entry>>,
    free: BTreeSet<usize>,
    /// Numbers by id.
    numbers: BTreeMap<String, usize>,
    /// Sequence of the last change.
    pub(crate) applied: Option<u64>,
}

impl Space {
    /// Creates an empty space.
    pub(crate) fn new(dim: usize) -> Self {
        Self {
            dim,
            vectors: Vec::new(),
            groups: Vec::new(),
            unused: Vec::new(),
            entries: Vec::new(),
            free: BTreeSet::new(),
            numbers: BTreeMap::new(),
            applied: None,
        }
    }

    /// Dimension of the vectors.
    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    /// Adds or replaces a product that was checked.
    pub(crate) fn put(&mut self, product: &ProductVectors) {
        let stamp = product.stamp();
        let is_stored = |entry: &Entry| entry.stamp == stamp && entry.facets == product.facets;
        if self.entry(&product.id).is_some_and(is_stored) {
            return;
        }
        self.delete(&product.id);
        if product.images.is_empty() {
            return;
        }
        let number = self.free.pop_first().unwrap_or(self.entries.len());
        if number == self.entries.len() {
            self.entries.push(None);
        }
        self.entries[number] = Some(Entry {
            stamp,
            version: product.version,
            facets: product.facets.clone(),
            keys: product.images.iter().map(|image| image.key.clone()).collect(),
            start: self.groups.len(),
        });
        self.numbers.insert(product.id.clone(), number);
        for image in &product.images {
            self.vectors.extend_from_slice(&image.vector);
            self.groups.push(u32::try_from(number).unwrap_or(u32::MAX));
            self.unused.push(false);
        }
    }

    /// Deletes a product if it exists.
    pub(crate) fn delete(&mut self, id: &str) {
        let Some(number) = self.numbers.remove(id) else {
            return;
        };
        if let Some(entry) = self.entries[number].take() {
            self.unused[entry.start..entry.start + entry.keys.len()].fill(true);
        }
        self.free.insert(number);
    }

    /// Drops unused rows if there are many.
    pub(crate) fn compact(&mut self) {
        let unused = self.unused.iter().filter(|is_unused| **is_unused).count();
        if unused < COMPACTED || unused * 2 < self.unused.len() {
            return;
        }
        let (mut vectors, mut groups) = (Vec::new(), Vec::new());
        for (number, entry) in self.entries.iter_mut().enumerate() {
            if let Some(entry) = entry {
                let rows = entry.start..entry.start + entry.keys.len();
                entry.start = groups.len();
                vectors.extend_from_slice(&self.vectors[rows.start * self.dim..rows.end * self.dim]);
                groups.extend(rows.map(|_| u32::try_from(number).unwrap_or(u32::MAX)));
            }
        }
        self.unused = vec![false; groups.len()];
        self.vectors = vectors;
        self.groups = groups;
    }

    /// Stamps of the products in a range, sorted by id.
    pub(crate) fn stamps(&self, range: IdRange<'_>) -> Vec<Stamp> {
        let end = range.to.map_or(Bound::Unbounded, Bound::Included);
        if range.to.is_some_and(|to| to <= range.after) {
            return Vec::new();
        }
        self.numbers
            .range::<str, _>((Bound::Excluded(range.after), end))
            .filter_map(|(_, number)| self.entries[*number].as_ref().map(|entry| entry.stamp.clone()))
            .collect()
    }

    /// Finds the nearest products of each query, best first, with ties by id.
    pub(crate) fn search(
        &self,
        queries: &[EngineQuery<'_>],
        compare: &dyn Compare,
    ) -> Result<Vec<Vec<EngineHit>>, EngineError> {
        let fault = |error: ShapeError| EngineError::Refused {
            action: "search",
            message: error.to_string(),
        };
        let unused = Bitmap::from_fn(self.unused.len(), |row| self.unused[row]);
        let rows = Rows::new(self.dim, Values::F32(&self.vectors)).map_err(fault)?;
        let scanner = Scanner::new(self.dim).segment(rows, None).map_err(fault)?;
        let scanner = scanner.deleted(&unused).groups(&self.groups).map_err(fault)?;
        let filters: Vec<Option<Bitmap>> = queries.iter().map(|query| self.filter(query)).collect();
        // One hit more than the limit shows that the last hits have another score than the next one.
        let search = |requests: &[Query<'_>]| compare.search(&self.vectors, &scanner, requests);
        let mut found = search(&requests(queries, &filters, |query| query.limit.saturating_add(1)));
        for (at, query) in queries.iter().enumerate() {
            let mut limit = query.limit.saturating_add(1);
            while found[at].len() == limit
                && query.limit > 0
                && found[at][query.limit - 1].score == found[at][limit - 1].score
            {
                limit = limit.saturating_mul(2);
                let again = requests(&queries[at..=at], &filters[at..=at], |_| limit);
                found[at] = search(&again).pop().unwrap_or_default();
            }
        }
        Ok(found
            .into_iter()
            .zip(queries)
            .map(|(hits, query)| self.hits(&hits, query.limit))
            .collect())
    }

    /// The rows that fulfil the condition of a query, unless all do.
    fn filter(&self, query: &EngineQuery<'_>) -> Option<Bitmap> {
        if query.condition.is_empty() {
            return None;
        }
        let admitted: Vec<bool> = self
            .entries
            .iter()
            .map(|entry| {
                entry
                    .as_ref()
                    .is_some_and(|entry| query.condition.admits(&entry.stamp.id, &entry.facets))
            })
            .collect();
        Some(Bitmap::from_fn(self.groups.len(), |row| {
            !self.unused[row] && admitted[self.groups[row] as usize]
        }))
    }

    /// The products of the best rows.
    fn hits(&self, rows: &[scan::Hit], limit: usize) -> Vec<EngineHit> {
        let hit = |hit: &scan::Hit| {
            let entry = self.entries[self.groups[hit.row] as usize].as_ref()?;
            Some(EngineHit {
                id: entry.stamp.id.clone(),
                version: entry.version,
                image: entry.keys.get(hit.row - entry.start)?.clone(),
                score: hit.score,
            })
        };
        let mut hits: Vec<EngineHit> = rows.iter().filter_map(hit).collect();
        sort_hits(&mut hits);
        hits.truncate(limit);
        hits
    }

    fn entry(&self, id: &str) -> Option<&Entry> {
        self.numbers.get(id).and_then(|number| self.entries[*number].as_ref())
    }
}

/// Queries for the scanner.
fn requests<'a>(
    queries: &'a [EngineQuery<'a>],
    filters: &'a [Option<Bitmap>],
    limit: impl Fn(&EngineQuery<'_>) -> usize,
) -> Vec<Query<'a>> {
    queries
        .iter()
        .zip(filters)
        .map(|(query, filter)| Query {
            vector: query.vector,
            limit: limit(query),
            filter: filter.as_ref(),
            is_grouped: true,
        })
        .collect()
}
