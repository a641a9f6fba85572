//! Cases of generations.

use crate::conformance::sample::{FIRST, axis, ids, ok, product, start};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::product::IdRange;
use crate::query::EngineQuery;

/// True if the result is an error of a generation.
fn is_fault<T>(result: &Result<T, EngineError>) -> bool {
    matches!(result, Err(EngineError::Generation { .. }))
}

pub(super) fn switched(engine: &dyn Engine) {
    assert_eq!((ok(engine.live()), ok(engine.generations())), (None, vec![]));
    assert!(is_fault(&engine.switch(FIRST)));
    start(engine, 4);
    ok(engine.apply(FIRST, &[product("old", 1, &[axis(4, 0)])]));
    // The dimension of the next model differs.
    ok(engine.create(2, 6));
    ok(engine.apply(2, &[product("new", 1, &[axis(6, 0)])]));
    assert_eq!((ok(engine.live()), ok(engine.generations())), (Some(FIRST), vec![1, 2]));
    assert_eq!(ids(engine, &axis(4, 0), 5), ["old"]);
    ok(engine.switch(2));
    assert_eq!(ok(engine.live()), Some(2));
    assert_eq!(ids(engine, &axis(6, 0), 5), ["new"]);
    ok(engine.switch(FIRST));
    assert_eq!(ids(engine, &axis(4, 0), 5), ["old"]);
    let (old, new) = (axis(4, 0), axis(6, 0));
    for (generation, vector, expected) in [(FIRST, &old, "old"), (2, &new, "new")] {
        let hits = ok(engine.search_in(generation, &[EngineQuery::new(vector, 5)])).remove(0);
        assert_eq!(
            (hits.len(), hits[0].id.as_str()),
            (1, expected),
            "a search can name its generation"
        );
    }
    assert!(is_fault(&engine.search_in(9, &[EngineQuery::new(&old, 5)])));
    ok(engine.switch(2));
    assert!(is_fault(&engine.remove(2)), "the live generation stays");
    ok(engine.remove(FIRST));
    ok(engine.remove(FIRST));
    assert_eq!((ok(engine.live()), ok(engine.generations())), (Some(2), vec![2]));
    assert_eq!(ids(engine, &axis(6, 0), 5), ["new"]);
}

pub(super) fn apart(engine: &dyn Engine) {
    start(engine, 4);
    ok(engine.create(FIRST, 4));
    assert!(is_fault(&engine.create(FIRST, 5)), "the dimension is fixed");
    ok(engine.create(3, 4));
    let (first, third) = (product("A", 1, &[axis(4, 0)]), product("A", 2, &[axis(4, 1)]));
    ok(engine.apply(FIRST, std::slice::from_ref(&first)));
    ok(engine.apply(3, std::slice::from_ref(&third)));
    assert_eq!(ok(engine.stamps(FIRST, IdRange::default())), [first.stamp()]);
    assert_eq!(ok(engine.stamps(3, IdRange::default())), [third.stamp()]);
    ok(engine.delete(3, &["A".into()]));
    assert_eq!(ids(engine, &axis(4, 0), 5), ["A"]);
    let unknown = 9;
    assert!(is_fault(&engine.apply(unknown, std::slice::from_ref(&first))));
    assert!(is_fault(&engine.delete(unknown, &["A".into()])));
    assert!(is_fault(&engine.stamps(unknown, IdRange::default())));
    assert!(is_fault(&engine.applied(unknown)) && is_fault(&engine.set_applied(unknown, 1)));
    // A generation that was removed and created again is empty.
    ok(engine.remove(3));
    ok(engine.create(3, 5));
    assert_eq!(ok(engine.applied(3)), None);
    assert!(ok(engine.stamps(3, IdRange::default())).is_empty());
}

pub(super) fn applied(engine: &dyn Engine) {
    start(engine, 4);
    ok(engine.create(2, 4));
    assert_eq!(ok(engine.applied(FIRST)), None);
    for sequence in [7, 8, 1 << 40, 3] {
        ok(engine.set_applied(FIRST, sequence));
        assert_eq!(
            (ok(engine.applied(FIRST)), ok(engine.applied(2))),
            (Some(sequence), None)
        );
    }
    assert!(ids(engine, &axis(4, 0), 10).is_empty(), "the sequence is not a product");
    ok(engine.set_applied(2, 5));
    ok(engine.remove(2));
    ok(engine.create(2, 4));
    assert_eq!(ok(engine.applied(2)), None);
}
