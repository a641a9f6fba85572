//! A store and a snapshot that an earlier version of the program wrote.
//!
//! `golden/version_1.tar.gz` has the folders `store` and `snapshot` with the first version of the schema. A test of the commit 4f56951
//! made them in a folder `DIR`: it called the function `write` below, and then `Store::snapshot`. Then:
//!
//!     rm DIR/store/store.lock
//!     tar -C DIR --hard-dereference --sort=name --mtime=@0 --owner=0 --group=0 -cf - . | gzip -9n > version_1.tar.gz
//!
//! A change of the schema adds a golden file of the version before it.

use std::path::Path;

use flate2::read::GzDecoder;
use store::{Element, Expected, ImageKey, Store, restore};

use crate::{embed_all, ids, product, roll_out, vector};

/// Fills a store with twelve products, changes two and deletes one.
fn write(store: &Store) {
    for at in 0..12 {
        let product = product(&format!("P{at}"), 100 + at, &format!("image {}", at % 10));
        store.upsert(&product, Expected::Any).unwrap();
    }
    roll_out(store, "m", Element::F32);
    // A changed price, a changed photo that waits, and a deleted product.
    store.upsert(&product("P1", 999, "image 1"), Expected::Any).unwrap();
    store.upsert(&product("P2", 102, "image new"), Expected::Any).unwrap();
    store.delete("P3", Expected::Any).unwrap();
}

/// Content of a store: ids, prices and versions of the products, keys of the images that wait, and the number of findings.
fn content(store: &Store) -> (Vec<(String, u64, u64)>, Vec<String>, usize) {
    let products = store.products("", 100).unwrap().into_iter().map(|stored| {
        let price = stored.product.price.unwrap().amount;
        (stored.product.id, price, stored.version)
    });
    let live = store.live_generation().unwrap().unwrap();
    let waiting = store.pending(live.number, 0, 100).unwrap();
    let waiting = waiting.into_iter().map(|image| image.key).collect();
    (products.collect(), waiting, store.verify().unwrap().findings.len())
}

#[test]
fn a_store_and_a_snapshot_of_each_earlier_version_open_with_their_content() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/store/golden/version_1.tar.gz");
    let dir = tempfile::tempdir().unwrap();
    let archive = GzDecoder::new(std::fs::File::open(golden).unwrap());
    tar::Archive::new(archive).unpack(dir.path()).unwrap();
    restore(&dir.path().join("snapshot"), &dir.path().join("restored")).unwrap();
    let expected = Store::open(&dir.path().join("new")).unwrap();
    write(&expected);
    for name in ["store", "restored"] {
        let old = Store::open(&dir.path().join(name)).unwrap();
        assert_eq!(content(&old), content(&expected), "{name}");

        // It can be changed: the photo is embedded, and all vectors are those of their photos.
        let live = old.live_generation().unwrap().unwrap();
        embed_all(&old, &live, 7);
        let view = old.view(live.number).unwrap();
        assert_eq!(view.rows.len(), ids(&old).len(), "{name}");
        for row in &view.rows {
            let id = &view.products[row.product as usize].id;
            let key: ImageKey = old.product(id).unwrap().unwrap().product.images[0].key().clone();
            let stored = view.segments[row.segment as usize].vector(row.slot as usize);
            assert_eq!(stored, vector(key.as_str(), live.dim), "{name}: {id}");
        }
        // The second version added settings, of which this is one, and the third a key.
        assert_eq!(old.cursor_key().unwrap().len(), 64);
        old.set_image_folder(dir.path()).unwrap();
        assert_eq!(old.image_folder().unwrap().as_deref(), Some(dir.path()));
    }
}
