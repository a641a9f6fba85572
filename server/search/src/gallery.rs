//! Exact search: every embedding is compared with every query.
//!
//! Products are numbered in the order of their ids. So ties by number are ties by id.
//! **Invariant:** the result depends on the data alone, not on the number of threads.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use scan::{Bitmap, Query, Scanner};
use shared::embedding::Embedding;
use shared::taxonomy::Category;

use super::device::{self, DeviceScan, SearchDevice};
use super::options::{Match, SearchOptions};
use super::storage::Stored;

/// Group of rows without a product.
const NO_GROUP: u32 = u32::MAX;

/// Embeddings of products. A product has any number of rows, and several products can share a row.
#[derive(Debug)]
pub struct Gallery {
    embeddings: Stored,
    /// Category per product.
    categories: Vec<Category>,
    /// Group of each row: a product, or after the products an entry of `shared`.
    groups: Vec<u32>,
    /// Products of the rows that several products share, in ascending order.
    shared: Vec<Vec<u32>>,
    /// Rows of each category that has products.
    rows: Vec<(Category, Bitmap)>,
    /// Rows that have a product, unless all have one.
    owned: Option<Bitmap>,
    /// No rows.
    none: Bitmap,
    /// Rows on a device that searches instead of the CPU.
    device: Option<DeviceScan>,
}

/// A search with what it needs.
struct Plan<'a> {
    query: &'a Embedding,
    options: &'a SearchOptions,
    /// Vector that the scan compares.
    vector: Vec<f32>,
    filter: Option<Cow<'a, Bitmap>>,
    /// Number of groups that the scan returns.
    reach: usize,
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
        let categories = products.iter().map(|(category, _)| *category).collect();
        let owners = (0u32..)
            .zip(products)
            .flat_map(|(product, (_, count))| std::iter::repeat_n(product, *count));
        Ok(Self::with_owners(embeddings, categories, owners.enumerate()))
    }

    /// Assigns rows to products. `categories` has the category of each product. `owners` are pairs of a row and its product,
    /// sorted by row. A row without a product is never found.
    ///
    /// # Panics
    /// If a row or a product does not exist.
    pub fn with_owners(
        embeddings: Stored,
        categories: Vec<Category>,
        owners: impl IntoIterator<Item = (usize, u32)>,
    ) -> Self {
        let rows = embeddings.len();
        let mut gallery = Self {
            groups: vec![NO_GROUP; rows],
            shared: Vec::new(),
            rows: Vec::new(),
            owned: None,
            none: Bitmap::new(rows),
            device: None,
            embeddings,
            categories,
        };
        let mut sets: HashMap<Vec<u32>, u32> = HashMap::new();
        let mut owners = owners.into_iter().peekable();
        while let Some((row, first)) = owners.next() {
            gallery.add_to_category(row, first);
            gallery.groups[row] = first;
            if owners.peek().is_none_or(|(next, _)| *next != row) {
                continue;
            }
            let mut set = vec![first];
            while let Some((_, other)) = owners.next_if(|(next, _)| *next == row) {
                gallery.add_to_category(row, other);
                set.push(other);
            }
            set.sort_unstable();
            set.dedup();
            let next = (gallery.categories.len() + gallery.shared.len()) as u32;
            gallery.groups[row] = *sets.entry(set).or_insert_with_key(|set| {
                gallery.shared.push(set.clone());
                next
            });
        }
        if gallery.groups.contains(&NO_GROUP) {
            gallery.owned = Some(Bitmap::from_fn(rows, |row| gallery.groups[row] != NO_GROUP));
        }
        // Computes the codes now, so that the first search does not wait for them.
        gallery.embeddings.scanner();
        gallery
    }

    /// Searches on a device from now on, except for re-ranking. The results stay the same.
    ///
    /// # Errors
    /// If the device fails, for example because its memory is full. The gallery then stays as it is.
    pub fn use_device(&mut self, device: &SearchDevice) -> anyhow::Result<()> {
        self.device = Some(DeviceScan::new(&self.embeddings, device)?);
        Ok(())
    }

    fn add_to_category(&mut self, row: usize, product: u32) {
        let category = self.categories[product as usize];
        let known = self.rows.iter().position(|(known, _)| *known == category);
        let at = known.unwrap_or_else(|| {
            self.rows.push((category, Bitmap::new(self.groups.len())));
            self.rows.len() - 1
        });
        self.rows[at].1.insert(row);
    }

    /// Embeddings, one per photo.
    pub fn embeddings(&self) -> &Stored {
        &self.embeddings
    }

    /// Category per product.
    pub fn categories(&self) -> &[Category] {
        &self.categories
    }

    /// Products of a row, in ascending order.
    pub fn products_of(&self, row: usize) -> &[u32] {
        let group = self.groups[row];
        let after = (group as usize).checked_sub(self.categories.len());
        match after {
            None => std::slice::from_ref(&self.groups[row]),
            Some(at) => self.shared.get(at).map_or(&[], Vec::as_slice),
        }
    }

    /// Returns the products most similar to `query`, best first, with ties by product. A query of another dimension has no
    /// results.
    pub fn search(&self, query: &Embedding, options: &SearchOptions) -> Vec<Match> {
        self.search_batch(&[(query, options)]).pop().unwrap_or_default()
    }

    /// As [`search`](Self::search) for several queries with their options, in one pass over the embeddings. Re-ranking takes
    /// another pass per query, and so do ties at the limit.
    pub fn search_batch(&self, queries: &[(&Embedding, &SearchOptions)]) -> Vec<Vec<Match>> {
        let mut plans: Vec<Plan<'_>> = queries
            .iter()
            .map(|(query, options)| self.plan(query, options))
            .collect();
        let mut results = vec![Vec::new(); queries.len()];
        let mut open: Vec<usize> = (0..queries.len()).collect();
        while !open.is_empty() {
            let scans = open.iter().map(|at| Query {
                vector: &plans[*at].vector,
                limit: plans[*at].reach,
                filter: plans[*at].filter.as_deref(),
                is_grouped: true,
            });
            let found = device::search(self.device.as_ref(), &self.scanner(), &scans.collect::<Vec<_>>());
            let mut left = Vec::new();
            for (at, hits) in open.into_iter().zip(found) {
                match self.finish(&plans[at], &hits) {
                    Some(matches) => results[at] = matches,
                    None => {
                        plans[at].reach = plans[at].reach.saturating_mul(2);
                        left.push(at);
                    }
                }
            }
            open = left;
        }
        results
    }

    fn plan<'a>(&'a self, query: &'a Embedding, options: &'a SearchOptions) -> Plan<'a> {
        let filter = self.filter(options);
        // A vector of another dimension stays as it is and finds nothing.
        let vector = if query.dim() == self.embeddings.dim() {
            options
                .rerank
                .second_query(query.values(), &self.embeddings, filter.as_deref())
        } else {
            query.values().to_vec()
        };
        Plan {
            query,
            options,
            vector,
            filter,
            // One more group shows whether the last product has a tie outside.
            reach: options.limit.saturating_add(1),
        }
    }

    /// Converts the rows that a scan found to products. `None` if more rows must be seen, because of a tie at the limit or
    /// because products share rows.
    fn finish(&self, plan: &Plan<'_>, hits: &[scan::Hit]) -> Option<Vec<Match>> {
        let limit = plan.options.limit;
        let mut seen = HashSet::new();
        let mut best: Vec<(f32, Match)> = Vec::new();
        for hit in hits {
            for product in self.products_of(hit.row) {
                let product = *product as usize;
                if self.passes(product, plan.options) && seen.insert(product) {
                    best.push((hit.score, self.scored(plan.query, product, hit.row)));
                }
            }
        }
        best.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.product.cmp(&b.1.product)));
        if let Some(last) = hits.last().filter(|_| hits.len() >= plan.reach && limit > 0)
            && best.get(limit - 1).is_none_or(|(score, _)| *score <= last.score)
        {
            return None;
        }
        let best = best.into_iter().map(|(_, found)| found);
        let mut first = self.reordered(plan);
        if first.is_empty() {
            return Some(best.take(limit).collect());
        }
        let known: HashSet<usize> = first.iter().map(|found| found.product).collect();
        first.extend(best.filter(|found| !known.contains(&found.product)));
        first.truncate(limit);
        Some(first)
    }

    /// Products in the order of a re-ranking that does not follow the inner products.
    fn reordered(&self, plan: &Plan<'_>) -> Vec<Match> {
        if plan.query.dim() != self.embeddings.dim() {
            return Vec::new();
        }
        let Plan { query, options, .. } = plan;
        let order = options
            .rerank
            .reordered(query.values(), &self.embeddings, plan.filter.as_deref());
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        for row in order {
            for product in self.products_of(row) {
                let product = *product as usize;
                if self.passes(product, options) && seen.insert(product) {
                    found.push(self.scored(query, product, row));
                }
            }
        }
        found
    }

    fn scored(&self, query: &Embedding, product: usize, row: usize) -> Match {
        Match {
            product,
            row,
            score: self.embeddings.dot(query.values(), row),
        }
    }

    fn scanner(&self) -> Scanner<'_> {
        let scanner = self.embeddings.scanner().groups(&self.groups);
        scanner.unwrap_or_else(|error| panic!("every row has a group: {error}"))
    }

    /// True if the options allow the product.
    fn passes(&self, product: usize, options: &SearchOptions) -> bool {
        options.category.is_none_or(|wanted| wanted == self.categories[product])
            && options
                .products
                .as_ref()
                .is_none_or(|allowed| allowed.contains(product))
    }

    /// Rows that the options allow; all rows if `None`.
    fn filter(&self, options: &SearchOptions) -> Option<Cow<'_, Bitmap>> {
        if options.products.is_some() {
            let is_allowed = |row| {
                let mut products = self.products_of(row).iter();
                products.any(|product| self.passes(*product as usize, options))
            };
            return Some(Cow::Owned(Bitmap::from_fn(self.groups.len(), is_allowed)));
        }
        let of_category = |wanted| {
            let rows = self.rows.iter().find(|(category, _)| *category == wanted);
            rows.map_or(&self.none, |(_, rows)| rows)
        };
        let rows = options.category.map(of_category).or(self.owned.as_ref());
        rows.map(Cow::Borrowed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::rerank::Rerank;
    use crate::storage::Storage;

    /// Reference implementation: all products by their best row, sorted.
    fn naive(gallery: &Gallery, owners: &[(usize, u32)], query: &Embedding, options: &SearchOptions) -> Vec<Match> {
        let mut best: HashMap<u32, Match> = HashMap::new();
        for (row, product) in owners {
            let found = gallery.scored(query, *product as usize, *row);
            let is_better = best.get(product).is_none_or(|known| found.score > known.score);
            if gallery.passes(*product as usize, options) && is_better {
                best.insert(*product, found);
            }
        }
        let mut all: Vec<Match> = best.into_values().collect();
        all.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.product.cmp(&b.product)));
        all.truncate(options.limit);
        all
    }

    fn options(limit: usize, category: Option<Category>, rerank: Rerank) -> SearchOptions {
        SearchOptions {
            limit,
            category,
            products: None,
            rerank: rerank.into(),
        }
    }

    proptest! {
        /// Few distinct values cause many ties, so the order of ties is tested too. Rows have no, one or several products.
        #[test]
        fn search_equals_the_reference_implementation(
            dim in 1usize..40,
            categories in proptest::collection::vec(0usize..4, 1..200),
            owned in proptest::collection::vec((0usize..200, 0usize..4), 0..700),
            limit in 0usize..60,
            wanted in proptest::option::of(0usize..4),
            chosen in proptest::option::of(1usize..5),
            block in 1usize..300,
            seed in proptest::collection::vec(-2i8..=2, 64),
            storage in proptest::sample::select(vec![Storage::F32, Storage::F16, Storage::Int8]),
        ) {
            let value = |at: usize| f32::from(seed[(at * 7 + at / dim % 5) % seed.len()]);
            let values: Vec<f32> = (0..owned.len() * dim).map(value).collect();
            let values: Vec<Vec<f32>> = values.chunks(dim).map(<[f32]>::to_vec).collect();
            let blocks = values.chunks(block).flat_map(|rows| Stored::new(storage, rows).blocks);
            let stored = Stored::of_blocks(dim, blocks.collect());
            // Most rows have one product, some none, and some share products with a neighbour.
            let products = categories.len() as u32;
            let owners: Vec<(usize, u32)> = owned.iter().enumerate().flat_map(|(row, (product, count))| {
                (0..(*count as u32).saturating_sub(1).max(u32::from(*count == 1)))
                    .map(move |step| (row, (*product as u32 + step) % products))
            }).collect();
            let categories = categories.iter().map(|at| Category::ALL[*at]).collect();
            let gallery = Gallery::with_owners(stored, categories, owners.iter().copied());
            let query = Embedding::new("m", (0..dim).map(|at| value(at + 3) + 0.5).collect()).expect("the vector is not zero");
            let filter = |step| Arc::new(Bitmap::from_fn(products as usize, |product| product % step == 0));
            let asked = SearchOptions { products: chosen.map(filter), ..options(limit, wanted.map(|at| Category::ALL[at]), Rerank::None) };
            // Other queries in the batch do not change the result.
            let other = Embedding::new("m", (0..dim).map(|at| value(at + 11) - 0.25).collect()).expect("the vector is not zero");
            let all = options(7, None, Rerank::None);
            let hop = options(3, Some(Category::Shoes), Rerank::Hop);
            let batch = [(&other, &all), (&query, &asked), (&query, &all), (&other, &hop), (&query, &asked)];
            let found = gallery.search_batch(&batch);
            if !owned.is_empty() {
                prop_assert_eq!(&found[1], &naive(&gallery, &owners, &query, &asked));
            }
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
            assert!(gallery.search(&other, &options(5, None, rerank)).is_empty());
        }
    }
}
