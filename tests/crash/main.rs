//! Catalogs after a killed run or damage on the disk: they are complete, or refused with a hint.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::tensor::Device;
use dataset::MaxErrors;
use search::storage::Storage;
use serde_json::Value;
use service::catalog::{Catalog, CatalogError, IndexOptions, index};
use service::embed::PhotoViews;
use tests::fixture;
use tests::process::{Process, instructions};

/// Number of products of the two datasets. The size of the catalog tells which one it has.
const SIZES: [u32; 2] = [30, 40];

/// Number of kills.
const KILLS: u32 = 16;

fn options(dir: &Path, dataset: usize) -> IndexOptions {
    IndexOptions {
        dataset: dir.join(format!("shop-{dataset}")),
        bundle: dir.join("bundle"),
        out: dir.join("catalog"),
        storage: Storage::F32,
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

/// Checks that the catalog is complete, and returns the number of its dataset.
fn indexed_dataset(dir: &Path) -> usize {
    let catalog = Catalog::open(&dir.join("catalog")).expect("the catalog is complete");
    let products = catalog.products().len();
    let dataset = SIZES
        .iter()
        .position(|size| *size as usize == products)
        .expect("the products are those of one dataset");
    assert_eq!(catalog.photos(), 2 * products, "every photo is indexed once");
    let ids: BTreeSet<_> = catalog.products().iter().map(|product| &product.id).collect();
    assert_eq!(ids.len(), products, "no product is listed twice");
    assert!(
        catalog.dataset().ends_with(format!("shop-{dataset}")),
        "the dataset belongs to the embeddings"
    );
    dataset
}

#[test]
fn a_killed_run_leaves_the_old_catalog_or_the_new_one() {
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
    assert_eq!(indexed_dataset(dir), current);

    let mut finished = 0;
    for kill in 0..KILLS {
        let next = 1 - current;
        let mut child = start(next);
        // At times from the start to after the usual end, because files are written at the end.
        std::thread::sleep(whole.mul_f64(f64::from(kill + 1) / f64::from(KILLS) * 1.2));
        let ended = child.kill().expect("the system tells");
        let found = indexed_dataset(dir);
        assert!(found == current || found == next);
        if ended.success() {
            assert_eq!(found, next, "a successful run replaces the catalog");
            finished += 1;
        }
        current = found;
    }
    assert!(finished < KILLS, "at least one run is killed before its end");

    // The next run removes the files of killed runs.
    assert!(start(current).wait().expect("the system tells").success());
    let names: BTreeSet<String> = fs::read_dir(dir.join("catalog"))
        .expect("the folder exists")
        .map(|entry| {
            entry
                .expect("the folder is readable")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    assert_eq!(names.len(), 6, "the header, the lock and four data files: {names:?}");
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

/// The file of the catalog whose name begins with `prefix`.
fn catalog_file(dir: &Path, prefix: &str) -> PathBuf {
    let mut paths = fs::read_dir(dir.join("catalog"))
        .expect("the folder exists")
        .map(|entry| entry.expect("the folder is readable").path());
    let file = paths.find(|path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(prefix))
    });
    file.expect("the catalog has the file")
}

#[test]
fn damaged_files_are_refused_with_a_hint() {
    let temporary = indexed();
    let dir = temporary.path();
    type Damage = fn(Vec<u8>) -> Option<Vec<u8>>;
    let cases: [(&str, Damage, &str); 8] = [
        (
            "embeddings-",
            |bytes| Some(bytes[..bytes.len() - 4].to_vec()),
            "bytes instead of",
        ),
        ("embeddings-", |bytes| Some(flipped(bytes, 10)), "checksum"),
        ("embeddings-", |bytes| Some(vec![0; bytes.len()]), "checksum"),
        ("embeddings-", |_| None, "is missing"),
        ("rows-", |bytes| Some(flipped(bytes, 20)), "checksum"),
        ("products-", |_| None, "is missing"),
        (
            "catalog.json",
            |bytes| Some(bytes[..bytes.len() / 2].to_vec()),
            "catalog.json",
        ),
        ("catalog.json", |_| None, "selvedge index"),
    ];
    for (prefix, damage, says) in cases {
        let path = catalog_file(dir, prefix);
        let good = fs::read(&path).expect("the file is readable");
        match damage(good.clone()) {
            Some(bad) => fs::write(&path, bad).expect("the file is written"),
            None => fs::remove_file(&path).expect("the file is removed"),
        }
        let error = Catalog::open(&dir.join("catalog")).expect_err(says).to_string();
        assert!(error.contains(says) && error.contains("index"), "{prefix}: {error}");
        fs::write(&path, good).expect("the file is written");
    }
}

/// The bytes with one bit changed.
fn flipped(mut bytes: Vec<u8>, at: usize) -> Vec<u8> {
    bytes[at] ^= 1;
    bytes
}

#[test]
fn an_unknown_format_is_refused_and_an_old_one_is_read() {
    let temporary = indexed();
    let catalog = temporary.path().join("catalog");
    let header = catalog_file(temporary.path(), "catalog.json");
    let text = fs::read_to_string(&header).expect("the header is readable");
    fs::write(&header, text.replace("\"format\": 1", "\"format\": 99")).expect("the header is written");
    assert!(matches!(
        Catalog::open(&catalog),
        Err(CatalogError::Format { found: 99, .. })
    ));
    // Older versions did not write the storage.
    fs::write(&header, text.replace("  \"storage\": \"f32\",\n", "")).expect("the header is written");
    let old = fs::read_to_string(&header).expect("the header is readable");
    assert!(!old.contains("storage"));
    Catalog::open(&catalog).expect("the old catalog is valid");
}

#[test]
fn other_storages_have_format_2_and_their_sizes() {
    let temporary = indexed();
    let dir = temporary.path();
    let catalog = dir.join("catalog");
    let photos = Catalog::open(&catalog).expect("the catalog is valid").photos();
    for (storage, bytes) in [(Storage::F16, 2 * fixture::DIM), (Storage::Int8, fixture::DIM + 4)] {
        let options = IndexOptions {
            storage,
            ..options(dir, 0)
        };
        index(&options, &Device::flex(), |_| ()).expect("the dataset is indexed");
        let header = catalog_file(dir, "catalog.json");
        let text = fs::read_to_string(&header).expect("the header is readable");
        assert!(text.contains("\"format\": 2"), "{text}");
        let embeddings = fs::metadata(catalog_file(dir, "embeddings-")).expect("the file exists");
        assert_eq!(embeddings.len() as usize, bytes * photos, "{storage:?}");
        assert_eq!(Catalog::open(&catalog).expect("the catalog is valid").photos(), photos);
        let other = text.replace(&format!("\"{}\"", storage.name()), "\"f32\"");
        fs::write(&header, other).expect("the header is written");
        let error = Catalog::open(&catalog).expect_err("the storage is wrong").to_string();
        assert!(
            error.contains("damaged") && error.contains("index the dataset again"),
            "{error}"
        );
    }
}

#[test]
fn unreadable_photos_within_the_limit_are_left_out() {
    let temporary = tempfile::tempdir().expect("a temporary folder is created");
    let dir = temporary.path();
    fixture::write_retrieval_bundle(&dir.join("bundle")).expect("the bundle is written");
    fixture::write_dataset(&dir.join("shop-0"), 4, 0).expect("the dataset is written");
    fs::write(dir.join("shop-0/shop/P0002_1.png"), b"\x89PNG\r\n\x1a\nnot really").expect("the file is written");
    fs::remove_file(dir.join("shop-0/shop/P0003_0.png")).expect("the file is removed");
    let mut last = None;
    let error = index(&options(dir, 0), &Device::flex(), |_| ())
        .expect_err("two of eight photos are unreadable")
        .to_string();
    assert!(
        error.contains("P0003_0.png") && !dir.join("catalog").exists(),
        "{error}"
    );
    let lenient = IndexOptions {
        max_errors: MaxErrors::Count(2),
        ..options(dir, 0)
    };
    let summary = index(&lenient, &Device::flex(), |progress| last = Some(progress)).expect("the dataset is indexed");
    let skipped: Vec<_> = summary.skipped.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(skipped, ["shop/P0002_1.png", "shop/P0003_0.png"]);
    assert_eq!(
        (summary.photos, last.map(|progress| (progress.done, progress.total))),
        (6, Some((8, 8)))
    );
    let catalog = Catalog::open(&dir.join("catalog")).expect("the catalog is valid");
    assert_eq!(catalog.photos(), 6);
    for (path, shown) in [
        ("shop/P0002_0.png", true),
        ("shop/P0003_1.png", true),
        ("shop/P0002_1.png", false),
        ("shop/P0003_0.png", false),
        ("user/P0000_2.png", false),
    ] {
        assert_eq!(catalog.has_image(path), shown, "{path}");
    }
}

#[test]
fn samples_that_the_operator_did_not_choose_are_not_published() {
    let temporary = tempfile::tempdir().expect("a temporary folder is created");
    let dir = temporary.path();
    fixture::write_retrieval_bundle(&dir.join("bundle")).expect("the bundle is written");
    fixture::write_dataset(&dir.join("shop-0"), 4, 0).expect("the dataset is written");
    fs::write(dir.join("shop-0/samples.txt"), "user/P0001_2.png\n").expect("the file is written");
    index(&options(dir, 0), &Device::flex(), |_| ()).expect("the dataset is indexed");
    let open = || Catalog::open(&dir.join("catalog")).expect("the catalog is valid");
    assert!(open().samples().len() == 1 && open().has_image("user/P0001_2.png"));
    // Older versions chose user photos automatically and did not write this key.
    let header = dir.join("catalog/catalog.json");
    let text = fs::read_to_string(&header).expect("the header is readable");
    fs::write(&header, text.replace(",\n  \"samples_chosen\": true", "")).expect("the file is written");
    assert!(
        !fs::read_to_string(&header)
            .expect("the header is readable")
            .contains("samples_chosen")
    );
    assert!(open().samples().is_empty() && !open().has_image("user/P0001_2.png"));
}
