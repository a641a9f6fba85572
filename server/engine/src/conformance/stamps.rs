//! Cases of stamps and fingerprints.

use crate::conformance::sample::{DIM, FIRST, Sample, axis, ok, product, start};
use crate::engine::Engine;
use crate::product::{Fingerprint, IdRange, ProductVectors, Stamp};

pub(super) fn ranges(engine: &dyn Engine) {
    start(engine, DIM);
    let mut products: Vec<ProductVectors> = ["a", "b", "ba", "c", "ä", "衬"]
        .iter()
        .enumerate()
        .map(|(at, id)| product(id, at as u64, &vec![axis(DIM, at); at + 1]))
        .collect();
    ok(engine.apply(FIRST, &products));
    check(engine, &products);
    products[2].version = 10;
    products[4].images[0].vector = axis(DIM, 7);
    ok(engine.apply(FIRST, &products[2..5]));
    check(engine, &products);
    ok(engine.delete(FIRST, &["b".into()]));
    products.remove(1);
    check(engine, &products);
}

/// Compares the stamps of several ranges with those of the products.
fn check(engine: &dyn Engine, products: &[ProductVectors]) {
    for (after, to) in [
        ("", None),
        ("a", None),
        ("a", Some("ba")),
        ("b", Some("b")),
        ("aa", Some("bz")),
        ("c", Some("a")),
        ("", Some("z")),
        ("z", None),
        ("衬", None),
    ] {
        let range = IdRange { after, to };
        let mut stamps: Vec<Stamp> = products
            .iter()
            .filter(|product| range.contains(&product.id))
            .map(ProductVectors::stamp)
            .collect();
        stamps.sort();
        assert_eq!(ok(engine.stamps(FIRST, range)), stamps, "{range:?}");
        assert_eq!(
            ok(engine.fingerprint(FIRST, range)),
            Fingerprint::of(&stamps),
            "{range:?}"
        );
    }
}

pub(super) fn many(engine: &dyn Engine) {
    start(engine, 2);
    let mut sample = Sample::new(5);
    // More vectors than a server may return at once.
    let products: Vec<ProductVectors> = (0..90)
        .map(|at| {
            let vectors: Vec<Vec<f32>> = (0..200).map(|_| sample.vector(2)).collect();
            product(&format!("P{at:02}"), 1, &vectors)
        })
        .collect();
    for part in products.chunks(10) {
        ok(engine.apply(FIRST, part));
    }
    let stamps: Vec<Stamp> = products.iter().map(ProductVectors::stamp).collect();
    assert_eq!(ok(engine.stamps(FIRST, IdRange::default())), stamps);
}
