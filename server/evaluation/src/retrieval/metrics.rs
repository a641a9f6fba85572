//! mAP@10 and recall at k of a search: queries against a gallery, truth by identity.
//!
//! Average precision at 10 of a query is Σ over hits at rank i ≤ 10 of precision@i, divided by min(10, number of gallery
//! images of its identity). Queries without such an image do not count. Equal scores rank in gallery order.

use shared::score::descending;
use std::collections::BTreeMap;

/// One query's outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    /// Gallery indices, best first, as many as were asked for.
    pub top: Vec<usize>,
    /// True for each rank that shows the query's identity.
    pub hit: Vec<bool>,
    /// Gallery images of the query's identity.
    pub relevant: usize,
    /// The first of these in the ranking of the whole gallery, and its rank, counted from 1.
    pub first: Option<(usize, usize)>,
}

/// Number of ranks that count for the average precision.
pub const DEPTH: usize = 10;

/// Ranks the gallery for every query by inner product, [`DEPTH`] deep.
pub fn rank(queries: &[Vec<f32>], gallery: &[Vec<f32>], is_match: impl Fn(usize, usize) -> bool + Sync) -> Vec<Ranked> {
    use rayon::prelude::*;
    queries
        .par_iter()
        .enumerate()
        .map(|(q, query)| {
            let scores: Vec<f32> = gallery
                .iter()
                .map(|row| row.iter().zip(query).map(|(a, b)| a * b).sum())
                .collect();
            rank_scores(&scores, |g| is_match(q, g))
        })
        .collect()
}

/// Ranks one query's scores, [`DEPTH`] deep.
pub fn rank_scores(scores: &[f32], is_match: impl Fn(usize) -> bool) -> Ranked {
    rank_scores_to(DEPTH, scores, |g| Some(is_match(g)))
}

/// Ranks one query's scores `depth` deep; what is neither match nor miss (`None`), such as the query itself, is left out. What
/// is not looked at, at a score of minus infinity, is never found.
pub fn rank_scores_to(depth: usize, scores: &[f32], is_match: impl Fn(usize) -> Option<bool>) -> Ranked {
    let matches: Vec<Option<bool>> = (0..scores.len()).map(is_match).collect();
    let mut order: Vec<usize> = (0..scores.len()).filter(|g| matches[*g].is_some()).collect();
    let better = |a: &usize, b: &usize| descending(scores[*a], scores[*b]).then(a.cmp(b));
    if depth > 0 && depth < order.len() {
        order.select_nth_unstable_by(depth - 1, better);
    }
    let relevant: Vec<usize> = (0..scores.len()).filter(|g| matches[*g] == Some(true)).collect();
    let first = relevant.iter().copied().min_by(better);
    let ahead = |g: usize| order.iter().filter(|other| better(other, &g).is_lt()).count();
    let first = first.map(|g| (g, 1 + ahead(g)));
    order.truncate(depth);
    order.retain(|g| scores[*g] > f32::NEG_INFINITY);
    order.sort_by(better);
    Ranked {
        hit: order.iter().map(|g| matches[*g] == Some(true)).collect(),
        top: order,
        relevant: relevant.len(),
        first,
    }
}

impl Ranked {
    /// Average precision at 10; `None` if nothing is relevant, so that there was nothing to find.
    pub fn average_precision(&self) -> Option<f64> {
        let mut hits = 0.0;
        let mut sum = 0.0;
        for (rank, hit) in self.hit.iter().take(DEPTH).enumerate() {
            if *hit {
                hits += 1.0;
                sum += hits / (rank + 1) as f64;
            }
        }
        (self.relevant > 0).then(|| sum / self.relevant.min(DEPTH) as f64)
    }

    /// True if one of the first `k` is right; `None` if nothing is relevant.
    pub fn recalled_at(&self, k: usize) -> Option<bool> {
        (self.relevant > 0).then(|| self.hit.iter().take(k).any(|hit| *hit))
    }
}

/// Name of the figure that is compared if no other is asked for.
pub const MEAN_AP: &str = "mean_ap_at_10";

/// By name of a figure its value for every query, whose mean it is; `None` where there was nothing to find. Recall at each
/// of `ks`, which must not be deeper than the ranking.
pub fn values(ranked: &[Ranked], ks: &[usize]) -> BTreeMap<String, Vec<Option<f64>>> {
    let recall = |k: &usize| {
        let of = |one: &Ranked| one.recalled_at(*k).map(|found| f64::from(u8::from(found)));
        (format!("recall_at_{k}"), ranked.iter().map(of).collect())
    };
    let precision = (
        MEAN_AP.to_owned(),
        ranked.iter().map(Ranked::average_precision).collect(),
    );
    ks.iter().map(recall).chain([precision]).collect()
}

/// Mean average precision at 10 over those of the given queries that have something to find.
pub fn mean_ap_at_10(ranked: &[Ranked], queries: &[usize]) -> f64 {
    mean(queries.iter().filter_map(|q| ranked[*q].average_precision()))
}

/// Share of the given queries, of those that have something to find, with a right answer among the first `k`.
pub fn recall_at(k: usize, ranked: &[Ranked], queries: &[usize]) -> f64 {
    mean(
        queries
            .iter()
            .filter_map(|q| ranked[*q].recalled_at(k))
            .map(|found| f64::from(u8::from(found))),
    )
}

/// The [`recall_at`] `k` that `candidates` in random order would have: a query with r right answers among n candidates misses
/// all of them with probability C(n−r, k) / C(n, k).
pub fn recall_by_chance(k: usize, candidates: usize, ranked: &[Ranked]) -> f64 {
    let missed = |relevant: usize| -> f64 {
        (0..k.min(candidates))
            .map(|at| (candidates - at).saturating_sub(relevant) as f64 / (candidates - at) as f64)
            .product()
    };
    mean(
        ranked
            .iter()
            .filter(|one| one.relevant > 0)
            .map(|one| 1.0 - missed(one.relevant)),
    )
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0usize), |(sum, n), value| (sum + value, n + 1));
    sum / n.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use search::gallery::Match;
    use search::{Gallery, Rerank, SearchOptions, Storage, Stored};
    use shared::embedding::Embedding;
    use shared::taxonomy::Category;

    #[test]
    fn chance_counts_every_right_answer() {
        let with = |relevant| Ranked {
            top: Vec::new(),
            hit: Vec::new(),
            relevant,
            first: None,
        };
        // C(n−r, k) / C(n, k) by hand; queries with nothing to find do not count.
        for (k, candidates, relevant, expected) in [
            (1, 59, &[2][..], 2.0 / 59.0),
            (2, 5, &[2], 1.0 - 3.0 / 10.0),
            (2, 5, &[2, 0, 1], (0.7 + 0.4) / 2.0),
            (4, 5, &[2], 1.0),
            (9, 5, &[1], 1.0),
        ] {
            let ranked: Vec<Ranked> = relevant.iter().map(|relevant| with(*relevant)).collect();
            let chance = recall_by_chance(k, candidates, &ranked);
            assert!(
                (chance - expected).abs() < 1e-12,
                "{k} of {candidates}, {relevant:?}: {chance}"
            );
        }
    }

    /// Ranks as the evaluation does if every product has one photo.
    #[test]
    fn ranks_as_the_evaluation() {
        let value =
            |at: usize| ((at * 7919 % 1009) as f32 / 504.5 - 1.0) * if at.is_multiple_of(5) { 3.0 } else { 1.0 };
        let rows: Vec<Vec<f32>> = (0..90)
            .map(|row| Embedding::new("m", (0..40).map(|at| value(row * 40 + at)).collect()).expect("valid"))
            .map(|embedding| embedding.values().to_vec())
            .collect();
        let products = vec![(Category::Tops, 1); rows.len()];
        let queries: Vec<_> = (0..6)
            .map(|query| {
                (0..40)
                    .map(|at| rows[query * 9][at] + 0.3 * value(5000 + query * 40 + at))
                    .collect()
            })
            .map(|values| Embedding::new("m", values).expect("valid"))
            .collect();
        for storage in [Storage::F32, Storage::F16, Storage::Int8] {
            let gallery = Gallery::new(Stored::new(storage, &rows), &products).expect("fits");
            for rerank in [Rerank::None, Rerank::Hop, Rerank::AlphaQe, Rerank::KReciprocal] {
                for query in &queries {
                    let found = gallery.search(
                        query,
                        &SearchOptions {
                            limit: 90,
                            category: None,
                            rerank,
                        },
                    );
                    let scores = rerank
                        .scores(&[query.values().to_vec()], gallery.embeddings())
                        .remove(0);
                    let evaluated = rank_scores(&scores, |_| true).top;
                    let served: Vec<usize> = found.iter().take(10).map(|hit| hit.product).collect();
                    assert_eq!(served, evaluated, "{storage:?} {rerank:?}");
                    let cosine = |hit: &Match| (hit.score - gallery.embeddings().dot(query.values(), hit.row)).abs();
                    assert!(
                        found.len() == 90 && found.iter().all(|hit| cosine(hit) == 0.0),
                        "{storage:?} {rerank:?}"
                    );
                }
            }
        }
    }
}
