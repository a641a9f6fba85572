//! Exact search: every embedding is compared with every query.
//!
//! The rows of a product are adjacent and products are in the order of their ids. So ties of rows are ties by id.
//! **Invariant:** the result depends on the data alone, not on the number of threads.

use scan::{Bitmap, Query, Scanner};
use shared::embedding::Embedding;
use shared::taxonomy::Category;

use super::rerank::Reranking;
use super::storage::Stored;

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

/// Embeddings grouped by product.
#[derive(Debug)]
pub struct Gallery {
    embeddings: Stored,
    /// Product of each row.
    products: Vec<u32>,
    /// Rows of each category that has products.
    rows: Vec<(Category, Bitmap)>,
    /// No rows.
    none: Bitmap,
}

impl Gallery {
    /// Groups `embeddings` by product. Product `i` has the next `products[i].1` rows.
    ///
    /// # Errors
    /// If the number of rows differs.
    pub fn new(embeddings: Stored, products: &[(Category, usize)]) -> Result<Self, String> {
        let rows = products.iter().map(|(_, count)| count).sum::<usize>();
        if embeddings.len() != rows {
            return Err(format!("there are {} embeddings for {rows} rows", embeddings.len()));
        }
        let mut owners = Vec::with_capacity(rows);
        let mut of_category: Vec<(Category, Bitmap)> = Vec::new();
        for (product, (category, count)) in (0u32..).zip(products) {
            let known = of_category.iter().position(|(known, _)| known == category);
            let at = known.unwrap_or_else(|| {
                of_category.push((*category, Bitmap::new(rows)));
                of_category.len() - 1
            });
            (owners.len()..owners.len() + count).for_each(|row| of_category[at].1.insert(row));
            owners.extend(std::iter::repeat_n(product, *count));
        }
        // Computes the codes now, so that the first search does not wait for them.
        embeddings.scanner();
        Ok(Self {
            embeddings,
            products: owners,
            rows: of_category,
            none: Bitmap::new(rows),
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
        let first: Vec<Vec<f32>> = queries
            .iter()
            .map(|(query, options)| self.first_query(query, options))
            .collect();
        let scans = queries.iter().zip(&first).map(|((_, options), vector)| Query {
            vector,
            limit: options.limit,
            filter: self.filter(options),
            is_grouped: true,
        });
        let found = self.scanner().search(&scans.collect::<Vec<_>>());
        let finish = |((query, options), found): (&(&Embedding, SearchOptions), Vec<scan::Hit>)| {
            if !self.is_comparable(query) {
                return Vec::new();
            }
            let order = options
                .rerank
                .reordered(query.values(), &self.embeddings, self.filter(options));
            let mut seen = std::collections::HashSet::new();
            order
                .into_iter()
                .chain(found.into_iter().map(|hit| hit.row))
                .map(|row| (self.products[row] as usize, row))
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

    fn scanner(&self) -> Scanner<'_> {
        let scanner = self.embeddings.scanner().groups(&self.products);
        scanner.unwrap_or_else(|error| panic!("every row has a product: {error}"))
    }

    fn is_comparable(&self, query: &Embedding) -> bool {
        query.dim() == self.embeddings.dim()
    }

    /// Rows of the requested category; all rows if `None`.
    fn filter(&self, options: &SearchOptions) -> Option<&Bitmap> {
        options.category.map(|wanted| {
            let rows = self.rows.iter().find(|(category, _)| *category == wanted);
            rows.map_or(&self.none, |(_, rows)| rows)
        })
    }

    /// The vector that the scan compares; one of another dimension stays as it is and finds nothing.
    fn first_query(&self, query: &Embedding, options: &SearchOptions) -> Vec<f32> {
        if !self.is_comparable(query) {
            return query.values().to_vec();
        }
        options
            .rerank
            .second_query(query.values(), &self.embeddings, self.filter(options))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rerank::Rerank;
    use crate::storage::Storage;

    /// Reference implementation: all products by their best row, sorted.
    fn naive(
        gallery: &Gallery,
        products: &[(Category, usize)],
        query: &Embedding,
        options: &SearchOptions,
    ) -> Vec<Match> {
        let mut start = 0;
        let rows = products.iter().map(|(_, count)| {
            start += count;
            start - count..start
        });
        let mut all: Vec<Match> = rows
            .enumerate()
            .filter(|(product, _)| options.category.is_none_or(|wanted| wanted == products[*product].0))
            .filter_map(|(product, rows)| {
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
            storage in proptest::sample::select(vec![Storage::F32, Storage::F16, Storage::Int8]),
        ) {
            let products: Vec<_> = counts.iter().map(|&(category, rows)| (Category::ALL[category], rows)).collect();
            let rows: usize = products.iter().map(|(_, rows)| rows).sum();
            let value = |at: usize| f32::from(seed[(at * 7 + at / dim % 5) % seed.len()]);
            let values: Vec<f32> = (0..rows * dim).map(value).collect();
            let values: Vec<Vec<f32>> = values.chunks(dim).map(<[f32]>::to_vec).collect();
            let gallery = Gallery::new(Stored::new(storage, &values), &products).expect("the number of rows is right");
            let query = Embedding::new("m", (0..dim).map(|at| value(at + 3) + 0.5).collect()).expect("the vector is not zero");
            let category = wanted.map(|at| Category::ALL[at]);
            let options = SearchOptions { limit, category, rerank: Rerank::None.into() };
            // Other queries in the batch do not change the result.
            let other = Embedding::new("m", (0..dim).map(|at| value(at + 11) - 0.25).collect()).expect("the vector is not zero");
            let all = SearchOptions { limit: 7, category: None, rerank: Rerank::None.into() };
            let hop = SearchOptions { limit: 3, category: Some(Category::Shoes), rerank: Rerank::Hop.into() };
            let batch = [(&other, all), (&query, options), (&query, all), (&other, hop), (&query, options)];
            let found = gallery.search_batch(&batch);
            prop_assert_eq!(&found[1], &naive(&gallery, &products, &query, &options));
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
