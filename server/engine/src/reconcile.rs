//! Comparison of a store and an engine, and repair of the differences.

use std::collections::BTreeMap;

use store::Store;

use crate::engine::Engine;
use crate::error::FeedError;
use crate::product::{Fingerprint, IdRange, ProductVectors, Stamp};
use crate::source::complete;

/// Result of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reconciled {
    /// Products with vectors in the store.
    pub products: usize,
    /// Products that the engine lacked or had in another state. They were applied.
    pub applied: usize,
    /// Products that only the engine had. They were deleted.
    pub deleted: usize,
}

impl Reconciled {
    /// Adds the numbers of another part.
    pub(crate) fn add(&mut self, other: Self) {
        self.products += other.products;
        self.applied += other.applied;
        self.deleted += other.deleted;
    }

    /// True if both had the same products.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.applied == 0 && self.deleted == 0
    }
}

/// Compares the `page` products of the store after the id `after` with the engine, and repairs the engine. Returns the id
/// after which the next page begins, or `None` at the end.
///
/// The store reads every vector of the page. Of the engine, a range whose fingerprint is equal is not read further.
pub(crate) fn reconcile_page(
    store: &Store,
    engine: &dyn Engine,
    generation: i64,
    after: &str,
    page: usize,
) -> Result<(Reconciled, Option<String>), FeedError> {
    let stored = store.products(after, page)?;
    let last = match stored.last() {
        Some(last) if stored.len() == page => Some(last.product.id.clone()),
        // The last range has no end, because it also contains products that only the engine has.
        _ => None,
    };
    let to = last.as_deref();
    let mut products = Vec::new();
    for stored in &stored {
        let product = complete(store, generation, stored)?;
        if !product.images.is_empty() {
            products.push(product);
        }
    }
    let (applied, deleted) = repair(engine, generation, IdRange { after, to }, &products)?;
    let reconciled = Reconciled {
        products: products.len(),
        applied,
        deleted,
    };
    Ok((reconciled, last))
}

/// Makes a range of the engine equal to `products`. Returns the numbers of applied and deleted products.
fn repair(
    engine: &dyn Engine,
    generation: i64,
    range: IdRange<'_>,
    products: &[ProductVectors],
) -> Result<(usize, usize), FeedError> {
    let expected: Vec<Stamp> = products.iter().map(ProductVectors::stamp).collect();
    if engine.fingerprint(generation, range)? == Fingerprint::of(&expected) {
        return Ok((0, 0));
    }
    let found = engine.stamps(generation, range)?;
    let mut found: BTreeMap<&str, &Stamp> = found.iter().map(|stamp| (stamp.id.as_str(), stamp)).collect();
    let mut wrong = Vec::new();
    for (product, expected) in products.iter().zip(&expected) {
        if found.remove(product.id.as_str()) != Some(expected) {
            wrong.push(product.clone());
        }
    }
    let extra: Vec<String> = found.into_keys().map(str::to_owned).collect();
    if !wrong.is_empty() {
        engine.apply(generation, &wrong)?;
    }
    if !extra.is_empty() {
        engine.delete(generation, &extra)?;
    }
    Ok((wrong.len(), extra.len()))
}
