//! Catalogs after a killed run or damage on the disk: they are whole, or embedded again.

mod photos;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::tensor::Device;
use dataset::MaxErrors;
use serde_json::Value;
use service::catalog::{CatalogError, IndexOptions, index};
use service::embed::PhotoViews;
use store::{Element, FindingKind, Store};
use tests::fixture;
use tests::process::{Process, instructions};

/// Number of products of the two datasets. The size of the catalog tells which one it has.
const SIZES: [u32; 2] = [30, 40];

/// Number of kills. The long mode has 200.
fn kills() -> u32 {
    if std::env::var_os("SELVEDGE_LONG").is_some() {
        200
    } else {
        20
    }
}

fn options(dir: &Path, dataset: usize) -> IndexOptions {
    IndexOptions {
        dataset: dir.join(format!("shop-{dataset}")),
        bundle: dir.join("bundle"),
        out: dir.join("catalog"),
        storage: Element::F32,
        views: PhotoViews::None,
        batch: 8,
        max_errors: MaxErrors::default(),
    }
}

/// Body of the second process. Without instructions, as in the test run itself, it does nothing.
#[test]
fn index_process() {
    let Some(instructions) = instructions() else {
        return;
    };
    let instructions: Value = serde_json::from_str(&instructions).expect("the instructions are JSON");
    let dir = instructions["dir"].as_str().expect("the instructions have a path");
    let dataset = instructions["dataset"]
        .as_u64()
        .expect("the instructions have a number") as usize;
    index(&options(Path::new(dir), dataset), &Device::flex(), |_| ()).expect("the dataset is indexed");
}

/// Checks that the catalog has the products of one dataset and no damage. Returns the number of the dataset. Photos may wait
/// for their embedding unless the catalog `is_finished`.
fn indexed_dataset(dir: &Path, is_finished: bool) -> usize {
    let store = Store::open(&dir.join("catalog")).expect("the catalog opens");
    let report = store.verify().expect("the catalog can be verified");
    assert!(report.is_sound(), "{report:?}");
    let waits = report
        .findings
        .iter()
        .any(|finding| finding.kind == FindingKind::Missing);
    assert!(!(is_finished && waits), "{report:?}");
    let products = store.products("", 1000).expect("the catalog is readable");
    let ids: BTreeSet<&str> = products.iter().map(|stored| stored.product.id.as_str()).collect();
    assert_eq!(ids.len(), products.len(), "no product is listed twice");
    SIZES
        .iter()
        .position(|size| *size as usize == products.len())
        .expect("the products are those of one dataset")
}

#[test]
fn a_killed_run_leaves_the_products_of_one_dataset_and_is_continued() {
    let temporary = tempfile::tempdir().expect("a temporary folder is created");
    let dir = temporary.path();
    fixture::write_retrieval_bundle(&dir.join("bundle")).expect("the bundle is written");
    for (dataset, size) in SIZES.into_iter().enumerate() {
        fixture::write_dataset(&dir.join(format!("shop-{dataset}")), size, 1000 * dataset as u32)
            .expect("the dataset is written");
    }
    let start = |dataset: usize| {
        let instructions = serde_json::json!({ "dir": dir, "dataset": dataset });
        Process::start("index_process", &instructions.to_string()).expect("the process starts")
    };
    let mut current = 0;
    let begun = Instant::now();
    assert!(start(current).wait().expect("the system tells").success());
    let whole = begun.elapsed();
    assert_eq!(indexed_dataset(dir, true), current);

    let (mut finished, kills) = (0, kills());
    for kill in 0..kills {
        let next = 1 - current;
        let mut child = start(next);
        // At times from the start to after the usual end.
        std::thread::sleep(whole.mul_f64(f64::from(kill + 1) / f64::from(kills) * 1.2));
        let ended = child.kill().expect("the system tells");
        let found = indexed_dataset(dir, ended.success());
        if ended.success() {
            assert_eq!(found, next, "a successful run replaces the catalog");
            finished += 1;
        }
        current = found;
    }
    assert!(finished < kills, "at least one run is killed before its end");

    assert!(start(current).wait().expect("the system tells").success());
    assert_eq!(indexed_dataset(dir, true), current);
}

/// A folder with an indexed shop of four products.
fn indexed() -> tempfile::TempDir {
    let temporary = tempfile::tempdir().expect("a temporary folder is created");
    let dir = temporary.path();
    fixture::write_retrieval_bundle(&dir.join("bundle")).expect("the bundle is written");
    fixture::write_dataset(&dir.join("shop-0"), 4, 0).expect("the dataset is written");
    index(&options(dir, 0), &Device::flex(), |_| ()).expect("the dataset is indexed");
    temporary
}

/// The file of embeddings.
fn segment(dir: &Path) -> PathBuf {
    let mut files = fs::read_dir(dir.join("catalog/segments")).expect("the folder exists");
    let file = files.next().expect("there is a file of embeddings");
    file.expect("the folder is readable").path()
}

#[test]
fn damaged_embeddings_are_computed_again() {
    type Damage = fn(Vec<u8>) -> Option<Vec<u8>>;
    let cases: [(&str, Damage); 4] = [
        ("cut", |bytes| Some(bytes[..bytes.len() - 4].to_vec())),
        ("one bit", |mut bytes| {
            bytes[200] ^= 1;
            Some(bytes)
        }),
        ("zeros", |bytes| Some(vec![0; bytes.len()])),
        ("gone", |_| None),
    ];
    for (name, damage) in cases {
        let temporary = indexed();
        let dir = temporary.path();
        let path = segment(dir);
        match damage(fs::read(&path).expect("the file is readable")) {
            Some(bad) => fs::write(&path, bad).expect("the file is written"),
            None => fs::remove_file(&path).expect("the file is removed"),
        }
        let summary = index(&options(dir, 0), &Device::flex(), |_| ()).expect("the dataset is indexed");
        assert_eq!(summary.photos, 8, "{name}");
        let store = Store::open(&dir.join("catalog")).expect("the catalog opens");
        let report = store.verify().expect("the catalog can be verified");
        assert!(report.findings.is_empty(), "{name}: {report:?}");
    }
}

#[test]
fn an_indexed_shop_is_embedded_again_only_where_it_changed() {
    let temporary = indexed();
    let dir = temporary.path();
    let embedded = |dataset: &IndexOptions| {
        let mut done = 0;
        index(dataset, &Device::flex(), |progress| done = progress.done.max(done)).expect("the dataset is indexed");
        done
    };
    assert_eq!(embedded(&options(dir, 0)), 0, "nothing changed");
    // Another price changes the product, and its photos keep their embeddings.
    let products = dir.join("shop-0/products.jsonl");
    let text = fs::read_to_string(&products).expect("the file is readable");
    fs::write(&products, text.replace("9901", "100")).expect("the file is written");
    assert_eq!(embedded(&options(dir, 0)), 0, "only a price changed");
    let store = Store::open(&dir.join("catalog")).expect("the catalog opens");
    let product = store
        .product("P0001")
        .expect("the catalog is readable")
        .expect("the product exists");
    assert_eq!(product.product.price.expect("the product has a price").amount, 100);
    drop(store);
    let int8 = IndexOptions {
        storage: Element::Int8,
        ..options(dir, 0)
    };
    assert_eq!(embedded(&int8), 8, "another storage is another generation");
}

#[test]
fn many_small_batches_leave_few_files() {
    let temporary = tempfile::tempdir().expect("a temporary folder is created");
    let dir = temporary.path();
    fixture::write_retrieval_bundle(&dir.join("bundle")).expect("the bundle is written");
    fixture::write_dataset(&dir.join("shop-0"), 40, 0).expect("the dataset is written");
    let single = IndexOptions {
        batch: 1,
        ..options(dir, 0)
    };
    let summary = index(&single, &Device::flex(), |_| ()).expect("the dataset is indexed");
    assert_eq!(summary.photos, 80);
    let files = fs::read_dir(dir.join("catalog/segments")).expect("the folder exists");
    assert_eq!(files.count(), 17, "64 files are merged into one, and 16 come later");
}

/// Body of a process that restores a snapshot. Without instructions, as in the test run itself, it does nothing.
#[test]
fn restore_process() {
    let Some(dir) = instructions() else {
        return;
    };
    let dir = Path::new(&dir);
    store::restore(&dir.join("snapshot"), &dir.join("restored")).expect("the snapshot is restored");
}

#[test]
fn a_killed_restore_leaves_a_whole_catalog_or_none() {
    let temporary = indexed();
    let dir = temporary.path();
    let uploads: Vec<String> = (0..200).map(|number| format!("{number:064x}")).collect();
    fs::create_dir(dir.join("catalog/uploads")).expect("the folder is created");
    for name in &uploads {
        fs::write(dir.join("catalog/uploads").join(name), name).expect("the photo is written");
    }
    let store = Store::open(&dir.join("catalog")).expect("the catalog opens");
    store.snapshot(&dir.join("snapshot")).expect("the snapshot is written");
    drop(store);
    let restored = dir.join("restored");
    let start = || Process::start("restore_process", &dir.display().to_string()).expect("the process starts");
    let begun = Instant::now();
    assert!(start().wait().expect("the system tells").success());
    let whole = begun.elapsed();
    let (mut finished, kills) = (0, kills());
    for kill in 0..kills {
        fs::remove_dir_all(&restored).expect("the folder is removed");
        let mut child = start();
        std::thread::sleep(whole.mul_f64(f64::from(kill + 1) / f64::from(kills) * 1.2));
        let ended = child.kill().expect("the system tells");
        finished += u32::from(ended.success());
        fs::create_dir_all(&restored).expect("the folder is created");
        let is_unfinished = !restored.join("store.sqlite").exists() || restored.join("restoring").exists();
        assert!(!(ended.success() && is_unfinished), "a successful run leaves a catalog");
        if is_unfinished {
            continue;
        }
        let store = Store::open(&restored).expect("the catalog opens");
        let report = store.verify().expect("the catalog can be verified");
        assert_eq!((report.embeddings, report.total), (8, 0), "{report:?}");
        for name in &uploads {
            let photo = fs::read_to_string(restored.join("uploads").join(name));
            assert_eq!(photo.expect("the photo is restored"), *name);
        }
    }
    assert!(finished < kills, "at least one run is killed before its end");
}

#[test]
fn unreadable_photos_within_the_limit_are_left_out() {
    let temporary = tempfile::tempdir().expect("a temporary folder is created");
    let dir = temporary.path();
    fixture::write_retrieval_bundle(&dir.join("bundle")).expect("the bundle is written");
    fixture::write_dataset(&dir.join("shop-0"), 4, 0).expect("the dataset is written");
    fs::write(dir.join("shop-0/shop/P0002_1.png"), b"\x89PNG\r\n\x1a\nnot really").expect("the file is written");
    fs::remove_file(dir.join("shop-0/shop/P0003_0.png")).expect("the file is removed");
    let error = index(&options(dir, 0), &Device::flex(), |_| ()).expect_err("two of eight photos are unreadable");
    assert!(
        matches!(error, CatalogError::TooManyErrors { failed: 2, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("P0003_0.png") && !dir.join("catalog").exists());
    let lenient = IndexOptions {
        max_errors: MaxErrors::Count(2),
        ..options(dir, 0)
    };
    let mut last = None;
    let summary = index(&lenient, &Device::flex(), |progress| last = Some(progress)).expect("the dataset is indexed");
    let skipped: Vec<_> = summary.skipped.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(skipped, ["shop/P0002_1.png", "shop/P0003_0.png"]);
    assert_eq!(
        (summary.photos, last.map(|progress| (progress.done, progress.total))),
        (6, Some((6, 6)))
    );
}
