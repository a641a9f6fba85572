//! Queries, conditions and hits.

use std::collections::BTreeSet;

use store::Availability;

use crate::error::EngineError;
use crate::product::{Facets, check_vector};

/// A range of prices in one currency. Both ends belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceRange {
    /// ISO 4217 code. Prices in other currencies are outside.
    pub currency: String,
    /// Minimum amount in minor units.
    pub min: u64,
    /// Maximum amount in minor units. There is no maximum if `None`.
    pub max: Option<u64>,
}

/// A condition on products. All parts that are given must hold. A missing value fulfils no part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Condition {
    /// Ids. The product is one of them.
    pub products: Option<BTreeSet<String>>,
    /// Categories. The product's category is one of them.
    pub categories: Option<Vec<String>>,
    /// Brands. The product's brand is one of them.
    pub brands: Option<Vec<String>>,
    /// Range of the product's price.
    pub price: Option<PriceRange>,
    /// Availabilities. The product's availability is one of them.
    pub availability: Option<Vec<Availability>>,
}

impl Condition {
    /// True if the condition admits all products.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// True if the product `id` with these values fulfils the condition.
    #[must_use]
    pub fn admits(&self, id: &str, facets: &Facets) -> bool {
        let is_in = |allowed: &Option<Vec<String>>, value: &Option<String>| {
            allowed
                .as_ref()
                .is_none_or(|allowed| value.as_ref().is_some_and(|value| allowed.contains(value)))
        };
        let has_price = self.price.as_ref().is_none_or(|range| {
            facets.price.as_ref().is_some_and(|price| {
                price.currency == range.currency
                    && price.amount >= range.min
                    && range.max.is_none_or(|max| price.amount <= max)
            })
        });
        let is_available = self.availability.as_ref().is_none_or(|allowed| {
            facets
                .availability
                .is_some_and(|availability| allowed.contains(&availability))
        });
        let is_wanted = self.products.as_ref().is_none_or(|products| products.contains(id));
        is_wanted
            && is_in(&self.categories, &facets.category)
            && is_in(&self.brands, &facets.brand)
            && has_price
            && is_available
    }
}

/// A query.
#[derive(Debug, Clone)]
pub struct EngineQuery<'a> {
    /// The vector. It has the dimension of the live generation.
    pub vector: &'a [f32],
    /// Maximum number of products.
    pub limit: usize,
    /// Condition on the products.
    pub condition: Condition,
}

impl<'a> EngineQuery<'a> {
    /// A query without condition.
    #[must_use]
    pub fn new(vector: &'a [f32], limit: usize) -> Self {
        Self {
            vector,
            limit,
            condition: Condition::default(),
        }
    }

    /// Checks the vector.
    ///
    /// # Errors
    /// [`EngineError::Invalid`].
    pub fn check(&self, dim: usize) -> Result<(), EngineError> {
        check_vector(self.vector, dim).map_err(|message| EngineError::invalid("query", message))
    }
}

/// A product that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineHit {
    /// Id of the product.
    pub id: String,
    /// Version of the product in the engine.
    pub version: u64,
    /// Text form of the key of the best image.
    pub image: String,
    /// Inner product of the query and the best vector.
    pub score: f32,
}

/// Sorts hits by score, best first, and hits of equal score by id.
pub fn sort_hits(hits: &mut [EngineHit]) {
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.id.cmp(&b.id)));
}
