//! Cases of changes.

use store::{Availability, Price};

use crate::conformance::sample::{DIM, FIRST, axis, found, ids, ok, product, start, unit};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::product::IdRange;
use crate::query::{Condition, EngineQuery, PriceRange};

pub(super) fn found_at_once(engine: &dyn Engine) {
    start(engine, DIM);
    for at in 0..20 {
        let vector = unit(
            &(0..DIM)
                .map(|dim| ((at * 7 + dim * 3) % 11) as f32 + 0.1)
                .collect::<Vec<_>>(),
        );
        let id = format!("P{at}");
        ok(engine.apply(FIRST, &[product(&id, at as u64 + 1, std::slice::from_ref(&vector))]));
        assert!(
            ids(engine, &vector, at + 1).contains(&id),
            "{id} is found right after it was added"
        );
    }
}

pub(super) fn equal_change(engine: &dyn Engine) {
    start(engine, DIM);
    let products = [
        product("A", 1, &[axis(DIM, 0), axis(DIM, 1)]),
        product("B", 2, &[axis(DIM, 2)]),
    ];
    ok(engine.apply(FIRST, &products));
    let before = ok(engine.stamps(FIRST, IdRange::default()));
    for _ in 0..3 {
        ok(engine.apply(FIRST, &products));
    }
    assert_eq!(ok(engine.stamps(FIRST, IdRange::default())), before);
    assert_eq!(ids(engine, &axis(DIM, 1), 10), ["A", "B"]);
}

pub(super) fn replaced(engine: &dyn Engine) {
    start(engine, DIM);
    let query = axis(DIM, 0);
    ok(engine.apply(FIRST, &[product("A", 1, &[axis(DIM, 0), axis(DIM, 1), axis(DIM, 2)])]));
    ok(engine.apply(FIRST, &[product("A", 5, &[axis(DIM, 3)])]));
    let hits = ok(engine.search(&[EngineQuery::new(&query, 10)])).remove(0);
    assert_eq!(hits.len(), 1);
    assert_eq!((hits[0].id.as_str(), hits[0].version, hits[0].score), ("A", 5, 0.0));
    assert_eq!(
        found(engine, &EngineQuery::new(&axis(DIM, 3), 10)),
        [("A".to_owned(), 1.0)]
    );

    // The values change and the vectors stay.
    let mut priced = product("A", 6, &[axis(DIM, 3)]);
    priced.facets.price = Some(Price {
        amount: 500,
        currency: "EUR".into(),
    });
    let cheap = Condition {
        price: Some(PriceRange {
            currency: "EUR".into(),
            min: 0,
            max: Some(500),
        }),
        ..Condition::default()
    };
    let query = EngineQuery {
        vector: &query,
        limit: 10,
        condition: cheap,
    };
    assert!(found(engine, &query).is_empty());
    ok(engine.apply(FIRST, &[priced]));
    assert_eq!(found(engine, &query).len(), 1);

    // The number of vectors grows again.
    ok(engine.apply(FIRST, &[product("A", 7, &[axis(DIM, 3), axis(DIM, 4)])]));
    assert_eq!(
        found(engine, &EngineQuery::new(&axis(DIM, 4), 10)),
        [("A".to_owned(), 1.0)]
    );
    assert!(found(engine, &query).is_empty());
}

pub(super) fn without_vectors(engine: &dyn Engine) {
    start(engine, DIM);
    ok(engine.apply(FIRST, &[product("A", 1, &[axis(DIM, 0)]), product("B", 2, &[])]));
    assert_eq!(ids(engine, &axis(DIM, 0), 10), ["A"]);
    ok(engine.apply(FIRST, &[product("A", 3, &[])]));
    assert!(ids(engine, &axis(DIM, 0), 10).is_empty());
    assert!(ok(engine.stamps(FIRST, IdRange::default())).is_empty());
}

pub(super) fn deleted(engine: &dyn Engine) {
    start(engine, DIM);
    let products: Vec<_> = ["A", "B", "C"]
        .iter()
        .enumerate()
        .map(|(at, id)| product(id, 1, &[axis(DIM, at), axis(DIM, 7)]))
        .collect();
    ok(engine.apply(FIRST, &products));
    ok(engine.delete(FIRST, &["B".into(), "unknown".into()]));
    assert_eq!(ids(engine, &axis(DIM, 7), 10), ["A", "C"]);
    ok(engine.delete(FIRST, &["B".into()]));
    ok(engine.delete(FIRST, &[]));
    ok(engine.apply(FIRST, &products[1..2]));
    assert_eq!(ids(engine, &axis(DIM, 7), 10), ["A", "B", "C"]);
    ok(engine.delete(FIRST, &["A".into(), "B".into(), "C".into()]));
    assert!(ids(engine, &axis(DIM, 7), 10).is_empty());
}

pub(super) fn last_counts(engine: &dyn Engine) {
    start(engine, DIM);
    let changes = [
        product("A", 1, &[axis(DIM, 0), axis(DIM, 1)]),
        product("B", 2, &[axis(DIM, 4)]),
        product("A", 3, &[axis(DIM, 2)]),
        product("B", 4, &[]),
    ];
    ok(engine.apply(FIRST, &changes));
    assert_eq!(
        found(engine, &EngineQuery::new(&axis(DIM, 2), 5)),
        [("A".to_owned(), 1.0)]
    );
    assert_eq!(ok(engine.stamps(FIRST, IdRange::default())), [changes[2].stamp()]);
}

pub(super) fn refused(engine: &dyn Engine) {
    start(engine, DIM);
    let good = product("good", 1, &[axis(DIM, 0)]);
    let mut infinite = axis(DIM, 0);
    infinite[1] = f32::INFINITY;
    for wrong in [
        product("", 1, &[axis(DIM, 0)]),
        product("a\nb", 1, &[axis(DIM, 0)]),
        product("long", 1, &[axis(DIM + 1, 0)]),
        product("short", 1, &[vec![0.0; DIM]]),
        product("infinite", 1, &[infinite]),
    ] {
        let result = engine.apply(FIRST, &[good.clone(), wrong]);
        assert!(matches!(result, Err(EngineError::Invalid { .. })), "{result:?}");
    }
    assert!(ok(engine.stamps(FIRST, IdRange::default())).is_empty());
}

/// Ids with characters that have a meaning in languages of expressions and in patterns.
const NAMES: &[&str] = &[
    "a",
    "A",
    "a#0",
    "a#1",
    "#",
    "\"",
    "\\",
    "\\\"",
    "'",
    "a b",
    "%",
    "_",
    "?*",
    "é",
    "e\u{301}",
    "衬衫",
    "🧥",
    "a\" or \"a",
    "\\n",
    "\\u0041",
    "{x}",
    "[1]",
    "null",
    "true",
    "0",
    "-1",
    "id in [\"a\"]",
];

pub(super) fn any_characters(engine: &dyn Engine) {
    start(engine, DIM);
    let long = "ü".repeat(128);
    let names: Vec<&str> = NAMES.iter().copied().chain([long.as_str()]).collect();
    let products: Vec<_> = names
        .iter()
        .map(|name| {
            let mut product = product(name, 1, &[axis(DIM, 0), axis(DIM, 1)]);
            product.facets.category = Some((*name).to_owned());
            product.facets.brand = Some(brand(name));
            product.facets.availability = Some(Availability::Preorder);
            product
        })
        .collect();
    ok(engine.apply(FIRST, &products));
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(ids(engine, &axis(DIM, 0), 100), sorted);
    let query = axis(DIM, 1);
    for name in &names {
        let condition = Condition {
            categories: Some(vec![(*name).to_owned(), "other".into()]),
            brands: Some(vec![brand(name)]),
            ..Condition::default()
        };
        let query = EngineQuery {
            vector: &query,
            limit: 10,
            condition,
        };
        assert_eq!(found(engine, &query), [((*name).to_owned(), 1.0)], "category {name}");
    }
    for (at, part) in names.chunks(5).enumerate() {
        let part: Vec<String> = part.iter().map(|name| (*name).to_owned()).collect();
        ok(engine.delete(FIRST, &part));
        let left = ids(engine, &axis(DIM, 0), 100);
        assert_eq!(left.len(), names.len().saturating_sub((at + 1) * 5), "delete {part:?}");
        assert!(part.iter().all(|name| !left.contains(name)), "delete {part:?}");
    }
}

/// A brand for a category. It has at most 256 bytes.
fn brand(category: &str) -> String {
    format!("{}!", category.chars().take(10).collect::<String>())
}
