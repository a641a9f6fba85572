//! Tests of the feeder, for every engine.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use engine::{Engine, EngineQuery, Fed, Feeder, FeederOptions, IdRange, ImageVector, ProductVectors, Reconciled};
use store::{Element, Expected, Generation, ImageKey, Price, Product, ProductImage, ProductPatch, Store};
use tempfile::TempDir;

const DIM: usize = 16;

/// A temporary folder with an empty store.
pub fn new_store() -> (TempDir, Arc<Store>) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    (dir, Arc::new(store))
}

pub fn new_feeder(store: &Arc<Store>, engine: &Arc<dyn Engine>, batch: usize) -> Feeder {
    let options = FeederOptions {
        batch,
        ..FeederOptions::default()
    };
    Feeder::new(store.clone(), engine.clone(), options)
}

/// A product with images of these contents.
pub fn product(id: &str, amount: u64, images: &[&str]) -> Product {
    let image = |image: &&str| {
        let key = ImageKey::of_bytes(image.as_bytes());
        ProductImage::new(format!("{image}.jpg"), key.to_string())
    };
    Product {
        id: id.into(),
        names: BTreeMap::from([("en".into(), format!("Product {id}"))]),
        category: Some("shoes".into()),
        price: Some(Price {
            amount,
            currency: "EUR".into(),
        }),
        images: images.iter().map(image).collect(),
        ..Product::default()
    }
}

/// A product of an engine with one vector.
pub fn plain(id: &str, version: u64, vector: &[f32]) -> ProductVectors {
    ProductVectors {
        id: id.into(),
        version,
        images: vec![ImageVector {
            key: "image".into(),
            vector: vector.to_vec(),
        }],
        ..ProductVectors::default()
    }
}

pub fn put(store: &Store, product: &Product) -> u64 {
    store.upsert(product, Expected::Any).unwrap().0
}

/// Adds products with two images. All products share one of them.
pub fn add(store: &Store, numbers: Range<usize>) {
    for at in numbers {
        put(
            store,
            &product(&format!("P{at:03}"), 100, &[&format!("image {at}"), "shared"]),
        );
    }
}

/// Unit vector that follows from a model and an image.
pub fn vector(model: &str, key: &str) -> Vec<f32> {
    let seed = (model.to_owned() + key).bytes().fold(17u64, |state, byte| {
        state.wrapping_mul(31).wrapping_add(u64::from(byte))
    });
    engine::conformance::Sample::new(seed).vector(DIM)
}

/// Embeds all images that wait.
pub fn embed(store: &Store, generation: &Generation) {
    let pending = store.pending(generation.number, 0, 10_000).unwrap();
    let vectors: Vec<(ImageKey, Vec<f32>)> = pending
        .iter()
        .map(|image| (image.key.parse().unwrap(), vector(&generation.model, &image.key)))
        .collect();
    store.append(generation.number, &vectors).unwrap();
}

/// Begins a generation, embeds everything and switches to it.
pub fn roll_out(store: &Store, model: &str) -> Generation {
    let generation = store.begin_generation(model, DIM, Element::F32).unwrap();
    embed(store, &generation);
    store.switch_generation(generation.number).unwrap();
    generation
}

/// Checks that the engine's live generation finds every product of the store by its first image.
pub fn check(store: &Store, engine: &dyn Engine) {
    let generation = store.live_generation().unwrap().unwrap();
    assert_eq!(engine.live().unwrap(), Some(generation.number));
    let products = store.products("", 10_000).unwrap();
    let stamps = engine.stamps(generation.number, IdRange::default()).unwrap();
    let mut ids: Vec<&str> = products.iter().map(|stored| stored.product.id.as_str()).collect();
    ids.sort_unstable();
    assert_eq!(stamps.iter().map(|stamp| stamp.id.as_str()).collect::<Vec<_>>(), ids);
    let vectors: Vec<Vec<f32>> = products
        .iter()
        .map(|stored| vector(&generation.model, stored.product.images[0].key().as_str()))
        .collect();
    let queries: Vec<EngineQuery<'_>> = vectors.iter().map(|vector| EngineQuery::new(vector, 1)).collect();
    for (stored, hits) in products.iter().zip(engine.search(&queries).unwrap()) {
        let hit = &hits[0];
        assert_eq!(
            (hit.id.as_str(), hit.version),
            (stored.product.id.as_str(), stored.version)
        );
        assert_eq!(hit.image, stored.product.images[0].key().to_string());
    }
}

/// Checks that a comparison finds `products` products in the active generations, and no difference.
pub fn check_equal(feeder: &mut Feeder, products: usize) {
    let expected = Reconciled {
        products,
        ..Reconciled::default()
    };
    assert_eq!(feeder.reconcile().unwrap(), expected);
}

pub fn follows(engine: &Arc<dyn Engine>) {
    let (_dir, store) = new_store();
    add(&store, 0..30);
    let generation = roll_out(&store, "a");
    let mut feeder = new_feeder(&store, engine, 8);
    assert_eq!(feeder.catch_up().unwrap().reconciled.applied, 30);
    check(&store, &**engine);

    // Another price, another image, a deletion, and a new product, whose vector comes later.
    let patch = ProductPatch {
        price: Some(None),
        ..ProductPatch::default()
    };
    store.patch("P001", &patch, Expected::Any).unwrap();
    put(&store, &product("P002", 100, &["another"]));
    store.delete("P003", Expected::Any).unwrap();
    add(&store, 30..31);
    let fed = feeder.catch_up().unwrap();
    assert_eq!((fed.changes, fed.reconciled), (4, Reconciled::default()));
    let waiting = engine.stamps(generation.number, IdRange::default()).unwrap();
    assert_eq!(
        waiting.len(),
        29,
        "P002 waits, P003 is gone, and P030 has the shared vector only"
    );
    embed(&store, &generation);
    feeder.catch_up().unwrap();
    check(&store, &**engine);
    check_equal(&mut feeder, 30);
    assert_eq!(feeder.step().unwrap(), complete(0));
}

/// The work of a step that applied `changes` changes.
fn complete(changes: usize) -> Fed {
    Fed {
        changes,
        is_complete: true,
        ..Fed::default()
    }
}

pub fn continues(engine: &Arc<dyn Engine>) {
    let (_dir, store) = new_store();
    add(&store, 0..10);
    roll_out(&store, "a");
    new_feeder(&store, engine, 100).catch_up().unwrap();
    for amount in 0..7 {
        put(&store, &product("P004", 500 + amount, &["image 4", "shared"]));
    }
    let mut feeder = new_feeder(&store, engine, 3);
    let fed = feeder.step().unwrap();
    assert_eq!((fed.changes, fed.is_complete), (3, false), "a step applies one batch");
    assert_eq!(new_feeder(&store, engine, 3).catch_up().unwrap(), complete(4));
    check(&store, &**engine);
}

pub fn trimmed(engine: &Arc<dyn Engine>) {
    let (_dir, store) = new_store();
    add(&store, 0..10);
    roll_out(&store, "a");
    let mut feeder = new_feeder(&store, engine, 4);
    feeder.catch_up().unwrap();
    put(&store, &product("P005", 700, &["image 5", "shared"]));
    store.delete("P006", Expected::Any).unwrap();
    store.trim_changes(store.last_change().unwrap()).unwrap();
    let reconciled = Reconciled {
        products: 9,
        applied: 1,
        deleted: 1,
    };
    assert_eq!(feeder.catch_up().unwrap().reconciled, reconciled);
    check(&store, &**engine);

    // Of two changes, the outbox has the second one.
    put(&store, &product("P007", 700, &["image 7", "shared"]));
    store.trim_changes(store.last_change().unwrap()).unwrap();
    put(&store, &product("P008", 700, &["image 8", "shared"]));
    assert_eq!(feeder.catch_up().unwrap().reconciled.applied, 2);
    check(&store, &**engine);
}

pub fn restores(engine: &Arc<dyn Engine>) {
    let (dir, store) = new_store();
    add(&store, 0..10);
    roll_out(&store, "a");
    let snapshot = dir.path().join("snapshot");
    store.snapshot(&snapshot).unwrap();
    // The engine has changes that the restored store does not have, and both have as many changes.
    store.delete("P001", Expected::Any).unwrap();
    new_feeder(&store, engine, 4).catch_up().unwrap();
    let target = dir.path().join("restored");
    store::restore(&snapshot, &target).unwrap();
    let restored = Arc::new(Store::open(&target).unwrap());
    restored.delete("P002", Expected::Any).unwrap();
    assert_eq!(
        new_feeder(&restored, engine, 4).catch_up().unwrap().reconciled.applied,
        1
    );
    check(&restored, &**engine);
}

pub fn repairs(engine: &Arc<dyn Engine>) {
    let (_dir, store) = new_store();
    add(&store, 0..20);
    let generation = roll_out(&store, "a").number;
    let mut feeder = new_feeder(&store, engine, 6);
    feeder.catch_up().unwrap();
    check_equal(&mut feeder, 20);
    engine.delete(generation, &["P000".into(), "P019".into()]).unwrap();
    let wrong = vector("a", "wrong");
    // One product is in another state, and four are unknown to the store: before, among and after its products.
    let names = ["P010", "A", "P0055", "P0199", "Z"];
    let products: Vec<ProductVectors> = names.iter().map(|id| plain(id, 1, &wrong)).collect();
    engine.apply(generation, &products).unwrap();
    let reconciled = Reconciled {
        products: 20,
        applied: 3,
        deleted: 4,
    };
    assert_eq!(feeder.reconcile().unwrap(), reconciled);
    check(&store, &**engine);
    check_equal(&mut feeder, 20);
}

pub fn fills_again(engine: &Arc<dyn Engine>) {
    let (dir, store) = new_store();
    add(&store, 0..12);
    let first = roll_out(&store, "a").number;
    let mut feeder = new_feeder(&store, engine, 5);
    feeder.catch_up().unwrap();
    // The generation disappears from the engine.
    engine.create(99, DIM).unwrap();
    engine.switch(99).unwrap();
    engine.remove(first).unwrap();
    put(&store, &product("P001", 900, &["image 1", "shared"]));
    assert!(feeder.catch_up().is_err(), "the generation is missing");
    let fed = feeder.catch_up().unwrap();
    assert_eq!(fed.reconciled.applied, 12);
    feeder.step().unwrap();
    check(&store, &**engine);
    assert_eq!(
        engine.generations().unwrap(),
        [first],
        "generations that the store does not know are removed"
    );

    // The store is replaced by an older state, so the engine is ahead of it.
    drop((feeder, store));
    let store = Arc::new(Store::open(&dir.path().join("older")).unwrap());
    add(&store, 3..5);
    roll_out(&store, "a");
    let mut feeder = new_feeder(&store, engine, 5);
    let reconciled = feeder.catch_up().unwrap().reconciled;
    assert_eq!((reconciled.products, reconciled.deleted), (2, 10));
    check(&store, &**engine);
}

pub fn rolls_out(engine: &Arc<dyn Engine>) {
    let (_dir, store) = new_store();
    add(&store, 0..8);
    let first = roll_out(&store, "a");
    let mut feeder = new_feeder(&store, engine, 50);
    feeder.catch_up().unwrap();
    let second = store.begin_generation("b", DIM, Element::F32).unwrap();
    embed(&store, &second);
    feeder.catch_up().unwrap();
    assert_eq!(engine.live().unwrap(), Some(first.number));
    assert_eq!(engine.stamps(second.number, IdRange::default()).unwrap().len(), 8);
    store.switch_generation(second.number).unwrap();
    put(&store, &product("P002", 800, &["image 2", "shared"]));
    feeder.catch_up().unwrap();
    check(&store, &**engine);
    check_equal(&mut feeder, 16);

    store.roll_back().unwrap();
    feeder.catch_up().unwrap();
    check(&store, &**engine);
    store.roll_back().unwrap();
    let third = roll_out(&store, "c");
    feeder.catch_up().unwrap();
    check(&store, &**engine);
    assert_eq!(engine.generations().unwrap(), [second.number, third.number]);
}
