//! Exact search: every embedding is compared with every query.
//!
//! Rows of one product lie together and products are in the order of their ids, so grouping by product costs nothing and
//! equal scores come out by id on every machine. **Invariant:** the result depends on the data alone, never on the number
//! of threads.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::ops::Range;

use rayon::prelude::*;
use shared::embedding::Embedding;
use shared::taxonomy::Category;

/// Products that one task scans; about a megabyte of embeddings, so that a block stays in cache for all queries.
const BLOCK: usize = 256;

/// Independent sums of a dot product, so that the compiler can use wide registers.
const LANES: usize = 16;

/// What to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchOptions {
    /// The most products wanted.
    pub limit: usize,
    /// Only products of this category.
    pub category: Option<Category>,
}

/// One product found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// Index of the product.
    pub product: usize,
    /// Index of its best row.
    pub row: usize,
    /// Dot product of that row and the query.
    pub score: f32,
}

/// Embeddings grouped by product.
#[derive(Debug)]
pub struct Gallery {
    dim: usize,
    values: Vec<f32>,
    /// Row where each product begins, and the number of rows.
    starts: Vec<usize>,
    categories: Vec<Category>,
}

impl Gallery {
    /// Groups `values`, rows of `dim` finite numbers: product `i` owns the next `products[i].1` rows.
    ///
    /// # Errors
    /// When the numbers do not make up that many rows, or one is not finite.
    pub fn new(dim: usize, values: Vec<f32>, products: &[(Category, usize)]) -> Result<Self, String> {
        let mut starts = Vec::with_capacity(products.len() + 1);
        let mut rows = 0;
        starts.push(rows);
        for (_, count) in products {
            rows += count;
            starts.push(rows);
        }
        if dim == 0 || Some(values.len()) != rows.checked_mul(dim) {
            return Err(format!("{} numbers are not {rows} rows of {dim}", values.len()));
        }
        if let Some(at) = values.par_iter().position_first(|value| !value.is_finite()) {
            return Err(format!("row {} is not finite", at / dim));
        }
        Ok(Self { dim, values, starts, categories: products.iter().map(|(category, _)| *category).collect() })
    }

    /// Numbers of an embedding.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Photos embedded.
    pub fn rows(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    /// One photo's embedding.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.dim..(row + 1) * self.dim]
    }

    /// The products most like `query`, best first; equal scores by product. A query of another dimension finds nothing.
    pub fn search(&self, query: &Embedding, options: &SearchOptions) -> Vec<Match> {
        self.search_batch(&[query], options).pop().unwrap_or_default()
    }

    /// [`search`](Self::search) for several queries in one pass over the embeddings.
    pub fn search_batch(&self, queries: &[&Embedding], options: &SearchOptions) -> Vec<Vec<Match>> {
        let products = self.categories.len();
        let empty = || -> Vec<Best> { queries.iter().map(|_| Best::new(options.limit)).collect() };
        let best = (0..products.div_ceil(BLOCK))
            .into_par_iter()
            .fold(empty, |mut best, block| {
                let range = block * BLOCK..((block + 1) * BLOCK).min(products);
                for (query, best) in queries.iter().zip(&mut best) {
                    if query.dim() == self.dim {
                        self.scan(query.values(), range.clone(), options.category, best);
                    }
                }
                best
            })
            .reduce(empty, |mut left, right| {
                for (left, right) in left.iter_mut().zip(right) {
                    right.heap.into_iter().for_each(|Reverse(ranked)| left.offer(ranked));
                }
                left
            });
        best.into_iter().map(Best::sorted).collect()
    }

    fn scan(&self, query: &[f32], products: Range<usize>, category: Option<Category>, best: &mut Best) {
        for product in products {
            if category.is_some_and(|wanted| wanted != self.categories[product]) {
                continue;
            }
            let rows = self.starts[product]..self.starts[product + 1];
            let scored = rows.map(|row| Match { product, row, score: dot(query, self.row(row)) });
            // The first row wins among equals.
            if let Some(hit) = scored.reduce(|a, b| if b.score > a.score { b } else { a }) {
                best.offer(Ranked(hit));
            }
        }
    }
}

/// A match in the order of merit: the greater is the better, and a NaN is worse than everything.
#[derive(Debug, Clone, Copy)]
struct Ranked(Match);

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        shared::score::descending(other.0.score, self.0.score).then(other.0.product.cmp(&self.0.product))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}

/// The best matches so far, the worst of them on top.
struct Best {
    limit: usize,
    heap: BinaryHeap<Reverse<Ranked>>,
}

impl Best {
    fn new(limit: usize) -> Self {
        Self { limit, heap: BinaryHeap::new() }
    }

    fn offer(&mut self, ranked: Ranked) {
        if ranked.0.score.is_nan() {
            return;
        }
        if self.heap.len() < self.limit {
            self.heap.push(Reverse(ranked));
        } else if let Some(mut worst) = self.heap.peek_mut()
            && ranked > worst.0
        {
            *worst = Reverse(ranked);
        }
    }

    fn sorted(self) -> Vec<Match> {
        self.heap.into_sorted_vec().into_iter().map(|Reverse(Ranked(hit))| hit).collect()
    }
}

/// Dot product with a fixed order of additions.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_blocks, b_blocks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let tail: f32 = a_blocks.remainder().iter().zip(b_blocks.remainder()).map(|(x, y)| x * y).sum();
    let mut sums = [0.0f32; LANES];
    for (x, y) in a_blocks.zip(b_blocks) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    sums.iter().sum::<f32>() + tail
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All products by their best row, sorted, the plain way.
    fn naive(gallery: &Gallery, query: &Embedding, options: &SearchOptions) -> Vec<Match> {
        let mut all: Vec<Match> = (0..gallery.categories.len())
            .filter(|&product| options.category.is_none_or(|wanted| wanted == gallery.categories[product]))
            .filter_map(|product| {
                let rows = gallery.starts[product]..gallery.starts[product + 1];
                let scored = rows.map(|row| Match { product, row, score: dot(query.values(), gallery.row(row)) });
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
            let values = (0..rows * dim).map(value).collect();
            let gallery = Gallery::new(dim, values, &products).expect("fits");
            let query = Embedding::new("m", (0..dim).map(|at| value(at + 3) + 0.5).collect()).expect("not zero");
            let options = SearchOptions { limit, category: wanted.map(|at| Category::ALL[at]) };
            let found = gallery.search_batch(&[&query, &query], &options);
            prop_assert_eq!(&found[0], &naive(&gallery, &query, &options));
            prop_assert_eq!(&found[0], &found[1]);
        }

        #[test]
        fn dot_is_close_to_double_precision(pairs in proptest::collection::vec((-1f32..1.0, -1f32..1.0), 0..200)) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.iter().copied().unzip();
            let exact: f64 = pairs.iter().map(|&(x, y)| f64::from(x) * f64::from(y)).sum();
            prop_assert!((f64::from(dot(&a, &b)) - exact).abs() < 1e-4);
        }
    }

    #[test]
    fn refuses_what_is_no_gallery() {
        let tops = |rows| [(Category::Tops, rows)];
        assert!(Gallery::new(2, vec![1.0; 3], &tops(1)).is_err());
        assert!(Gallery::new(0, vec![], &tops(1)).is_err());
        assert!(Gallery::new(1, vec![f32::NAN], &tops(1)).is_err());
        let gallery = Gallery::new(2, vec![1.0, 0.0], &tops(1)).expect("fits");
        let other = Embedding::new("m", vec![1.0; 3]).expect("valid");
        assert!(gallery.search(&other, &SearchOptions { limit: 5, category: None }).is_empty());
    }
}
