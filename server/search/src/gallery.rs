//! Exact search: every embedding is compared with every query.
//!
//! The rows of a product are adjacent and products are in the order of their ids. So grouping by product needs no sorting, and
//! ties are resolved by id. **Invariant:** the result depends on the data alone, not on the number of threads.

use std::ops::Range;

use rayon::prelude::*;
use shared::embedding::Embedding;
use shared::taxonomy::Category;

use super::rerank::Reranking;
use super::storage::Stored;
use super::top::Best;

/// Products per task. Their embeddings have about a megabyte, so a block stays in the cache for all queries.
const BLOCK: usize = 256;

/// Options of a search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SearchOptions {
    /// Maximum number of products.
    pub limit: usize,
    /// Category of the products; all categories if `None`.
    pub category: Option<Category>,
    /// Second ranking.
    pub rerank: Reranking,
}

/// A product in the results.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// Index of the product.
    pub product: usize,
    /// Index of the product's best row.
    pub row: usize,
    /// Dot product of that row and the query, also if re-ranking changed the order.
    pub score: f32,
}

/// Scan of the embeddings for one query.
struct Scan {
    query: Vec<f32>,
    limit: usize,
    category: Option<Category>,
}

/// Embeddings grouped by product.
#[derive(Debug)]
pub struct Gallery {
    embeddings: Stored,
    /// First row of each product, and the number of rows.
    starts: Vec<usize>,
    /// Category of each product.
    categories: Vec<Category>,
    /// Product of each row.
    products: Vec<u32>,
}

impl Gallery {
    /// Groups `embeddings` by product. Product `i` has the next `products[i].1` rows.
    ///
    /// # Errors
    /// If the number of rows differs.
    pub fn new(embeddings: Stored, products: &[(Category, usize)]) -> Result<Self, String> {
        let mut starts = Vec::with_capacity(products.len() + 1);
        let mut rows = 0;
        starts.push(rows);
        for (_, count) in products {
            rows += count;
            starts.push(rows);
        }
        if embeddings.len() != rows {
            return Err(format!("there are {} embeddings for {rows} rows", embeddings.len()));
        }
        let owners = (0u32..)
            .zip(products)
            .flat_map(|(product, (_, count))| std::iter::repeat_n(product, *count));
        let categories = products.iter().map(|(category, _)| *category).collect();
        Ok(Self {
            embeddings,
            starts,
            categories,
            products: owners.collect(),
        })
    }

    /// Embeddings, one per photo.
    pub fn embeddings(&self) -> &Stored {
        &self.embeddings
    }

    /// Returns the products most similar to `query`, best first, with ties by product. A query of another dimension has no
    /// results.
    pub fn search(&self, query: &Embedding, options: &SearchOptions) -> Vec<Match> {
        self.search_batch(&[(query, *options)]).pop().unwrap_or_default()
    }

    /// As [`search`](Self::search) for several queries with their options, in one pass over the embeddings. Re-ranking takes
    /// another pass per query.
    pub fn search_batch(&self, queries: &[(&Embedding, SearchOptions)]) -> Vec<Vec<Match>> {
        let scans: Vec<Option<Scan>> = queries
            .iter()
            .map(|(query, options)| self.prepare(query, options))
            .collect();
        let found = self.scan_all(&scans);
        let finish = |((query, options), found): (&(&Embedding, SearchOptions), Vec<(usize, usize)>)| {
            if !self.is_comparable(query) {
                return Vec::new();
            }
            let order = options
                .rerank
                .reordered(query.values(), &self.embeddings, |row| self.keeps(options, row));
            let mut seen = std::collections::HashSet::new();
            let reordered = order.into_iter().map(|row| (self.products[row] as usize, row));
            reordered
                .chain(found)
                .filter(|(product, _)| seen.insert(*product))
                .take(options.limit)
                .map(|(product, row)| Match {
                    product,
                    row,
                    score: self.embeddings.dot(query.values(), row),
                })
                .collect()
        };
        queries.iter().zip(found).map(finish).collect()
    }

    fn is_comparable(&self, query: &Embedding) -> bool {
        query.dim() == self.embeddings.dim()
    }

    /// True if `row` has the requested category.
    fn keeps(&self, options: &SearchOptions, row: usize) -> bool {
        options
            .category
            .is_none_or(|wanted| wanted == self.categories[self.products[row] as usize])
    }

    /// Prepares the scan for a query; `None` if the query has another dimension.
    fn prepare(&self, query: &Embedding, options: &SearchOptions) -> Option<Scan> {
        self.is_comparable(query).then(|| Scan {
            query: options
                .rerank
                .second_query(query.values(), &self.embeddings, |row| self.keeps(options, row)),
            limit: options.limit,
            category: options.category,
        })
    }

    /// Best products and rows of each query.
    fn scan_all(&self, scans: &[Option<Scan>]) -> Vec<Vec<(usize, usize)>> {
        let products = self.categories.len();
        let limit = |scan: &Option<Scan>| scan.as_ref().map_or(0, |scan| scan.limit);
        let empty = || -> Vec<Best<_>> { scans.iter().map(|scan| Best::new(limit(scan))).collect() };
        let best = (0..products.div_ceil(BLOCK))
            .into_par_iter()
            .fold(empty, |mut best, block| {
                let range = block * BLOCK..((block + 1) * BLOCK).min(products);
                for (scan, best) in scans.iter().zip(&mut best) {
                    if let Some(scan) = scan {
                        self.scan(&scan.query, range.clone(), scan.category, best);
                    }
                }
                best
            })
            .reduce(empty, |left, right| {
                left.into_iter()
                    .zip(right)
                    .map(|(left, right)| left.merge(right))
                    .collect()
            });
        best.into_iter()
            .map(|best| best.sorted().into_iter().map(|(_, found)| found).collect())
            .collect()
    }

    fn scan(&self, query: &[f32], products: Range<usize>, category: Option<Category>, best: &mut Best<(usize, usize)>) {
        for product in products {
            if category.is_some_and(|wanted| wanted != self.categories[product]) {
                continue;
            }
            let rows = self.starts[product]..self.starts[product + 1];
            let scored = rows.map(|row| (self.embeddings.dot(query, row), row));
            // Of ties, the first row is kept.
            if let Some((score, row)) = scored.reduce(|a, b| if b.0 > a.0 { b } else { a }) {
                best.offer(score, (product, row));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rerank::Rerank;
    use crate::storage::Storage;

    /// Reference implementation: all products by their best row, sorted.
    fn naive(gallery: &Gallery, query: &Embedding, options: &SearchOptions) -> Vec<Match> {
        let mut all: Vec<Match> = (0..gallery.categories.len())
            .filter(|&product| {
                options
                    .category
                    .is_none_or(|wanted| wanted == gallery.categories[product])
            })
            .filter_map(|product| {
                let rows = gallery.starts[product]..gallery.starts[product + 1];
                let scored = rows.map(|row| Match {
                    product,
                    row,
                    score: gallery.embeddings.dot(query.values(), row),
                });
                scored.min_by(|a, b| b.score.total_cmp(&a.score).then(a.row.cmp(&b.row)))
            })
            .collect();
        all.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.product.cmp(&b.product)));
        all.truncate(options.limit);
        all
    }

    proptest! {
        /// Few distinct values cause many ties, so the order of ties is tested too.
        #[test]
        fn search_equals_the_reference_implementation(
            dim in 1usize..40,
            counts in proptest::collection::vec((0usize..4, 0usize..4), 0..700),
            limit in 0usize..60,
            wanted in proptest::option::of(0usize..4),
            seed in proptest::collection::vec(-2i8..=2, 64),
        ) {
            let products: Vec<_> = counts.iter().map(|&(category, rows)| (Category::ALL[category], rows)).collect();
            let rows: usize = products.iter().map(|(_, rows)| rows).sum();
            let value = |at: usize| f32::from(seed[(at * 7 + at / dim % 5) % seed.len()]);
            let values: Vec<f32> = (0..rows * dim).map(value).collect();
            let values: Vec<Vec<f32>> = values.chunks(dim).map(<[f32]>::to_vec).collect();
            let gallery = Gallery::new(Stored::new(Storage::F32, &values), &products).expect("the number of rows is right");
            let query = Embedding::new("m", (0..dim).map(|at| value(at + 3) + 0.5).collect()).expect("the vector is not zero");
            let category = wanted.map(|at| Category::ALL[at]);
            let options = SearchOptions { limit, category, rerank: Rerank::None.into() };
            // Other queries in the batch do not change the result.
            let other = Embedding::new("m", (0..dim).map(|at| value(at + 11) - 0.25).collect()).expect("the vector is not zero");
            let all = SearchOptions { limit: 7, category: None, rerank: Rerank::None.into() };
            let hop = SearchOptions { limit: 3, category: Some(Category::Shoes), rerank: Rerank::Hop.into() };
            let batch = [(&other, all), (&query, options), (&query, all), (&other, hop), (&query, options)];
            let found = gallery.search_batch(&batch);
            prop_assert_eq!(&found[1], &naive(&gallery, &query, &options));
            for ((query, options), found) in batch.iter().zip(&found) {
                prop_assert_eq!(found, &gallery.search(query, options));
            }
        }
    }

    #[test]
    fn a_wrong_number_of_rows_is_refused_and_a_query_of_another_dimension_has_no_results() {
        let rows = Stored::new(Storage::F32, &[vec![1.0, 0.0]]);
        assert!(Gallery::new(Stored::new(Storage::F32, &[]), &[(Category::Tops, 1)]).is_err());
        let gallery = Gallery::new(rows, &[(Category::Tops, 1)]).expect("the number of rows is right");
        let other = Embedding::new("m", vec![1.0; 3]).expect("the vector is not zero");
        for rerank in [Rerank::None, Rerank::Hop, Rerank::AlphaQe, Rerank::KReciprocal] {
            assert!(
                gallery
                    .search(
                        &other,
                        &SearchOptions {
                            limit: 5,
                            category: None,
                            rerank: rerank.into()
                        }
                    )
                    .is_empty()
            );
        }
    }
}
