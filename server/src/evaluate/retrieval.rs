//! mAP@10 and recall at k of a search: queries against a gallery, truth by identity.
//!
//! Average precision at 10 of a query is Σ over hits at rank i ≤ 10 of precision@i, divided by min(10, number of gallery
//! images of its identity). Queries without such an image do not count. Equal scores rank in gallery order.

use shared::score::descending;

/// One query's outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    /// Gallery indices, best first, ten of them or fewer.
    pub top: Vec<usize>,
    /// Whether each of them shows the query's identity.
    pub hit: Vec<bool>,
    /// Gallery images of the query's identity.
    pub relevant: usize,
}

/// How many ranks count.
pub const DEPTH: usize = 10;

/// Ranks the gallery for every query by inner product.
pub fn rank(queries: &[Vec<f32>], gallery: &[Vec<f32>], is_match: impl Fn(usize, usize) -> bool + Sync) -> Vec<Ranked> {
    use rayon::prelude::*;
    queries
        .par_iter()
        .enumerate()
        .map(|(q, query)| {
            let scores: Vec<f32> = gallery.iter().map(|row| row.iter().zip(query).map(|(a, b)| a * b).sum()).collect();
            rank_scores(&scores, |g| is_match(q, g))
        })
        .collect()
}

/// Ranks one query's scores.
pub fn rank_scores(scores: &[f32], is_match: impl Fn(usize) -> bool) -> Ranked {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| descending(scores[*a], scores[*b]));
    order.truncate(DEPTH);
    Ranked {
        hit: order.iter().map(|g| is_match(*g)).collect(),
        top: order,
        relevant: (0..scores.len()).filter(|g| is_match(*g)).count(),
    }
}

impl Ranked {
    /// Average precision at 10; `None` if nothing is relevant, so that there was nothing to find.
    pub fn average_precision(&self) -> Option<f64> {
        let mut hits = 0.0;
        let mut sum = 0.0;
        for (rank, hit) in self.hit.iter().enumerate() {
            if *hit {
                hits += 1.0;
                sum += hits / (rank + 1) as f64;
            }
        }
        (self.relevant > 0).then(|| sum / self.relevant.min(DEPTH) as f64)
    }

    /// Whether one of the first `k` is right; `None` if nothing is relevant.
    pub fn recalled_at(&self, k: usize) -> Option<bool> {
        (self.relevant > 0).then(|| self.hit.iter().take(k).any(|hit| *hit))
    }
}

/// Mean average precision at 10 over those of the given queries that have something to find.
pub fn mean_ap_at_10(ranked: &[Ranked], queries: &[usize]) -> f64 {
    mean(queries.iter().filter_map(|q| ranked[*q].average_precision()))
}

/// Share of the given queries, of those that have something to find, with a right answer among the first `k`.
pub fn recall_at(k: usize, ranked: &[Ranked], queries: &[usize]) -> f64 {
    mean(queries.iter().filter_map(|q| ranked[*q].recalled_at(k)).map(|found| f64::from(u8::from(found))))
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0usize), |(sum, n), value| (sum + value, n + 1));
    sum / n.max(1) as f64
}
