//! Cases of searches.

use store::{Availability, Price};

use crate::conformance::sample::{DIM, FIRST, Sample, axis, expected, found, ids, ok, product, start, unit};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::product::{Facets, ProductVectors};
use crate::query::{Condition, EngineQuery, PriceRange};

pub(super) fn grouped(engine: &dyn Engine) {
    start(engine, DIM);
    let near = |at: usize| unit(&[1.0, at as f32 * 0.01, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    // The first product has 100 vectors that are nearer than the best vector of any other product.
    let many: Vec<Vec<f32>> = (0..100).map(near).collect();
    let mut products = vec![product("many", 1, &many)];
    products.extend((0..5).map(|at| product(&format!("P{at}"), 1, &[axis(DIM, 5), near(200 + at)])));
    ok(engine.apply(FIRST, &products));
    let query = axis(DIM, 0);
    assert_eq!(ids(engine, &query, 4), ["many", "P0", "P1", "P2"]);
    let hits = ok(engine.search(&[EngineQuery::new(&query, 2)])).remove(0);
    assert_eq!((hits[0].image.as_str(), hits[1].image.as_str()), ("image 0", "image 1"));
}

pub(super) fn ties(engine: &dyn Engine) {
    start(engine, DIM);
    // 300 products show one image. Batches of changes must not decide their order.
    let names: Vec<String> = (0..300).map(|at| format!("P{:03}", (at * 37) % 300)).collect();
    for part in names.chunks(70) {
        let products: Vec<_> = part
            .iter()
            .map(|id| product(id, 1, &[unit(&[3.0, 1.0, 0.3, 0.1, 0.7, 0.9, 0.2, 0.4])]))
            .collect();
        ok(engine.apply(FIRST, &products));
    }
    ok(engine.apply(FIRST, &[product("best", 1, &[axis(DIM, 0)])]));
    let query = unit(&[1.0, 0.1, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0]);
    for limit in [1, 2, 10, 150, 301] {
        let mut sorted = vec!["best".to_owned()];
        sorted.extend((0..limit - 1).map(|at| format!("P{at:03}")));
        assert_eq!(ids(engine, &query, limit), sorted, "limit {limit}");
    }
}

pub(super) fn limits(engine: &dyn Engine) {
    start(engine, DIM);
    let query = axis(DIM, 0);
    assert!(ids(engine, &query, 10).is_empty(), "an empty generation has no hits");
    ok(engine.apply(
        FIRST,
        &[product("A", 1, &[axis(DIM, 0)]), product("B", 1, &[axis(DIM, 1)])],
    ));
    assert!(ids(engine, &query, 0).is_empty());
    assert_eq!(ids(engine, &query, 1), ["A"]);
    assert_eq!(ids(engine, &query, 2), ["A", "B"]);
    assert_eq!(ids(engine, &query, 100_000), ["A", "B"]);
    assert!(ok(engine.search(&[])).is_empty());
}

pub(super) fn batches(engine: &dyn Engine) {
    start(engine, DIM);
    let mut sample = Sample::new(3);
    let products: Vec<_> = (0..200).map(|at| sample.product(&format!("P{at}"), DIM, 3)).collect();
    ok(engine.apply(FIRST, &products));
    let vectors: Vec<Vec<f32>> = (0..40).map(|_| sample.vector(DIM)).collect();
    let queries: Vec<EngineQuery<'_>> = vectors
        .iter()
        .enumerate()
        .map(|(at, vector)| EngineQuery {
            vector,
            limit: at % 7,
            condition: if at % 3 == 0 {
                category("shoes")
            } else {
                Condition::default()
            },
        })
        .collect();
    let together = ok(engine.search(&queries));
    assert_eq!(together.len(), queries.len());
    for (query, together) in queries.iter().zip(together) {
        assert_eq!(ok(engine.search(std::slice::from_ref(query))).remove(0), together);
        assert_eq!(together, expected(&products, query));
    }
}

pub(super) fn conditions(engine: &dyn Engine) {
    start(engine, DIM);
    ok(engine.apply(FIRST, &valued_products()));
    for (condition, admitted) in condition_cases() {
        let query = EngineQuery {
            vector: &axis(DIM, 0),
            limit: 10,
            condition,
        };
        let found: Vec<String> = found(engine, &query).into_iter().map(|(id, _)| id).collect();
        assert_eq!(found, admitted, "{:?}", query.condition);
    }
}

/// Products with one vector and different values.
fn valued_products() -> Vec<ProductVectors> {
    let price = |amount, currency: &str| {
        Some(Price {
            amount,
            currency: currency.into(),
        })
    };
    let values = [
        (
            "all",
            Some("shoes"),
            Some("A"),
            price(100, "EUR"),
            Some(Availability::InStock),
        ),
        (
            "bag",
            Some("bags"),
            Some("A"),
            price(200, "EUR"),
            Some(Availability::Backorder),
        ),
        (
            "yen",
            Some("shoes"),
            Some("B"),
            price(100, "JPY"),
            Some(Availability::OutOfStock),
        ),
        ("free", Some("shoes"), None, price(0, "EUR"), None),
        (
            "large",
            Some("tops"),
            Some("B"),
            price(store::currency::MAX_AMOUNT, "EUR"),
            Some(Availability::InStock),
        ),
        ("none", None, None, None, None),
    ];
    values
        .into_iter()
        .map(|(id, category, brand, price, availability)| {
            let mut product = product(id, 1, &[axis(DIM, 0)]);
            product.facets = Facets {
                category: category.map(str::to_owned),
                brand: brand.map(str::to_owned),
                price,
                availability,
            };
            product
        })
        .collect()
}

/// Conditions, and the ids that they admit.
fn condition_cases() -> Vec<(Condition, Vec<&'static str>)> {
    let list = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    let euros = |min, max| Condition {
        price: Some(PriceRange {
            currency: "EUR".into(),
            min,
            max,
        }),
        ..Condition::default()
    };
    let brands = |names: &[&str]| Condition {
        brands: list(names),
        ..Condition::default()
    };
    let products = |ids: &[&str]| Condition {
        products: Some(ids.iter().map(|id| (*id).to_owned()).collect()),
        ..Condition::default()
    };
    let available = |states: &[Availability]| Condition {
        availability: Some(states.to_vec()),
        ..Condition::default()
    };
    vec![
        (Condition::default(), vec!["all", "bag", "free", "large", "none", "yen"]),
        (category("shoes"), vec!["all", "free", "yen"]),
        (category("unknown"), vec![]),
        (brands(&["A", "B"]), vec!["all", "bag", "large", "yen"]),
        (brands(&[""]), vec![]),
        (brands(&[]), vec![]),
        (euros(0, None), vec!["all", "bag", "free", "large"]),
        (euros(100, Some(200)), vec!["all", "bag"]),
        (euros(201, Some(u64::MAX)), vec!["large"]),
        (euros(u64::MAX, None), vec![]),
        (euros(200, Some(100)), vec![]),
        (available(&[Availability::InStock]), vec!["all", "large"]),
        (available(&[]), vec![]),
        (products(&["yen", "bag", "unknown"]), vec!["bag", "yen"]),
        (products(&[]), vec![]),
        (
            Condition {
                brands: list(&["A"]),
                ..products(&["yen", "bag"])
            },
            vec!["bag"],
        ),
        (
            Condition {
                categories: list(&["shoes", "bags"]),
                brands: list(&["A"]),
                availability: Some(vec![Availability::InStock, Availability::Preorder]),
                ..euros(50, Some(150))
            },
            vec!["all"],
        ),
    ]
}

pub(super) fn refused(engine: &dyn Engine) {
    let query = axis(DIM + 1, 0);
    let result = engine.search(&[EngineQuery::new(&query, 1)]);
    assert!(matches!(result, Err(EngineError::Generation { .. })), "{result:?}");
    start(engine, DIM);
    let infinite = vec![f32::NAN; DIM];
    for wrong in [query, infinite, Vec::new()] {
        let result = engine.search(&[EngineQuery::new(&axis(DIM, 0), 1), EngineQuery::new(&wrong, 1)]);
        assert!(matches!(result, Err(EngineError::Invalid { .. })), "{result:?}");
    }
}

pub(super) fn random(engine: &dyn Engine) {
    start(engine, 32);
    let mut sample = Sample::new(11);
    let mut products: Vec<ProductVectors> = (0..600).map(|at| sample.product(&format!("P{at}"), 32, 4)).collect();
    ok(engine.apply(FIRST, &products));
    // A part is replaced and a part is deleted.
    for at in (0..600).step_by(5) {
        products[at] = sample.product(&format!("P{at}"), 32, 4);
        products[at].version = 2;
    }
    let changed: Vec<ProductVectors> = products.iter().step_by(5).cloned().collect();
    ok(engine.apply(FIRST, &changed));
    let gone: Vec<String> = products
        .iter()
        .skip(3)
        .step_by(11)
        .map(|product| product.id.clone())
        .collect();
    ok(engine.delete(FIRST, &gone));
    products.retain(|product| !gone.contains(&product.id));
    for at in 0..60 {
        let vector = sample.vector(32);
        let condition = match at % 4 {
            0 => Condition::default(),
            1 => category("tops"),
            _ => Condition {
                price: Some(PriceRange {
                    currency: "EUR".into(),
                    min: sample.below(50) as u64,
                    max: Some(50 + sample.below(50) as u64),
                }),
                brands: Some(vec!["A".into()]),
                ..Condition::default()
            },
        };
        let query = EngineQuery {
            vector: &vector,
            limit: 1 + sample.below(40),
            condition,
        };
        let hits = ok(engine.search(std::slice::from_ref(&query))).remove(0);
        assert_eq!(hits, expected(&products, &query), "query {at}");
    }
}

/// Number of products of a large catalog.
const LARGE: usize = 6000;

pub(super) fn large(engine: &dyn Engine) {
    start(engine, 16);
    let mut sample = Sample::new(17);
    // The vectors are in narrow clusters, where an index that skips vectors misses some.
    let centers: Vec<Vec<f32>> = (0..50).map(|_| sample.vector(16)).collect();
    let products: Vec<ProductVectors> = (0..LARGE)
        .map(|at| {
            let vectors: Vec<Vec<f32>> = (0..2)
                .map(|_| {
                    let (center, noise) = (&centers[sample.below(50)], sample.vector(16));
                    let numbers = center.iter().zip(noise).map(|(value, noise)| value + 0.1 * noise);
                    unit(&numbers.collect::<Vec<_>>())
                })
                .collect();
            product(&format!("P{at}"), 1, &vectors)
        })
        .collect();
    for part in products.chunks(500) {
        ok(engine.apply(FIRST, part));
    }
    let vectors: Vec<Vec<f32>> = (0..30).map(|_| sample.vector(16)).collect();
    let queries: Vec<EngineQuery<'_>> = vectors.iter().map(|vector| EngineQuery::new(vector, 50)).collect();
    for (query, hits) in queries.iter().zip(ok(engine.search(&queries))) {
        assert_eq!(hits, expected(&products, query));
    }
}

fn category(name: &str) -> Condition {
    Condition {
        categories: Some(vec![name.to_owned()]),
        ..Condition::default()
    }
}
