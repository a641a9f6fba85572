//! `--max-errors`, and runs that cannot write.

use super::super::selvedge;
use super::{Place, contents};
use std::fs;

#[test]
fn unreadable_photos_beyond_the_limit_are_refused() {
    let place = Place::new();
    let photo = place.dir.join("shop/shop/P0002_1.png");
    fs::write(photo, b"\x89PNG\r\n\x1a\nnot really").expect("the file is written");
    place.assert_refused(
        &[],
        &[
            "1 of 20 images",
            "at most 1% may",
            "shop/P0002_1.png",
            "manifest.csv, line 9, `path`",
        ],
    );
    place.assert_refused(&["--max-errors", "0"], &["1 of 20 images", "at most 0 may"]);
    let says = [
        "1 images were left out",
        "shop/P0002_1.png",
        "indexed 10 products, 19 photos",
    ];
    place.assert_accepted(&["--max-errors", "1"], &says);
    place.assert_accepted(&["--max-errors", "5%"], &says);
    let usage = place.index("shop", &["--max-errors", "many"]);
    assert!(String::from_utf8_lossy(&usage.stderr).contains("1%"), "{usage:?}");
}

#[test]
fn a_product_without_its_image_gets_another_photo_or_is_left_out() {
    let place = Place::new();
    let photos = place.dir.join("shop/shop");
    fs::write(photos.join("P0002_1.png"), b"\x89PNG\r\n\x1a\nnot really").expect("the file is written");
    fs::remove_file(photos.join("P0002_0.png")).expect("the file is removed");
    fs::remove_file(photos.join("P0003_0.png")).expect("the file is removed");
    for limit in ["1", "2"] {
        place.assert_refused(
            &["--max-errors", limit],
            &["3 of 20 images", "shop/P0003_0.png", "shop/P0002_1.png"],
        );
    }
    let products = place.assert_accepted(
        &["--max-errors", "3"],
        &[
            "P0002 is left out",
            "P0003 is shown by shop/P0003_1.png",
            "1 products have no photo",
        ],
    );
    let images: Vec<_> = products
        .iter()
        .map(|product| product.images[0].source.as_str())
        .collect();
    assert_eq!((images.len(), images[2]), (9, "shop/P0003_1.png"));
}

#[test]
fn a_shop_without_a_readable_photo_is_refused_with_any_limit() {
    let place = Place::new();
    for entry in fs::read_dir(place.dir.join("shop/shop")).expect("the folder exists") {
        let path = entry.expect("the folder is readable").path();
        fs::write(path, "nothing").expect("the file is written");
    }
    place.assert_refused(&[], &["20 of 20 images"]);
    place.assert_refused(&["--max-errors", "100%"], &["no shop photo that can be read"]);
}

/// A limit on the size of files stands in for a full disk.
#[test]
#[cfg(unix)]
fn a_run_that_cannot_write_leaves_the_catalog() {
    let place = Place::new();
    let before = contents(&place.dir.join("catalog"));
    let program = assert_cmd::cargo::cargo_bin("selvedge");
    let mut limited = std::process::Command::new("sh");
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\""])
        .arg(&program)
        .args(Place::args("shop", &[]))
        .current_dir(&place.dir);
    let output = limited.output().expect("the shell starts");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("database") || error.contains("cannot"), "{error}");
    assert_eq!(contents(&place.dir.join("catalog")), before);
    place.assert_accepted(&[], &[]);
}

#[test]
fn a_catalog_of_an_earlier_version_is_refused_with_a_hint() {
    let place = Place::new();
    let old = place.dir.join("old");
    fs::create_dir(&old).expect("the folder is created");
    fs::write(old.join("catalog.json"), "{\"format\": 1}").expect("the file is written");
    let output = selvedge()
        .args([
            "--device",
            "cpu",
            "index",
            "--dataset",
            "shop",
            "--bundle",
            "bundle",
            "--out",
            "old",
        ])
        .current_dir(&place.dir)
        .output();
    let output = output.expect("the program starts");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && error.contains("made by an earlier version"),
        "{error}"
    );
    assert!(error.contains("new folder"), "{error}");
}
