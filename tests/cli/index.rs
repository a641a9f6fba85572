//! `selvedge index` of a small shop: what it refuses, with what words, and what it leaves alone.

use super::selvedge;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tests::fixture;

/// Products of the small shop, of two shop photos each.
const PRODUCTS: u32 = 10;

/// Everything in a folder, by name.
fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path());
    let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    entries
        .map(|path| (name(&path), fs::read(&path).expect("reads")))
        .collect()
}

/// A folder with a retrieval bundle, a shop, and the catalog of another shop.
struct Place {
    _temporary: tempfile::TempDir,
    dir: PathBuf,
}

impl Place {
    fn new() -> Self {
        let temporary = tempfile::tempdir().expect("a folder");
        let place = Self {
            dir: temporary.path().to_owned(),
            _temporary: temporary,
        };
        fixture::write_retrieval_bundle(&place.dir.join("bundle")).expect("a bundle");
        fixture::write_dataset(&place.dir.join("before"), 3, 500).expect("a dataset");
        fixture::write_dataset(&place.dir.join("shop"), PRODUCTS, 0).expect("a dataset");
        assert!(place.index("before", &[]).status.success());
        place
    }

    fn args<'a>(dataset: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let args = [
            "--device",
            "cpu",
            "index",
            "--dataset",
            dataset,
            "--bundle",
            "bundle",
            "--out",
            "catalog",
        ];
        [&args[..], more].concat()
    }

    fn index(&self, dataset: &str, more: &[&str]) -> Output {
        selvedge()
            .args(Self::args(dataset, more))
            .current_dir(&self.dir)
            .output()
            .expect("the program starts")
    }

    /// Indexes the shop, which is expected to be refused with all of `says`, and to leave the catalog as it was.
    #[track_caller]
    fn refused(&self, more: &[&str], says: &[&str]) {
        let before = contents(&self.dir.join("catalog"));
        let output = self.index("shop", more);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{says:?}: {error}");
        for part in says {
            assert!(error.contains(part), "`{error}` does not say `{part}`");
        }
        assert_eq!(
            contents(&self.dir.join("catalog")),
            before,
            "{says:?}: the old catalog stays as it was"
        );
    }

    /// Indexes the shop, which is expected to be accepted with all of `says`; gives the lines of the products.
    #[track_caller]
    fn accepted(&self, more: &[&str], says: &[&str]) -> Vec<serde_json::Value> {
        let output = self.index("shop", more);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{says:?}: {told}");
        for part in says {
            assert!(told.contains(part), "`{told}` does not say `{part}`");
        }
        self.lines("products-")
    }

    /// The lines of the catalog's file whose name begins with `stem`.
    fn lines(&self, stem: &str) -> Vec<serde_json::Value> {
        let files = contents(&self.dir.join("catalog"));
        let (_, bytes) = files.iter().find(|(name, _)| name.starts_with(stem)).expect("the file");
        let text = String::from_utf8(bytes.clone()).expect("text");
        text.lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }

    /// Writes `file` of the shop as `change` makes it.
    fn edit(&self, file: &str, change: impl FnOnce(String) -> String) {
        let path = self.dir.join("shop").join(file);
        let text = fs::read_to_string(&path).unwrap_or_default();
        fs::write(path, change(text)).expect("writes");
    }
}

#[test]
fn values_that_cannot_be_shown_are_refused_by_line_and_key() {
    let place = Place::new();
    let shop = place.dir.join("shop");
    fs::create_dir(shop.join("shop/folder.png")).expect("creates");
    fs::write(shop.join("shop/page.png"), "<html>not found</html>").expect("writes");
    fs::write(place.dir.join("outside.png"), "secret").expect("writes");
    #[cfg(unix)]
    std::os::unix::fs::symlink(place.dir.join("outside.png"), shop.join("shop/link.png")).expect("links");
    let (products, manifest) = ("products.jsonl", "manifest.csv");
    let image = r#""image":"shop/P0002_0.png""#;
    for (file, good, bad, says) in [
        (
            products,
            r#""id":"P0002""#,
            r#""id":2"#,
            &["products.jsonl, line 3", "`id` is 2"][..],
        ),
        (
            products,
            r#""id":"P0002""#,
            r#""id":"P0001""#,
            &["line 3", "`P0001`", "line 2"],
        ),
        (
            products,
            r#""currency":"CNY""#,
            r#""currency":"RMB1""#,
            &["line 1", "`price.currency`", "`RMB1`", "CNY"],
        ),
        (
            products,
            r#""amount":9902"#,
            r#""amount":99.02"#,
            &["line 3", "`price.amount` is 99.02"],
        ),
        (
            products,
            r#""amount":9902"#,
            r#""amount":-5"#,
            &["line 3", "`price.amount` is -5"],
        ),
        (
            products,
            r#""en":"Item 2""#,
            r#""en":"""#,
            &["line 3", "`name.en` is empty"],
        ),
        (
            products,
            r#""category":"bags""#,
            r#""category":"frock""#,
            &["line 3", "`category`", "`frock`", "tops"],
        ),
        (
            products,
            image,
            r#""image":"https://example.org/a.jpg""#,
            &["line 3", "`image`", "web address"],
        ),
        (
            products,
            image,
            r#""image":"/etc/passwd""#,
            &["line 3", "`image`", "absolute"],
        ),
        (
            products,
            image,
            r#""image":"../outside.png""#,
            &["line 3", "`image`", "inside the dataset"],
        ),
        (
            products,
            image,
            r#""image":"shop/gone.png""#,
            &[
                "shop/gone.png: No such file",
                "products.jsonl, line 3, `image`",
                "--max-errors",
            ],
        ),
        (
            products,
            image,
            r#""image":"shop/folder.png""#,
            &["shop/folder.png", "a folder"],
        ),
        (
            products,
            image,
            r#""image":"shop/page.png""#,
            &["shop/page.png", "a web page"],
        ),
        (
            products,
            image,
            r#""image":"shop/link.png""#,
            &["shop/link.png", "a link out of"],
        ),
        (
            manifest,
            "shop/P0002_0.png",
            "/shop/P0002_0.png",
            &["manifest.csv, line 8", "`path`", "absolute"],
        ),
        (
            manifest,
            "shop/P0002_0.png",
            "shop\\P0002_0.png",
            &["line 8", "path", "backslash"],
        ),
        (
            manifest,
            "casual,P0002,bags,shop",
            "casual,,bags,shop",
            &["line 8", "`item_id` is empty"],
        ),
        (
            manifest,
            "casual,P0002,bags,shop",
            "casual,P9,bags,shop",
            &["line 8", "`P9`", "products.jsonl"],
        ),
    ] {
        let whole = fs::read_to_string(shop.join(file)).expect("reads");
        assert!(whole.contains(good), "{good}");
        place.edit(file, |text| text.replacen(good, bad, 1));
        place.refused(&[], says);
        place.edit(file, |_| whole);
    }
    place.accepted(&[], &["indexed 10 products, 20 photos"]);
}

#[test]
fn a_broken_dataset_does_not_replace_a_good_catalog() {
    let place = Place::new();
    let shop = place.dir.join("shop");
    let (products, manifest) = ("products.jsonl", "manifest.csv");
    let whole = fs::read_to_string(shop.join(manifest)).expect("reads");
    let lines: Vec<&str> = whole.lines().collect();
    for (cut, says) in [
        // At the end of a line: only the products tell.
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
            whole[..whole.find(",P0004").expect("a row")].to_owned(),
            &["manifest.csv"],
        ),
        // Within a mask's name, the last column.
        (
            lines.join("\n") + "mask/P0",
            &["line 31", "ends within this line", "mask/P0"],
        ),
    ] {
        place.edit(manifest, |_| cut);
        place.refused(&[], says);
    }
    place.edit(manifest, |_| whole);

    let whole = fs::read_to_string(shop.join(products)).expect("reads");
    place.edit(products, |text| text[..text.len() - 30].to_owned());
    place.refused(&[], &["products.jsonl, line 10", "cut off"]);
    place.edit(products, |text| {
        text.lines().take(4).map(|line| format!("{line}\n")).collect()
    });
    place.refused(&[], &["12 lines cannot be used", "`P0004` is not in products.jsonl"]);
    place.edit(products, |_| whole);

    // One unreadable photo of twenty is more than one in a hundred; of thirty lines at most twenty are named.
    fs::write(shop.join("shop/P0002_1.png"), b"\x89PNG\r\n\x1a\nnot really").expect("writes");
    place.refused(
        &[],
        &[
            "1 of 20 images",
            "at most 1% may",
            "shop/P0002_1.png",
            "manifest.csv, line 9, `path`",
        ],
    );
    place.refused(&["--max-errors", "0"], &["1 of 20 images", "at most 0 may"]);
    let told = [
        "1 images were left out",
        "shop/P0002_1.png",
        "indexed 10 products, 19 photos",
    ];
    place.accepted(&["--max-errors", "1"], &told);
    place.accepted(&["--max-errors", "5%"], &told);
    let usage = place.index("shop", &["--max-errors", "many"]);
    assert!(String::from_utf8_lossy(&usage.stderr).contains("1%"), "{usage:?}");

    // All that the catalog names can be shown: a product gets another of its photos, or goes.
    fs::remove_file(shop.join("shop/P0002_0.png")).expect("removes");
    fs::remove_file(shop.join("shop/P0003_0.png")).expect("removes");
    place.refused(
        &["--max-errors", "2"],
        &["3 of 20 images", "shop/P0003_0.png", "shop/P0002_1.png"],
    );
    place.refused(
        &["--max-errors", "1"],
        &["3 of 20 images", "shop/P0003_0.png", "shop/P0002_1.png"],
    );
    let listed = place.accepted(
        &["--max-errors", "3"],
        &[
            "P0002 is left out",
            "P0003 is shown by shop/P0003_1.png",
            "1 products have no photo",
        ],
    );
    let images: Vec<_> = listed
        .iter()
        .map(|product| product["image"].as_str().expect("a path"))
        .collect();
    assert_eq!((images.len(), images[2]), (9, "shop/P0003_1.png"));
    for entry in fs::read_dir(shop.join("shop")).expect("a folder") {
        fs::write(entry.expect("an entry").path(), "nothing").expect("writes");
    }
    place.refused(&[], &["20 of 20 images"]);
    place.refused(&["--max-errors", "100%"], &["no shop photo that can be read"]);
}

/// The limit stands in for a full disk: what is written beyond it fails with an error of the system.
#[test]
#[cfg(unix)]
fn a_run_that_cannot_write_leaves_nothing_behind() {
    let place = Place::new();
    // Longer than the embeddings, so that one of the limits lets those pass.
    place.edit("products.jsonl", |text| text.replace("Item", &"Item".repeat(100)));
    let before = contents(&place.dir.join("catalog"));
    let program = assert_cmd::cargo::cargo_bin("selvedge");
    for (blocks, file) in [(0, "embeddings.tmp"), (4, "products.tmp")] {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let mut limited = Command::new("sh");
        limited
            .args(["-c", &script])
            .arg(&program)
            .args(Place::args("shop", &[]))
            .current_dir(&place.dir);
        let output = limited.output().expect("the shell starts");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{blocks}: {error}");
        assert!(
            error.contains(&format!("cannot write catalog/{file}")),
            "{blocks}: {error}"
        );
        assert_eq!(contents(&place.dir.join("catalog")), before, "{blocks}");
    }
    place.accepted(&[], &[]);
}

#[test]
fn photos_without_products_are_products_of_their_own() {
    let place = Place::new();
    fs::remove_file(place.dir.join("shop/products.jsonl")).expect("removes");
    place.edit("manifest.csv", |text| {
        let text = text
            .replace(",P0000,tops,shop", ",,tops,shop")
            .replace(",P0001,shoes,", ",,Blouse,");
        text.replace(",P0002,bags,", ",P0002,dress,").trim_end().to_owned()
    });
    let listed = place.accepted(
        &[],
        &[
            "line 5 and 1 more: `category`: `Blouse` is taken for `other`",
            "line 8 and 1 more: `category`: `dress` is taken for `tops`",
            "line 31: the file does not end with a line break",
            "indexed 12 products, 20 photos",
        ],
    );
    let of = |id: &str| listed.iter().find(|product| product["id"] == id).expect(id);
    assert!(
        listed
            .iter()
            .all(|product| product["id"].as_str().is_some_and(|id| !id.trim().is_empty()))
    );
    assert_eq!(of("shop/P0000_1.png")["image"], "shop/P0000_1.png");
    assert_eq!(of("shop/P0001_0.png")["category"], "other");
    assert_eq!(of("P0002")["category"], "tops");
}

#[test]
fn marks_blank_lines_and_unknown_keys_are_read_over() {
    let place = Place::new();
    place.edit("products.jsonl", |text| {
        let text = text
            .replace("\n", "\r\n\r\n")
            .replace(r#""attributes""#, r#""brand":"x","attributes""#);
        format!("\u{feff}{text}").replacen(r#"["casual"]"#, r#"["baroque"]"#, 1)
    });
    let listed = place.accepted(
        &[],
        &[
            "products.jsonl, line 1 and 9 more: the key `brand` is unknown",
            "line 1: `styles`: `baroque`",
        ],
    );
    assert_eq!(listed[0]["name"]["zh"], "商品0");
    place.edit("products.jsonl", |text| text.replacen("9903", "\"9903\"", 1));
    place.refused(&[], &["products.jsonl, line 7", "`price.amount` is \"9903\""]);
}

#[test]
fn samples_are_those_that_the_operator_lists() {
    let place = Place::new();
    place.accepted(&[], &[]);
    assert!(place.lines("samples-").is_empty(), "none unless they are listed");
    let user = |number: u32| format!("user/P{number:04}_2.png\n");
    place.edit("samples.txt", |_| {
        format!("\u{feff}{}\r\n\r\n{}", user(4).trim(), user(1))
    });
    place.accepted(&[], &[]);
    let expected = [("user/P0004_2.png", "P0004"), ("user/P0001_2.png", "P0001")]
        .map(|(image, id)| serde_json::json!({ "image": image, "product_id": id }));
    assert_eq!(place.lines("samples-"), expected);

    fs::write(place.dir.join("shop/user/P0003_2.png"), "nothing").expect("writes");
    fs::write(place.dir.join("shop/user/unlisted.png"), "nothing").expect("writes");
    for (text, says) in [
        (
            "user/unlisted.png\n".to_owned(),
            "line 1: `user/unlisted.png` is not a path of manifest.csv",
        ),
        (
            format!("{}../outside.png\n", user(0)),
            "line 2: `../outside.png` is not a path inside",
        ),
        ("/etc/hostname\n".to_owned(), "absolute"),
        (user(3), "`user/P0003_2.png` cannot be shown"),
        (user(0) + &user(0), "line 2: `user/P0000_2.png` is listed twice"),
        (
            (0..10).filter(|number| *number != 3).map(user).collect(),
            "line 9: `user/P0009_2.png` is one too many",
        ),
    ] {
        place.edit("samples.txt", |_| text);
        place.refused(&[], &["samples.txt", says]);
    }
}
