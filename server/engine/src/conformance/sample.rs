//! Products and queries for tests, and the hits that are expected.

use scan::{Rows, Values};
use store::{Availability, Price};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::product::{Facets, ImageVector, ProductVectors};
use crate::query::{EngineHit, EngineQuery, sort_hits};

/// Dimension of the vectors of most cases.
pub(crate) const DIM: usize = 8;
/// Generation of most cases.
pub(crate) const FIRST: i64 = 1;

/// The value, or a panic with the error.
pub(crate) fn ok<T>(result: Result<T, EngineError>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

/// A source of numbers that follow from a seed.
#[derive(Debug, Clone)]
pub struct Sample(u64);

impl Sample {
    /// Creates a source.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(2).wrapping_add(1))
    }

    /// A number below `end`, which is at least 1.
    pub fn below(&mut self, end: usize) -> usize {
        // Constants of the 64-bit generator of Knuth's MMIX.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end.max(1)
    }

    /// A unit vector.
    pub fn vector(&mut self, dim: usize) -> Vec<f32> {
        let numbers: Vec<f32> = (0..dim).map(|_| self.below(20_001) as f32 / 10_000.0 - 1.0).collect();
        unit(&numbers)
    }

    /// A product with 1 to `images` vectors and random values.
    pub fn product(&mut self, id: &str, dim: usize, images: usize) -> ProductVectors {
        let count = 1 + self.below(images);
        let vectors: Vec<Vec<f32>> = (0..count).map(|_| self.vector(dim)).collect();
        let mut product = product(id, 1, &vectors);
        product.facets = Facets {
            category: pick(self, &["shoes", "tops", "bags"]),
            brand: pick(self, &["A", "B"]),
            price: pick(self, &["EUR", "JPY"]).map(|currency| Price {
                amount: self.below(100) as u64,
                currency,
            }),
            availability: [Some(Availability::InStock), Some(Availability::OutOfStock), None][self.below(3)],
        };
        product
    }
}

/// One of the values, or none.
fn pick(sample: &mut Sample, values: &[&str]) -> Option<String> {
    values
        .get(sample.below(values.len() + 1))
        .map(|value| (*value).to_owned())
}

/// The vector of unit length in the direction of `numbers`.
pub(crate) fn unit(numbers: &[f32]) -> Vec<f32> {
    let norm = numbers
        .iter()
        .map(|value| f64::from(*value).powi(2))
        .sum::<f64>()
        .sqrt();
    if norm < 1e-6 {
        return axis(numbers.len(), 0);
    }
    numbers.iter().map(|value| (f64::from(*value) / norm) as f32).collect()
}

/// The unit vector along a dimension.
pub(crate) fn axis(dim: usize, at: usize) -> Vec<f32> {
    (0..dim).map(|other| if other == at { 1.0 } else { 0.0 }).collect()
}

/// A product without values whose images are `image 0`, `image 1` and so on.
pub(crate) fn product(id: &str, version: u64, vectors: &[Vec<f32>]) -> ProductVectors {
    let image = |(at, vector): (usize, &Vec<f32>)| ImageVector {
        key: format!("image {at}"),
        vector: vector.clone(),
    };
    ProductVectors {
        id: id.to_owned(),
        version,
        images: vectors.iter().enumerate().map(image).collect(),
        ..ProductVectors::default()
    }
}

/// Creates the first generation and makes it live.
pub(crate) fn start(engine: &dyn Engine, dim: usize) {
    ok(engine.create(FIRST, dim));
    ok(engine.switch(FIRST));
}

/// Ids and scores that one query finds.
pub(crate) fn found(engine: &dyn Engine, query: &EngineQuery<'_>) -> Vec<(String, f32)> {
    let mut all = ok(engine.search(std::slice::from_ref(query)));
    assert_eq!(all.len(), 1, "one query has one list of hits");
    all.remove(0).into_iter().map(|hit| (hit.id, hit.score)).collect()
}

/// Ids that a query without condition finds.
pub(crate) fn ids(engine: &dyn Engine, vector: &[f32], limit: usize) -> Vec<String> {
    let hits = found(engine, &EngineQuery::new(vector, limit));
    hits.into_iter().map(|(id, _)| id).collect()
}

/// The hits of a query among `products`, computed one by one.
#[must_use]
pub fn expected(products: &[ProductVectors], query: &EngineQuery<'_>) -> Vec<EngineHit> {
    let dim = query.vector.len();
    let best = |product: &ProductVectors| {
        let numbers: Vec<f32> = product
            .images
            .iter()
            .flat_map(|image| image.vector.iter().copied())
            .collect();
        let rows = Rows::new(dim, Values::F32(&numbers)).ok()?;
        let scores: Vec<f32> = (0..rows.len()).map(|row| rows.dot(query.vector, row)).collect();
        let mut at = 0;
        for (row, score) in scores.iter().enumerate() {
            if *score > scores[at] {
                at = row;
            }
        }
        Some(EngineHit {
            id: product.id.clone(),
            version: product.version,
            image: product.images.get(at)?.key.clone(),
            score: scores[at],
        })
    };
    let admitted = products
        .iter()
        .filter(|product| query.condition.admits(&product.id, &product.facets));
    let mut hits: Vec<EngineHit> = admitted.filter_map(best).collect();
    sort_hits(&mut hits);
    hits.truncate(query.limit);
    hits
}
