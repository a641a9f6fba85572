//! Reading of candidates until the hits of a query are certain.

use std::collections::BTreeMap;

use engine::{EngineError, EngineHit, EngineQuery, sort_hits};
use scan::{Rows, Values};

use crate::client::ROW_BYTES;
use crate::expression::{Filter, of_products};
use crate::row::Row;
use crate::server::Server;

/// Maximum number of bytes of an answer. The SDK refuses answers of more than 4 MiB.
const ANSWER: usize = 3 << 20;
/// Maximum number of rows that Milvus returns per query.
const ROWS: usize = 16_384;
/// Rows per product that the first request reads.
const PER_PRODUCT: usize = 3;
/// Maximum number of products whose rows are left out of later requests.
const LEFT_OUT: usize = 30_000;

/// A search in the collection of a generation.
pub(crate) struct Search<'a> {
    server: &'a Server,
    generation: i64,
    collection: &'a str,
    dim: usize,
}

/// The products that were found for a query.
struct State {
    best: BTreeMap<String, Best>,
    /// Score of the last row of the last answer, by Milvus. All products that were not found have at most this score.
    floor: f32,
}

/// The best vector of a product.
struct Best {
    hit: EngineHit,
    position: i64,
    /// Score that the product's other vectors have at most, by Milvus.
    floor: f32,
}

impl<'a> Search<'a> {
    /// Creates a search.
    pub(crate) fn new(server: &'a Server, generation: i64, collection: &'a str, dim: usize) -> Self {
        Self {
            server,
            generation,
            collection,
            dim,
        }
    }

    /// Finds the hits of all queries. Queries with equal conditions share their first requests.
    pub(crate) fn run(&self, queries: &[EngineQuery<'_>]) -> Result<Vec<Vec<EngineHit>>, EngineError> {
        let mut by_filter: BTreeMap<Filter, Vec<usize>> = BTreeMap::new();
        for (at, query) in queries.iter().enumerate() {
            if query.limit > 0 {
                by_filter.entry(Filter::of(&query.condition)).or_default().push(at);
            }
        }
        let mut found: Vec<Vec<EngineHit>> = vec![Vec::new(); queries.len()];
        for (filter, places) in by_filter {
            let Some(expression) = filter.without(&[]) else {
                continue;
            };
            let limit = places.iter().map(|at| queries[*at].limit).max().unwrap_or_default();
            let rows = limit
                .saturating_mul(PER_PRODUCT)
                .saturating_add(16)
                .min(self.capacity());
            for places in places.chunks((self.capacity() / rows).max(1)) {
                let vectors: Vec<&[f32]> = places.iter().map(|at| queries[*at].vector).collect();
                for (at, answer) in places.iter().zip(self.request(&vectors, rows, &expression)?) {
                    let mut state = State::new();
                    state.add(&queries[*at], answer, rows);
                    found[*at] = self.complete(&queries[*at], &filter, state)?;
                }
            }
        }
        Ok(found)
    }

    /// Reads further candidates until the hits of a query are certain.
    fn complete(
        &self,
        query: &EngineQuery<'_>,
        filter: &Filter,
        mut state: State,
    ) -> Result<Vec<EngineHit>, EngineError> {
        let margin = margin(query.vector);
        while state
            .last(query.limit)
            .is_none_or(|score| score <= state.floor + margin)
        {
            if state.floor == f32::NEG_INFINITY {
                break;
            }
            if state.best.len() > LEFT_OUT {
                if state.last(query.limit).is_some() {
                    // Only the choice among products of one score, up to rounding, is open.
                    break;
                }
                return Err(EngineError::invalid(
                    "query",
                    format!("its limit is greater than {LEFT_OUT}"),
                ));
            }
            let known: Vec<&str> = state.best.keys().map(String::as_str).collect();
            let expression = filter.without(&known).unwrap_or_default();
            let rows = self.capacity();
            let answer = self.request(&[query.vector], rows, &expression)?.pop();
            state.add(query, answer.unwrap_or_default(), rows);
        }
        self.settle(query, &mut state, margin)?;
        let mut hits = state.hits();
        hits.truncate(query.limit);
        Ok(hits)
    }

    /// Reads all vectors of products near the last hit whose best vector is not certain.
    fn settle(&self, query: &EngineQuery<'_>, state: &mut State, margin: f32) -> Result<(), EngineError> {
        let last = state.last(query.limit).unwrap_or(f32::NEG_INFINITY);
        let is_open = |best: &&Best| best.hit.score >= last - margin && best.hit.score <= best.floor + margin;
        let open: Vec<String> = state
            .best
            .values()
            .filter(is_open)
            .map(|best| best.hit.id.clone())
            .collect();
        let (rows, floor) = (self.capacity(), state.floor);
        let mut parts = vec![open.as_slice()];
        while let Some(part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            let ids: Vec<&str> = part.iter().map(String::as_str).collect();
            let answer = self
                .request(&[query.vector], rows, &of_products(&ids))?
                .pop()
                .unwrap_or_default();
            if answer.len() >= rows && part.len() > 1 {
                let (left, right) = part.split_at(part.len() / 2);
                parts.extend([left, right]);
            } else {
                state.add(query, answer, rows);
            }
        }
        state.floor = floor;
        Ok(())
    }

    /// Maximum number of rows of an answer.
    fn capacity(&self) -> usize {
        (ANSWER / (self.dim * 4 + ROW_BYTES)).clamp(1, ROWS)
    }

    fn request(&self, vectors: &[&[f32]], rows: usize, expression: &str) -> Result<Vec<Vec<(Row, f32)>>, EngineError> {
        self.server.call("search", self.generation, |client, limit| {
            client.search(self.collection, vectors, rows, expression, limit)
        })
    }
}

impl State {
    fn new() -> Self {
        Self {
            best: BTreeMap::new(),
            floor: f32::INFINITY,
        }
    }

    /// Adds an answer to a request of `rows` rows.
    fn add(&mut self, query: &EngineQuery<'_>, answer: Vec<(Row, f32)>, rows: usize) {
        let last = answer.last().map(|(_, score)| *score);
        // A short answer has all rows.
        self.floor = last.filter(|_| answer.len() >= rows).unwrap_or(f32::NEG_INFINITY);
        for (row, _) in answer {
            let score = score(query.vector, &row.vector);
            let best = Best {
                position: row.position,
                floor: self.floor,
                hit: EngineHit {
                    id: row.product,
                    version: row.version.cast_unsigned(),
                    image: row.image,
                    score,
                },
            };
            let known = self.best.get(&best.hit.id);
            if known.is_none_or(|known| best.is_better(known)) {
                self.best.insert(best.hit.id.clone(), best);
            }
        }
    }

    /// Score of the last of `limit` hits, if there are as many.
    fn last(&self, limit: usize) -> Option<f32> {
        let mut scores: Vec<f32> = self.best.values().map(|best| best.hit.score).collect();
        if scores.len() < limit {
            return None;
        }
        scores.sort_unstable_by(|a, b| b.total_cmp(a));
        scores.get(limit - 1).copied()
    }

    /// The products that were found, best first.
    fn hits(&self) -> Vec<EngineHit> {
        let mut hits: Vec<EngineHit> = self.best.values().map(|best| best.hit.clone()).collect();
        sort_hits(&mut hits);
        hits
    }
}

impl Best {
    /// True if this vector counts and not the other one. Of equal scores, the first image counts.
    fn is_better(&self, other: &Self) -> bool {
        let order = self.hit.score.total_cmp(&other.hit.score);
        order.then_with(|| other.position.cmp(&self.position)).is_gt()
    }
}

/// Inner product as the exact engine computes it.
fn score(query: &[f32], vector: &[f32]) -> f32 {
    match Rows::new(query.len(), Values::F32(vector)) {
        Ok(rows) if rows.len() == 1 => rows.dot(query, 0),
        _ => f32::NEG_INFINITY,
    }
}

/// Largest difference between the scores of Milvus and ours.
///
/// The rounding of a sum of `n` products is at most `n` ε times the product of the norms, if ε is twice the unit roundoff.
/// Stored vectors are at most 1.1 long, and both sides round.
fn margin(query: &[f32]) -> f32 {
    let norm = query.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    (2.2 * norm * query.len() as f64 * f64::from(f32::EPSILON)) as f32
}
