//! `selvedge catalog`: a shop's first day, from a feed to a search, and back-ups.

use super::{run, selvedge};
use std::fs;
use std::path::Path;
use tests::fixture;

/// A table of three products with photos, as a Chinese shop system writes it.
const FEED: &str = "\u{feff}货号;名称;价格;类目;图片\r\nA1;风衣;129,90;外套;a1.png\r\nA2;小白鞋;59;鞋;a2.png\r\nA3;帆布包;35,5;包;a3.png\r\n";

/// Options that explain the feed.
const COLUMNS: [&str; 12] = [
    "--column",
    "货号=id",
    "--column",
    "名称=name",
    "--column",
    "价格=price",
    "--column",
    "类目=category",
    "--column",
    "图片=image",
    "--currency",
    "CNY",
];

/// A folder with a retrieval bundle, a feed and its photos.
fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a temporary folder is created");
    let dir = place.path();
    fixture::write_retrieval_bundle(&dir.join("bundle")).expect("the bundle is written");
    fs::create_dir(dir.join("photos")).expect("the folder is created");
    for number in 1..=3 {
        let path = dir.join(format!("photos/a{number}.png"));
        fixture::photo(number).save(path).expect("the photo is written");
    }
    fs::write(dir.join("feed.csv"), FEED).expect("the feed is written");
    place
}

/// Imports a file into the catalog.
fn import(dir: &Path, file: &str, more: &[&str]) -> Result<String, String> {
    let args = ["catalog", "import", file, "--catalog", "catalog", "--images", "photos"];
    run(dir, &[&args[..], &COLUMNS, more].concat())
}

#[test]
fn a_feed_is_imported_changed_and_exported() {
    let place = place();
    let dir = place.path();
    let would = import(dir, "feed.csv", &["--dry-run"]).expect("the feed is valid");
    assert!(
        would.contains("would import: 3 rows") && would.contains("3 new"),
        "{would}"
    );
    let done = import(dir, "feed.csv", &["--bundle", "bundle"]).expect("the feed is imported");
    assert!(done.contains("3 new"), "{done}");
    let stats = run(dir, &["catalog", "stats", "--catalog", "catalog"]).expect("the catalog is readable");
    assert!(
        stats.contains("products      3") && stats.contains("embeddings    3"),
        "{stats}"
    );
    let again = import(dir, "feed.csv", &[]).expect("the feed is imported");
    assert!(again.contains("0 new, 0 changed, 3 unchanged"), "{again}");

    fs::write(dir.join("prices.csv"), "货号;价格\nA2;49\n").expect("the file is written");
    let changed = import(dir, "prices.csv", &["--merge"]).expect("the prices are imported");
    assert!(changed.contains("1 changed"), "{changed}");
    let exported = run(dir, &["catalog", "export", "--catalog", "catalog"]).expect("the catalog is exported");
    let line = exported.lines().nth(1).expect("there are three products");
    let product: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
    assert_eq!(
        (&product["id"], &product["price"]["amount"]),
        (&"A2".into(), &4900.into())
    );
    assert_eq!(product["images"][0]["source"], "a2.png", "a price keeps the photo");
    fs::write(dir.join("all.ndjson"), &exported).expect("the file is written");
    let back =
        run(dir, &["catalog", "import", "all.ndjson", "--catalog", "catalog"]).expect("an export can be imported");
    assert!(back.contains("0 new, 0 changed, 3 unchanged"), "{back}");
}

#[test]
fn a_feed_with_too_many_faults_changes_nothing() {
    let place = place();
    let dir = place.path();
    fs::remove_file(dir.join("photos/a3.png")).expect("the photo is removed");
    fs::write(dir.join("photos/a2.png"), "no image").expect("the photo is replaced");
    let error = import(dir, "feed.csv", &[]).expect_err("two of three photos fail");
    for part in [
        "feed.csv, line 3",
        "feed.csv, line 4",
        "image_missing",
        "nothing was changed",
        "--max-errors",
    ] {
        assert!(error.contains(part), "`{error}` does not say `{part}`");
    }
    let done = import(dir, "feed.csv", &["--max-errors", "70%"]).expect("the limit allows it");
    assert!(done.contains("3 new") && done.contains("2 failed; products"), "{done}");
    let busy = selvedge()
        .args(["catalog", "import", "none.csv", "--catalog", "catalog"])
        .current_dir(dir)
        .output()
        .expect("the program starts");
    assert!(!busy.status.success());
}

#[test]
fn a_catalog_is_checked_copied_and_restored() {
    let place = place();
    let dir = place.path();
    import(dir, "feed.csv", &["--bundle", "bundle"]).expect("the feed is imported");
    let catalog = |args: &[&str]| run(dir, &[&["catalog"], args].concat());
    let sound = catalog(&["verify", "--catalog", "catalog"]).expect("the catalog is sound");
    assert!(sound.contains("3 embeddings") && sound.contains("no fault"), "{sound}");
    catalog(&["snapshot", "--catalog", "catalog", "--out", "copy"]).expect("the snapshot is written");
    catalog(&["restore", "copy", "--out", "again"]).expect("the snapshot is restored");
    let stats = catalog(&["stats", "--catalog", "again"]).expect("the copy is readable");
    assert!(stats.contains("embeddings    3"), "{stats}");
    let error = catalog(&["restore", "copy", "--out", "again"]).expect_err("the folder is not empty");
    assert!(error.contains("not empty"), "{error}");
    catalog(&["compact", "--catalog", "again"]).expect("the copy is compacted");

    // Another storage is another generation. The one before is kept.
    let int8 = ["embed", "--catalog", "again", "--bundle", "bundle", "--storage", "int8"];
    catalog(&int8).expect("the photos are embedded");
    let list = catalog(&["generations", "--catalog", "again"]).expect("the generations are listed");
    assert!(
        list.contains("kept") && list.contains("live") && list.contains("int8"),
        "{list}"
    );
    let back =
        catalog(&["generations", "--catalog", "again", "--roll-back"]).expect("the old generation is live again");
    assert!(
        back.lines()
            .nth(1)
            .is_some_and(|line| line.contains("live") && line.contains("f32")),
        "{back}"
    );
    let error = catalog(&["stats", "--catalog", "nowhere"]).expect_err("there is no catalog");
    assert!(error.contains("holds no catalog"), "{error}");
}

#[test]
fn photos_come_from_an_archive_and_are_part_of_snapshots() {
    let place = place();
    let dir = place.path();
    let packed = std::process::Command::new("tar")
        .args(["-czf", "photos.tar.gz", "-C", "photos", "."])
        .current_dir(dir)
        .status();
    assert!(packed.expect("tar runs").success());
    fs::remove_dir_all(dir.join("photos")).expect("the folder is removed");
    let args = [
        "catalog",
        "import",
        "feed.csv",
        "--catalog",
        "catalog",
        "--images",
        "photos.tar.gz",
        "--bundle",
        "bundle",
    ];
    let done = run(dir, &[&args[..], &COLUMNS].concat()).expect("the feed is imported");
    assert!(done.contains("3 new"), "{done}");
    let catalog = |args: &[&str]| run(dir, &[&["catalog"], args].concat());
    catalog(&["snapshot", "--catalog", "catalog", "--out", "copy"]).expect("the snapshot is written");
    fs::remove_dir_all(dir.join("catalog")).expect("the catalog is lost");
    catalog(&["restore", "copy", "--out", "again"]).expect("the snapshot is restored");
    // The photos are there, so another model can embed them.
    catalog(&["embed", "--catalog", "again", "--bundle", "bundle", "--views", "flip"])
        .expect("the photos are embedded");
    let stats = catalog(&["stats", "--catalog", "again"]).expect("the copy is readable");
    assert!(
        stats.contains("views=flip") && stats.contains("0 photos wait"),
        "{stats}"
    );
}

#[test]
fn a_model_does_not_replace_another_while_the_photos_cannot_be_read() {
    let place = place();
    let dir = place.path();
    import(dir, "feed.csv", &["--bundle", "bundle"]).expect("the feed is imported");
    let live = || run(dir, &["catalog", "stats", "--catalog", "catalog"]).expect("the catalog is readable");
    let flip = |more: &[&str]| {
        let args = [
            "catalog",
            "embed",
            "--catalog",
            "catalog",
            "--bundle",
            "bundle",
            "--views",
            "flip",
        ];
        run(dir, &[&args[..], more].concat())
    };
    fs::rename(dir.join("photos"), dir.join("away")).expect("the folder is moved");
    let error = flip(&[]).expect_err("no photo can be read");
    for part in ["3 of 3 photos", "3 photos cannot be read", "`a1.png`", "--max-errors"] {
        assert!(error.contains(part), "`{error}` does not say `{part}`");
    }
    assert!(
        live().contains("embeddings    3") && !live().contains("views=flip"),
        "{}",
        live()
    );
    // One of three photos is missing. The user allows it, and still gets an error, because the photo waits.
    fs::rename(dir.join("away"), dir.join("photos")).expect("the folder is moved back");
    fs::rename(dir.join("photos/a2.png"), dir.join("a2.png")).expect("the photo is moved");
    let error = flip(&["--max-errors", "1"]).expect_err("a photo cannot be read");
    assert!(
        error.contains("1 photo cannot be read") && error.contains("`a2.png`"),
        "{error}"
    );
    assert!(
        live().contains("views=flip") && live().contains("1 photos wait"),
        "{}",
        live()
    );
    fs::rename(dir.join("a2.png"), dir.join("photos/a2.png")).expect("the photo is moved back");
    flip(&[]).expect("all photos can be read");
    assert!(
        live().contains("0 photos wait for their embedding, 0 failed"),
        "{}",
        live()
    );
}

#[test]
fn damaged_embeddings_are_reported_until_they_are_computed_again() {
    let place = place();
    let dir = place.path();
    import(dir, "feed.csv", &["--bundle", "bundle"]).expect("the feed is imported");
    let segment = fs::read_dir(dir.join("catalog/segments"))
        .expect("the folder exists")
        .next()
        .expect("there is a file of embeddings")
        .expect("the folder is readable")
        .path();
    let mut bytes = fs::read(&segment).expect("the file is readable");
    bytes[200] ^= 1;
    fs::write(&segment, bytes).expect("the file is written");
    let verify = || {
        let verify = ["catalog", "verify", "--catalog", "catalog"];
        let output = selvedge()
            .args(verify)
            .current_dir(dir)
            .output()
            .expect("the program starts");
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    for attempt in ["first", "second"] {
        let (is_sound, report) = verify();
        assert!(
            !is_sound && report.contains("Damaged: ") && report.contains("is damaged"),
            "{attempt}: {report}"
        );
    }
    run(dir, &["catalog", "embed", "--catalog", "catalog", "--bundle", "bundle"]).expect("the photos are embedded");
    let (is_sound, report) = verify();
    assert!(
        is_sound && report.contains("3 embeddings") && report.contains("no fault"),
        "{report}"
    );
}

#[test]
fn an_import_that_changes_nothing_leaves_the_photos_of_the_catalog() {
    let place = place();
    let dir = place.path();
    let pack = || {
        let packed = std::process::Command::new("tar")
            .args(["-cf", "photos.tar", "-C", "photos", "."])
            .current_dir(dir)
            .status();
        assert!(packed.expect("tar runs").success());
    };
    let import = |file: &str, more: &[&str]| {
        let args = [
            "catalog",
            "import",
            file,
            "--catalog",
            "catalog",
            "--images",
            "photos.tar",
        ];
        run(dir, &[&args[..], &COLUMNS, more].concat())
    };
    pack();
    import("feed.csv", &["--dry-run"]).expect("the feed is valid");
    assert!(!dir.join("catalog").exists(), "a dry run makes no catalog");
    import("feed.csv", &[]).expect("the feed is imported");
    let photo = || fs::read(dir.join("catalog/photos/a1.png")).expect("the photo is there");
    let before = photo();

    fixture::photo(9)
        .save(dir.join("photos/a1.png"))
        .expect("the photo is written");
    pack();
    fs::write(dir.join("bad.csv"), format!("{FEED}A4;包;x;包;a3.png\r\n")).expect("the feed is written");
    import("feed.csv", &["--dry-run"]).expect("the feed is valid");
    import("bad.csv", &[]).expect_err("a price cannot be read");
    assert_eq!(photo(), before);
    let names = || {
        let entries = fs::read_dir(dir.join("catalog")).expect("the catalog is a folder");
        let names = entries.map(|entry| entry.expect("the folder is readable").file_name());
        names
            .filter(|name| name.to_string_lossy().starts_with("unpacking"))
            .count()
    };
    assert_eq!(names(), 0);
    let done = import("feed.csv", &[]).expect("the feed is imported");
    assert!(done.contains("1 changed"), "{done}");
    assert_ne!(photo(), before);
    assert_eq!(names(), 0);
}

#[test]
fn sample_photos_are_added_listed_and_removed() {
    let place = place();
    let dir = place.path();
    import(dir, "feed.csv", &[]).expect("the feed is imported");
    let samples = |args: &[&str]| {
        run(
            dir,
            &[&["catalog", "samples"], args, &["--catalog", "catalog"]].concat(),
        )
    };
    for number in 20..23 {
        let path = dir.join(format!("{number}.png"));
        fixture::photo(number).save(path).expect("the photo is written");
    }
    let added = samples(&["add", "20.png", "21.png", "--product", "A2"]).expect("the photos are added");
    let checksums: Vec<&str> = added.lines().collect();
    assert_eq!(checksums.len(), 2, "{added}");
    samples(&["add", "22.png"]).expect("a photo without a product is added");
    fs::remove_file(dir.join("20.png")).expect("the photo is removed");
    samples(&["remove", &checksums[1][..12]]).expect("the photo is removed");
    let listed = samples(&["list"]).expect("the samples are listed");
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert!(listed.starts_with(&format!("{}  A2  ", checksums[0])), "{listed}");
    for (args, says) in [
        (&["add", "feed.csv"][..], "cannot use feed.csv"),
        (&["add", "21.png", "--product", "none"], "no product `none`"),
        (&["remove", "xyz"], "no sample has the checksum `xyz`"),
    ] {
        let error = samples(args).expect_err(says);
        assert!(error.contains(says), "`{error}` does not say `{says}`");
    }
}
