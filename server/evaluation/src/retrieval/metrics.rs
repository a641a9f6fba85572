//! mAP@10 and recall@k of a search with queries in a gallery. A gallery image is relevant if it shows the query's item.
//!
//! Average precision at 10 of a query is Σ over hits at rank i ≤ 10 of precision@i, divided by min(10, number of relevant
//! images). Queries without a relevant image do not count. Equal scores rank in gallery order.

use shared::score::descending;
use std::collections::BTreeMap;

/// Ranking of one query.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    /// Gallery indices, best first, as many as requested.
    pub top: Vec<usize>,
    /// True for each rank whose image is relevant.
    pub hit: Vec<bool>,
    /// Number of relevant gallery images.
    pub relevant: usize,
    /// Highest ranked relevant image of the whole gallery, and its rank from 1.
    pub first: Option<(usize, usize)>,
}

/// Number of ranks of the average precision.
pub const DEPTH: usize = 10;

/// Ranks the gallery for each query by inner product, [`DEPTH`] deep.
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

/// Ranks the scores of one query, [`DEPTH`] deep.
pub fn rank_scores(scores: &[f32], is_match: impl Fn(usize) -> bool) -> Ranked {
    rank_scores_to(DEPTH, scores, |g| Some(is_match(g)))
}

/// Ranks the scores of one query `depth` deep. Images for which `is_match` is `None`, such as the query itself, are left out.
/// Images with a score of minus infinity are never found.
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

/// Ranks products by their best photo, as the search of a catalog does. `products` has the number of the product of every
/// photo. A product is relevant if one of its photos is; the other arguments are those of [`rank_scores_to`].
pub fn rank_products_to(
    depth: usize,
    scores: &[f32],
    products: &[usize],
    is_match: impl Fn(usize) -> Option<bool>,
) -> Ranked {
    let n = products.iter().max().map_or(0, |last| last + 1);
    let mut best: Vec<(f32, Option<bool>)> = vec![(f32::NEG_INFINITY, None); n];
    for (photo, (score, product)) in scores.iter().zip(products).enumerate() {
        let Some(hit) = is_match(photo) else { continue };
        let (highest, known) = &mut best[*product];
        if known.is_none() || descending(*score, *highest).is_lt() {
            *highest = *score;
        }
        *known = Some(known.unwrap_or(false) || hit);
    }
    let scores: Vec<f32> = best.iter().map(|(score, _)| *score).collect();
    rank_scores_to(depth, &scores, |product| best[product].1)
}

impl Ranked {
    /// Computes the average precision at 10; `None` without a relevant image.
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

    /// True if one of the first `k` images is relevant; `None` without a relevant image.
    pub fn recalled_at(&self, k: usize) -> Option<bool> {
        (self.relevant > 0).then(|| self.hit.iter().take(k).any(|hit| *hit))
    }
}

/// Name of the default metric of comparisons.
pub const MEAN_AP: &str = "mean_ap_at_10";

/// Computes the value per query of each metric, by name: mAP@10 and recall at each of `ks`. A value is `None` without a
/// relevant image. No `k` may be deeper than the ranking.
pub fn values(ranked: &[Ranked], ks: &[usize]) -> BTreeMap<String, Vec<Option<f64>>> {
    let recall = |k: &usize| {
        let value = |one: &Ranked| one.recalled_at(*k).map(|found| f64::from(u8::from(found)));
        (format!("recall_at_{k}"), ranked.iter().map(value).collect())
    };
    let precision = (
        MEAN_AP.to_owned(),
        ranked.iter().map(Ranked::average_precision).collect(),
    );
    ks.iter().map(recall).chain([precision]).collect()
}

/// Rankings of a gallery for queries.
#[derive(Debug, Clone)]
pub struct Rankings {
    /// Rankings of the photos.
    pub photos: Vec<Ranked>,
    /// Rankings of the products, each by its best photo; `None` if every product has one photo.
    pub products: Option<Vec<Ranked>>,
}

impl Rankings {
    /// Computes [`values`] of the photos, and with the prefix `product_` those of the products.
    pub fn values(&self, ks: &[usize]) -> BTreeMap<String, Vec<Option<f64>>> {
        let of_products = self.products.as_deref().map(|products| values(products, ks));
        let of_products = of_products.unwrap_or_default().into_iter();
        let mut all = values(&self.photos, ks);
        all.extend(of_products.map(|(name, values)| (format!("product_{name}"), values)));
        all
    }
}

/// Computes mAP@10 over the given queries that have a relevant image.
pub fn mean_ap_at_10(ranked: &[Ranked], queries: &[usize]) -> f64 {
    mean(queries.iter().filter_map(|q| ranked[*q].average_precision()))
}

/// Computes recall@k: the share of the given queries with a relevant image that have one among the first `k`.
pub fn recall_at(k: usize, ranked: &[Ranked], queries: &[usize]) -> f64 {
    mean(
        queries
            .iter()
            .filter_map(|q| ranked[*q].recalled_at(k))
            .map(|found| f64::from(u8::from(found))),
    )
}

/// End of the name of a metric of a random ranking.
pub(super) const BY_CHANCE: &str = " by chance";

/// Computes the expected recall at each of `ks` of a random ranking, by name.
pub(super) fn recalls_by_chance(ks: &[usize], candidates: usize, ranked: &[Ranked]) -> BTreeMap<String, f64> {
    let chance = |k: &usize| {
        (
            format!("recall_at_{k}{BY_CHANCE}"),
            recall_by_chance(*k, candidates, ranked),
        )
    };
    ks.iter().map(chance).collect()
}

/// Computes the expected [`recall_at`] `k` of a random ranking of `candidates`. A query with r relevant images among n
/// candidates misses all of them with probability C(n−r, k) / C(n, k).
fn recall_by_chance(k: usize, candidates: usize, ranked: &[Ranked]) -> f64 {
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
    use search::Match;
    use search::{Gallery, Rerank, SearchOptions, Storage, Stored};
    use shared::embedding::Embedding;
    use shared::taxonomy::Category;

    #[test]
    fn chance_recall_depends_on_all_relevant_images() {
        let with = |relevant| Ranked {
            top: Vec::new(),
            hit: Vec::new(),
            relevant,
            first: None,
        };
        // 1 − C(n−r, k) / C(n, k) by hand. Queries without a relevant image do not count.
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

    /// Six queries among 90 rows.
    fn queries_and_rows() -> (Vec<Embedding>, Vec<Vec<f32>>) {
        let value =
            |at: usize| ((at * 7919 % 1009) as f32 / 504.5 - 1.0) * if at.is_multiple_of(5) { 3.0 } else { 1.0 };
        let rows: Vec<Vec<f32>> = (0..90)
            .map(|row| {
                Embedding::new("m", (0..40).map(|at| value(row * 40 + at)).collect())
                    .expect("the embedding is not zero")
            })
            .map(|embedding| embedding.values().to_vec())
            .collect();
        let queries = (0..6)
            .map(|query| {
                (0..40)
                    .map(|at| rows[query * 9][at] + 0.3 * value(5000 + query * 40 + at))
                    .collect()
            })
            .map(|values| Embedding::new("m", values).expect("the embedding is not zero"))
            .collect();
        (queries, rows)
    }

    #[test]
    fn the_gallery_ranks_products_like_the_evaluation() {
        let (queries, rows) = queries_and_rows();
        // Products of one, two and three photos.
        let sizes: Vec<usize> = (0..45).map(|product| 1 + product % 3).collect();
        let owners: Vec<usize> = (0..45).flat_map(|product| vec![product; sizes[product]]).collect();
        let products: Vec<(Category, usize)> = sizes.iter().map(|size| (Category::Tops, *size)).collect();
        assert_eq!(owners.len(), rows.len());
        let gallery =
            Gallery::new(Stored::new(Storage::F32, &rows), &products).expect("the rows are those of the products");
        for rerank in [Rerank::None, Rerank::Hop, Rerank::AlphaQe, Rerank::KReciprocal] {
            for query in &queries {
                let options = SearchOptions {
                    limit: 10,
                    category: None,
                    products: None,
                    rerank: rerank.into(),
                };
                let served: Vec<usize> = gallery.search(query, &options).iter().map(|hit| hit.product).collect();
                let scores = rerank
                    .scores(&[query.values().to_vec()], gallery.embeddings())
                    .remove(0);
                let evaluated = rank_products_to(10, &scores, &owners, |_| Some(true)).top;
                assert_eq!(served, evaluated, "{rerank:?}");
            }
        }
    }

    #[test]
    fn a_product_ranks_once_by_its_best_photo() {
        // Photos of the products 0, 1, 0, 2. The query shows product 0, and its own photo is left out.
        let scores = [0.9, 0.8, 0.7, 0.1];
        let is_match = |photo: usize| (photo != 0).then_some(photo == 2);
        let photos = rank_scores_to(3, &scores, is_match);
        let products = rank_products_to(3, &scores, &[0, 1, 0, 2], is_match);
        assert_eq!((photos.top, photos.relevant), (vec![1, 2, 3], 1));
        assert_eq!((products.top, products.hit), (vec![1, 0, 2], vec![false, true, false]));
        assert_eq!(products.first, Some((0, 2)));
    }

    #[test]
    fn the_gallery_ranks_like_the_evaluation_if_every_product_has_one_photo() {
        let (queries, rows) = queries_and_rows();
        let products = vec![(Category::Tops, 1); rows.len()];
        for storage in [Storage::F32, Storage::F16, Storage::Int8] {
            let gallery = Gallery::new(Stored::new(storage, &rows), &products).expect("there is one row per product");
            for rerank in [Rerank::None, Rerank::Hop, Rerank::AlphaQe, Rerank::KReciprocal] {
                for query in &queries {
                    let found = gallery.search(
                        query,
                        &SearchOptions {
                            limit: 90,
                            category: None,
                            products: None,
                            rerank: rerank.into(),
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
