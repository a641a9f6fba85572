//! Faults of a shop's files: each is refused by line and key, and the old catalog stays.

use super::Place;
use std::fs;

const PRODUCTS: &str = "products.jsonl";
const MANIFEST: &str = "manifest.csv";

#[test]
fn faults_of_products_are_refused_by_line_and_key() {
    let place = Place::new();
    for (good, bad, says) in [
        (
            r#""id":"P0002""#,
            r#""id":2"#,
            &["products.jsonl, line 3", "`id` is 2"][..],
        ),
        (r#""id":"P0002""#, r#""id":"P0001""#, &["line 3", "`P0001`", "line 2"]),
        (
            r#""currency":"CNY""#,
            r#""currency":"RMB1""#,
            &["line 1", "`price.currency`", "`RMB1`", "CNY"],
        ),
        (
            r#""amount":9902"#,
            r#""amount":99.02"#,
            &["line 3", "`price.amount` is 99.02"],
        ),
        (
            r#""amount":9902"#,
            r#""amount":-5"#,
            &["line 3", "`price.amount` is -5"],
        ),
        (r#""en":"Item 2""#, r#""en":"""#, &["line 3", "`name.en` is empty"]),
        (
            r#""category":"bags""#,
            r#""category":"frock""#,
            &["line 3", "`category`", "`frock`", "tops"],
        ),
    ] {
        place.assert_fault(PRODUCTS, good, bad, says);
    }
    place.assert_accepted(&[], &["indexed 10 products, 20 photos"]);
}

#[test]
fn images_of_products_that_cannot_be_served_are_refused() {
    let place = Place::new();
    let shop = place.dir.join("shop");
    fs::create_dir(shop.join("shop/folder.png")).expect("the folder is created");
    fs::write(shop.join("shop/page.png"), "<html>not found</html>").expect("the file is written");
    fs::write(place.dir.join("outside.png"), "secret").expect("the file is written");
    #[cfg(unix)]
    std::os::unix::fs::symlink(place.dir.join("outside.png"), shop.join("shop/link.png")).expect("the link is made");
    for (image, says) in [
        ("https://example.org/a.jpg", &["line 3", "`image`", "web address"][..]),
        ("/etc/passwd", &["line 3", "`image`", "absolute"]),
        ("../outside.png", &["line 3", "`image`", "inside the dataset"]),
        (
            "shop/gone.png",
            &[
                "shop/gone.png: No such file",
                "products.jsonl, line 3, `image`",
                "--max-errors",
            ],
        ),
        ("shop/folder.png", &["shop/folder.png", "a folder"]),
        ("shop/page.png", &["shop/page.png", "a web page"]),
        ("shop/link.png", &["shop/link.png", "a link out of"]),
    ] {
        let bad = format!(r#""image":"{image}""#);
        place.assert_fault(PRODUCTS, r#""image":"shop/P0002_0.png""#, &bad, says);
    }
}

#[test]
fn faults_of_the_manifest_are_refused_by_line_and_column() {
    let place = Place::new();
    for (good, bad, says) in [
        (
            "shop/P0002_0.png",
            "/shop/P0002_0.png",
            &["manifest.csv, line 8", "`path`", "absolute"][..],
        ),
        (
            "shop/P0002_0.png",
            "shop\\P0002_0.png",
            &["line 8", "path", "backslash"],
        ),
        (
            "casual,P0002,bags,shop",
            "casual,,bags,shop",
            &["line 8", "`item_id` is empty"],
        ),
        (
            "casual,P0002,bags,shop",
            "casual,P9,bags,shop",
            &["line 8", "`P9`", "products.jsonl"],
        ),
    ] {
        place.assert_fault(MANIFEST, good, bad, says);
    }
}

#[test]
fn a_manifest_that_was_cut_off_is_refused() {
    let place = Place::new();
    let whole = fs::read_to_string(place.dir.join("shop").join(MANIFEST)).expect("the file is readable");
    let lines: Vec<&str> = whole.lines().collect();
    for (cut, says) in [
        // After a line: only the products without photos tell.
        (
            lines[..10].join("\n") + "\n",
            &[
                "7 of 10 products",
                "P0009: no search can find it (products.jsonl, line 10)",
                "--max-errors",
            ][..],
        ),
        // Within a line.
        (
            whole[..whole.find(",P0004").expect("the row exists")].to_owned(),
            &["manifest.csv"],
        ),
        // Within the last column.
        (
            lines.join("\n") + "mask/P0",
            &["line 31", "ends within this line", "mask/P0"],
        ),
    ] {
        place.edit(MANIFEST, |_| cut);
        place.assert_refused(&[], says);
    }
}

#[test]
fn products_that_were_cut_off_are_refused() {
    let place = Place::new();
    place.edit(PRODUCTS, |text| text[..text.len() - 30].to_owned());
    place.assert_refused(&[], &["products.jsonl, line 10", "cut off"]);
    place.edit(PRODUCTS, |text| {
        text.lines().take(4).map(|line| format!("{line}\n")).collect()
    });
    place.assert_refused(&[], &["12 lines cannot be used", "`P0004` is not in products.jsonl"]);
}
