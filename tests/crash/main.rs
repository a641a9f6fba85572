//! What a kill at any moment, or damage on the disk, does to a catalog: nothing, or an error that says what to do.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Instant;

use burn::tensor::Device;
use dataset::MaxErrors;
use search::storage::Storage;
use serde_json::Value;
use service::catalog::{Catalog, CatalogError, IndexOptions, index};
use tests::fixture;
use tests::process::{Process, instructions};

/// Products of the two datasets that take turns; the catalog's size tells them apart.
const SIZES: [u32; 2] = [30, 40];

/// How often the process is killed.
const KILLS: u32 = 16;

fn options(dir: &Path, dataset: usize) -> IndexOptions {
    IndexOptions {
        dataset: dir.join(format!("shop-{dataset}")),
        bundle: dir.join("bundle"),
        out: dir.join("catalog"),
        storage: Storage::F32,
        batch: 8,
        max_errors: MaxErrors::default(),
    }
}

/// The part that a second process plays; without instructions it tests nothing.
#[test]
fn index_process() {
    let Some(instructions) = instructions() else {
        return;
    };
    let instructions: Value = serde_json::from_str(&instructions).expect("instructions");
    let dir = instructions["dir"].as_str().expect("a path");
    let dataset = instructions["dataset"].as_u64().expect("a number") as usize;
    index(&options(Path::new(dir), dataset), &Device::flex(), |_| ()).expect("indexes");
}

/// Which dataset the catalog is of, after checking that it is wholly of that one.
fn dataset_of(dir: &Path) -> usize {
    let catalog = Catalog::open(&dir.join("catalog")).expect("a whole catalog");
    let products = catalog.products().len();
    let dataset = SIZES
        .iter()
        .position(|size| *size as usize == products)
        .expect("all products of one dataset");
    assert_eq!(catalog.photos(), 2 * products, "every photo once");
    let ids: BTreeSet<_> = catalog.products().iter().map(|product| &product.id).collect();
    assert_eq!(ids.len(), products, "no product twice");
    assert!(
        catalog.dataset().ends_with(format!("shop-{dataset}")),
        "the names belong to the embeddings"
    );
    dataset
}

#[test]
fn a_killed_run_leaves_the_old_catalog_or_the_new_one() {
    let temporary = tempfile::tempdir().expect("a folder");
    let dir = temporary.path();
    fixture::write_retrieval_bundle(&dir.join("bundle")).expect("a bundle");
    for (dataset, size) in SIZES.into_iter().enumerate() {
        fixture::write_dataset(&dir.join(format!("shop-{dataset}")), size, 1000 * dataset as u32).expect("a dataset");
    }
    let start = |dataset: usize| {
        let instructions = serde_json::json!({ "dir": dir, "dataset": dataset });
        Process::start("index_process", &instructions.to_string()).expect("starts")
    };
    let mut current = 0;
    let begun = Instant::now();
    assert!(start(current).wait().expect("waits").success());
    let whole = begun.elapsed();
    assert_eq!(dataset_of(dir), current);

    let mut finished = 0;
    for kill in 0..KILLS {
        let next = 1 - current;
        let mut child = start(next);
        // From the very start to a little past the usual end, where the writing happens.
        std::thread::sleep(whole.mul_f64(f64::from(kill + 1) / f64::from(KILLS) * 1.2));
        let ended = child.kill().expect("waits");
        let found = dataset_of(dir);
        assert!(found == current || found == next);
        if ended.success() {
            assert_eq!(found, next, "a run that ended well made the catalog");
            finished += 1;
        }
        current = found;
    }
    assert!(finished < KILLS, "at least one run was killed on its way");

    // What killed runs left behind is gone after the next one.
    assert!(start(current).wait().expect("waits").success());
    let names: BTreeSet<String> = fs::read_dir(dir.join("catalog"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(names.len(), 6, "the header, its lock and four data files: {names:?}");
}

#[test]
fn damage_is_found_and_explained() {
    let temporary = tempfile::tempdir().expect("a folder");
    let dir = temporary.path();
    fixture::write_retrieval_bundle(&dir.join("bundle")).expect("a bundle");
    fixture::write_dataset(&dir.join("shop-0"), 4, 0).expect("a dataset");
    index(&options(dir, 0), &Device::flex(), |_| ()).expect("indexes");
    let catalog = dir.join("catalog");
    let file = |prefix: &str| {
        let mut entries = fs::read_dir(&catalog)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path());
        entries
            .find(|path| {
                path.file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with(prefix))
            })
            .expect("the file")
    };
    type Damage = fn(Vec<u8>) -> Option<Vec<u8>>;
    let cases: [(&str, Damage, &str); 8] = [
        (
            "embeddings-",
            |bytes| Some(bytes[..bytes.len() - 4].to_vec()),
            "bytes instead of",
        ),
        (
            "embeddings-",
            |mut bytes| {
                bytes[10] ^= 1;
                Some(bytes)
            },
            "checksum",
        ),
        ("embeddings-", |bytes| Some(vec![0; bytes.len()]), "checksum"),
        ("embeddings-", |_| None, "is missing"),
        (
            "rows-",
            |mut bytes| {
                bytes[20] ^= 1;
                Some(bytes)
            },
            "checksum",
        ),
        ("products-", |_| None, "is missing"),
        (
            "catalog.json",
            |bytes| Some(bytes[..bytes.len() / 2].to_vec()),
            "catalog.json",
        ),
        ("catalog.json", |_| None, "selvedge index"),
    ];
    for (prefix, damage, says) in cases {
        let path = file(prefix);
        let good = fs::read(&path).expect("reads");
        match damage(good.clone()) {
            Some(bad) => fs::write(&path, bad).expect("writes"),
            None => fs::remove_file(&path).expect("removes"),
        }
        let error = Catalog::open(&catalog).expect_err(says).to_string();
        assert!(error.contains(says) && error.contains("index"), "{prefix}: {error}");
        fs::write(&path, good).expect("writes");
    }
    let header = file("catalog.json");
    let text = fs::read_to_string(&header).expect("reads");
    fs::write(&header, text.replace("\"format\": 1", "\"format\": 99")).expect("writes");
    assert!(matches!(
        Catalog::open(&catalog),
        Err(CatalogError::Format { found: 99, .. })
    ));
    // As versions wrote it that knew one storage only.
    fs::write(&header, text.replace("  \"storage\": \"f32\",\n", "")).expect("writes");
    assert!(!fs::read_to_string(&header).expect("reads").contains("storage"));
    let whole = Catalog::open(&catalog).expect("whole again");

    // What those versions cannot read has a format of its own, and takes the bytes it should.
    let bytes = |prefix: &str| fs::metadata(file(prefix)).expect("a file").len() as usize;
    for (storage, expected) in [(Storage::F16, 2 * fixture::DIM), (Storage::Int8, fixture::DIM + 4)] {
        index(
            &IndexOptions {
                storage,
                ..options(dir, 0)
            },
            &Device::flex(),
            |_| (),
        )
        .expect("indexes");
        let text = fs::read_to_string(&header).expect("reads");
        assert!(text.contains("\"format\": 2"), "{text}");
        assert_eq!(bytes("embeddings-"), expected * whole.photos(), "{storage:?}");
        assert_eq!(Catalog::open(&catalog).expect("opens").photos(), whole.photos());
        fs::write(&header, text.replace(&format!("\"{}\"", storage.name()), "\"f32\"")).expect("writes");
        let error = Catalog::open(&catalog).expect_err("another storage").to_string();
        assert!(
            error.contains("damaged") && error.contains("index the dataset again"),
            "{error}"
        );
    }
}

#[test]
fn unreadable_photos_within_the_limit_do_not_cost_the_others() {
    let temporary = tempfile::tempdir().expect("a folder");
    let dir = temporary.path();
    fixture::write_retrieval_bundle(&dir.join("bundle")).expect("a bundle");
    fixture::write_dataset(&dir.join("shop-0"), 4, 0).expect("a dataset");
    fs::write(dir.join("shop-0/shop/P0002_1.png"), b"\x89PNG\r\n\x1a\nnot really").expect("writes");
    fs::remove_file(dir.join("shop-0/shop/P0003_0.png")).expect("removes");
    let mut last = None;
    let error = index(&options(dir, 0), &Device::flex(), |_| ())
        .expect_err("two of eight")
        .to_string();
    assert!(
        error.contains("P0003_0.png") && !dir.join("catalog").exists(),
        "{error}"
    );
    let lenient = IndexOptions {
        max_errors: MaxErrors::Count(2),
        ..options(dir, 0)
    };
    let summary = index(&lenient, &Device::flex(), |progress| last = Some(progress)).expect("indexes");
    let skipped: Vec<_> = summary.skipped.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(skipped, ["shop/P0002_1.png", "shop/P0003_0.png"]);
    assert_eq!(
        (summary.photos, last.map(|progress| (progress.done, progress.total))),
        (6, Some((8, 8)))
    );
    let catalog = Catalog::open(&dir.join("catalog")).expect("opens");
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
fn samples_that_nobody_chose_are_not_published() {
    let temporary = tempfile::tempdir().expect("a folder");
    let dir = temporary.path();
    fixture::write_retrieval_bundle(&dir.join("bundle")).expect("a bundle");
    fixture::write_dataset(&dir.join("shop-0"), 4, 0).expect("a dataset");
    fs::write(dir.join("shop-0/samples.txt"), "user/P0001_2.png\n").expect("writes");
    index(&options(dir, 0), &Device::flex(), |_| ()).expect("indexes");
    let open = || Catalog::open(&dir.join("catalog")).expect("opens");
    assert!(open().samples().len() == 1 && open().has_image("user/P0001_2.png"));
    // As versions wrote it that took users' photos by themselves.
    let header = dir.join("catalog/catalog.json");
    let text = fs::read_to_string(&header).expect("reads");
    fs::write(&header, text.replace(",\n  \"samples_chosen\": true", "")).expect("writes");
    assert!(!fs::read_to_string(&header).expect("reads").contains("samples_chosen"));
    assert!(open().samples().is_empty() && !open().has_image("user/P0001_2.png"));
}
