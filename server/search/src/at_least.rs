//! Products whose scores are high enough.

use scan::Bitmap;
use shared::embedding::Embedding;

use super::gallery::Gallery;

impl Gallery {
    /// Products with a row whose inner product with `query` is at least `score`. It takes a pass over all embeddings. A query of
    /// another dimension has none.
    pub fn at_least(&self, query: &Embedding, score: f32) -> Bitmap {
        let mut products = Bitmap::new(self.categories().len());
        if query.dim() != self.embeddings().dim() {
            return products;
        }
        let scores = self.embeddings().dots(&[query.values()]).pop().unwrap_or_default();
        let rows = (0..).zip(scores).filter(|(_, found)| *found >= score);
        for product in rows.flat_map(|(row, _)| self.products_of(row)) {
            products.insert(*product as usize);
        }
        products
    }
}
