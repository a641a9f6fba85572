//! Products: versions, changes, deletion and the outbox.

use store::{Effect, Element, Expected, Operation, ProductPatch, Stock, Store, StoreError};

use crate::{embed_all, ids, new_store, product, roll_out};

#[test]
fn an_equal_product_keeps_its_version() {
    let (_dir, store) = new_store();
    let (version, effect) = store.upsert(&product("P1", 100, "a"), Expected::Absent).unwrap();
    assert_eq!(effect, Effect::Created);
    let again = store
        .upsert(&product("P1", 100, "a"), Expected::Version(version))
        .unwrap();
    assert_eq!(again, (version, Effect::Unchanged));
    assert_eq!(store.last_change().unwrap(), version);
}

#[test]
fn a_change_of_an_old_version_is_refused() {
    let (_dir, store) = new_store();
    let (first, _) = store.upsert(&product("P1", 100, "a"), Expected::Any).unwrap();
    let (second, _) = store
        .upsert(&product("P1", 200, "a"), Expected::Version(first))
        .unwrap();
    assert!(second > first);
    for refused in [
        store
            .upsert(&product("P1", 300, "a"), Expected::Version(first))
            .map(drop),
        store.upsert(&product("P1", 300, "a"), Expected::Absent).map(drop),
        store
            .upsert(&product("P2", 300, "a"), Expected::Version(first))
            .map(drop),
        store.delete("P1", Expected::Version(first)),
    ] {
        assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    }
    store.delete("P1", Expected::Version(second)).unwrap();
    let (third, _) = store.upsert(&product("P1", 100, "a"), Expected::Any).unwrap();
    assert!(third > second, "a version is never used twice");
}

#[test]
fn a_price_or_a_stock_touches_no_embedding() {
    let (_dir, store) = new_store();
    store.upsert(&product("P1", 100, "a"), Expected::Any).unwrap();
    let generation = roll_out(&store, "m", Element::F32);
    let before = store.view(generation.number).unwrap();
    let patch = ProductPatch {
        price: Some(product("P1", 250, "a").price),
        stock: Some(Some(Stock::of(3))),
    };
    assert_eq!(store.patch("P1", &patch, Expected::Any).unwrap().1, Effect::Changed);
    store.upsert(&product("P1", 300, "a"), Expected::Any).unwrap();
    let after = store.view(generation.number).unwrap();
    assert_eq!((before.rows, after.rows.len()), (after.rows.clone(), 1));
    assert_eq!(store.progress(generation.number).unwrap().pending(), 0);
    assert!(after.sequence > before.sequence);
}

#[test]
fn only_an_image_with_a_new_hash_waits_for_an_embedding() {
    let (_dir, store) = new_store();
    store.upsert(&product("P1", 100, "a"), Expected::Any).unwrap();
    let generation = roll_out(&store, "m", Element::F32);
    let mut moved = product("P1", 100, "a");
    moved.images[0].source = "other/path.jpg".into();
    store.upsert(&moved, Expected::Any).unwrap();
    assert_eq!(store.progress(generation.number).unwrap().pending(), 0);
    store.upsert(&product("P1", 100, "b"), Expected::Any).unwrap();
    assert_eq!(store.progress(generation.number).unwrap().pending(), 1);
    assert_eq!(
        store.view(generation.number).unwrap().rows.len(),
        0,
        "the old image is gone"
    );
    embed_all(&store, &generation, 10);
    assert_eq!(store.view(generation.number).unwrap().rows.len(), 1);
}

#[test]
fn deletion_removes_a_product_and_only_its_own_embeddings() {
    let (_dir, store) = new_store();
    for (id, image) in [("P1", "a"), ("P2", "a"), ("P3", "b")] {
        store.upsert(&product(id, 100, image), Expected::Any).unwrap();
    }
    let generation = roll_out(&store, "m", Element::Int8);
    assert_eq!(
        store.view(generation.number).unwrap().rows.len(),
        3,
        "two products share an embedding"
    );
    store.delete("P1", Expected::Any).unwrap();
    store.delete("P3", Expected::Any).unwrap();
    let view = store.view(generation.number).unwrap();
    assert_eq!(view.rows.len(), 1);
    assert_eq!(view.products[view.rows[0].product as usize].id, "P2");
    assert!(store.product_rows(generation.number, "P1").unwrap().is_empty());
    let last = store.changes(0, 100).unwrap().pop().unwrap();
    assert_eq!((last.id.as_str(), last.operation), ("P3", Operation::Delete));
    assert!(matches!(
        store.delete("P1", Expected::Any),
        Err(StoreError::UnknownProduct { .. })
    ));
    assert!(store.verify().unwrap().findings.is_empty());
}

/// Gives a product a wrong value.
type Spoil = fn(&mut store::Product);

#[test]
fn values_that_cannot_be_stored_name_their_key() {
    let (_dir, store) = new_store();
    let good = || product("P1", 100, "a");
    let cases: [(&str, Spoil); 9] = [
        ("id", |product| product.id = " P1".into()),
        ("id", |product| product.id = "P\u{7}1".into()),
        ("name", |product| product.names.clear()),
        ("name.en", |product| *product.names.get_mut("en").unwrap() = "  ".into()),
        ("price.currency", |product| {
            product.price.as_mut().unwrap().currency = "RMB".into()
        }),
        ("price.amount", |product| {
            product.price.as_mut().unwrap().amount = u64::MAX
        }),
        ("url", |product| product.url = Some("javascript:alert(1)".into())),
        ("images.sha256", |product| product.images[0].sha256 = "abc".into()),
        ("category", |product| product.category = Some(String::new())),
    ];
    for (expected, change) in cases {
        let mut wrong = good();
        change(&mut wrong);
        match store.upsert(&wrong, Expected::Any) {
            Err(StoreError::Invalid { key, .. }) => assert_eq!(key, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
    assert!(ids(&store).is_empty());
}

#[test]
fn a_second_store_in_the_folder_is_refused_in_words() {
    let (dir, store) = new_store();
    let path = dir.path().join("store");
    let error = Store::open(&path).expect_err("the first one is open").to_string();
    assert!(
        error.contains("open in another process") && error.contains(&std::process::id().to_string()),
        "{error}"
    );
    drop(store);
    Store::open(&path).unwrap();
}

#[test]
fn foreign_and_newer_folders_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("holiday.jpg"), "x").unwrap();
    assert!(matches!(Store::open(dir.path()), Err(StoreError::NotAStore { .. })));
    let path = dir.path().join("newer");
    drop(Store::open(&path).unwrap());
    let db = rusqlite::Connection::open(path.join("store.sqlite")).unwrap();
    db.pragma_update(None, "user_version", 999).unwrap();
    drop(db);
    let error = Store::open(&path).expect_err("a newer program wrote it");
    assert!(matches!(error, StoreError::Newer { found: 999, .. }) && error.to_string().contains("newer program"));
}

#[test]
fn only_images_of_products_and_samples_may_be_shown() {
    let (_dir, store) = new_store();
    let mut cropped = product("P1", 100, "a");
    cropped.images[0].crop = Some(store::Crop {
        x: 0,
        y: 0,
        width: 5,
        height: 5,
    });
    store.upsert(&cropped, Expected::Any).unwrap();
    let hash = |bytes: &str| store::ImageKey::of_bytes(bytes.as_bytes()).to_string();
    let sample = store::Sample {
        source: "try.jpg".into(),
        sha256: hash("s"),
        product: Some("P1".into()),
    };
    store.set_samples(std::slice::from_ref(&sample)).unwrap();
    assert_eq!(store.samples().unwrap(), [sample]);
    let source = |bytes: &str| store.shown_image(&hash(bytes)).unwrap().map(|image| image.source);
    assert_eq!(
        [source("a"), source("s"), source("other")],
        [Some("a.jpg".into()), Some("try.jpg".into()), None]
    );
    store.delete("P1", Expected::Any).unwrap();
    assert_eq!(source("a"), None);
}
