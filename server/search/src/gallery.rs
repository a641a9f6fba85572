//! Exact search: every embedding is compared with every query.
//!
//! Rows of one product lie together and products are in the order of their ids, so grouping by product costs nothing and
//! equal scores come out by id on every machine. **Invariant:** the result depends on the data alone, never on the number
//! of threads.

use std::ops::Range;

use rayon::prelude::*;
use shared::embedding::Embedding;
use shared::taxonomy::Category;

use super::rerank::Rerank;
use super::storage::Stored;
use super::top::Best;

/// Products that one task scans; about a megabyte of embeddings, so that a block stays in cache for all queries.
const BLOCK: usize = 256;

/// Options of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchOptions {
    /// The most products wanted.
    pub limit: usize,
    /// Only products of this category.
    pub category: Option<Category>,
    /// Method of the second ranking.
    pub rerank: Rerank,
}

/// One product found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// Index of the product.
    pub product: usize,
    /// Index of its best row.
    pub row: usize,
    /// Dot product of that row and the query, also where another order than theirs was asked for.
    pub score: f32,
}

/// One query's pass over the embeddings.
struct Scan {
    query: Vec<f32>,
    limit: usize,
    category: Option<Category>,
}

/// Embeddings grouped by product.
#[derive(Debug)]
pub struct Gallery {
    embeddings: Stored,
    /// Row where each product begins, and the number of rows.
    starts: Vec<usize>,
    /// Of each product.
    categories: Vec<Category>,
    /// Product of each row.
    products: Vec<u32>,
}

impl Gallery {
    /// Groups `embeddings`: product `i` owns the next `products[i].1` rows.
    ///
    /// # Errors
    /// When there are not that many rows.
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

    /// The embeddings, one a photo.
    pub fn embeddings(&self) -> &Stored {
        &self.embeddings
    }

    /// The products most like `query`, best first; equal scores by product. A query of another dimension finds nothing.
    pub fn search(&self, query: &Embedding, options: &SearchOptions) -> Vec<Match> {
        self.search_batch(&[(query, *options)]).pop().unwrap_or_default()
    }

    /// [`search`](Self::search) for several queries, each with its own options, in one pass over the embeddings;
    /// re-ranking takes one more a query.
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

    /// True if `row` has the wanted category.
    fn keeps(&self, options: &SearchOptions, row: usize) -> bool {
        options
            .category
            .is_none_or(|wanted| wanted == self.categories[self.products[row] as usize])
    }

    /// The pass over the embeddings that answers a query; nothing when it is of another dimension.
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
            // The first row wins among equals.
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
    use crate::storage::Storage;

    /// All products by their best row, sorted, the plain way.
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
        /// Few distinct values make many ties, so the order among equals is tested too.
        #[test]
        fn equals_the_plain_way(
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
            let gallery = Gallery::new(Stored::new(Storage::F32, &values), &products).expect("fits");
            let query = Embedding::new("m", (0..dim).map(|at| value(at + 3) + 0.5).collect()).expect("not zero");
            let category = wanted.map(|at| Category::ALL[at]);
            let options = SearchOptions { limit, category, rerank: Rerank::None };
            // Whoever else is in the batch, and whatever they want, changes nothing.
            let other = Embedding::new("m", (0..dim).map(|at| value(at + 11) - 0.25).collect()).expect("not zero");
            let all = SearchOptions { limit: 7, category: None, rerank: Rerank::None };
            let hop = SearchOptions { limit: 3, category: Some(Category::Shoes), rerank: Rerank::Hop };
            let batch = [(&other, all), (&query, options), (&query, all), (&other, hop), (&query, options)];
            let found = gallery.search_batch(&batch);
            prop_assert_eq!(&found[1], &naive(&gallery, &query, &options));
            for ((query, options), found) in batch.iter().zip(&found) {
                prop_assert_eq!(found, &gallery.search(query, options));
            }
        }
    }

    #[test]
    fn refuses_what_is_no_gallery() {
        let rows = Stored::new(Storage::F32, &[vec![1.0, 0.0]]);
        assert!(Gallery::new(Stored::new(Storage::F32, &[]), &[(Category::Tops, 1)]).is_err());
        let gallery = Gallery::new(rows, &[(Category::Tops, 1)]).expect("fits");
        let other = Embedding::new("m", vec![1.0; 3]).expect("valid");
        for rerank in [Rerank::None, Rerank::Hop, Rerank::AlphaQe, Rerank::KReciprocal] {
            assert!(
                gallery
                    .search(
                        &other,
                        &SearchOptions {
                            limit: 5,
                            category: None,
                            rerank
                        }
                    )
                    .is_empty()
            );
        }
    }
}
