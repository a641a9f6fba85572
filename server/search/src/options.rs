//! Options and results of a search.

use std::sync::Arc;

use scan::Bitmap;
use shared::taxonomy::Category;

use super::rerank::Reranking;

/// Options of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchOptions {
    /// Maximum number of products.
    pub limit: usize,
    /// Category of the products; all categories if `None`.
    pub category: Option<Category>,
    /// Products that can be found, by their indices; all products if `None`.
    pub products: Option<Arc<Bitmap>>,
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
