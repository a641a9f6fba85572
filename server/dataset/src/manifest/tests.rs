//! Reading of equivalent manifests by many programs, empty splits, missing files and categories.

use super::missing_files::hint;
use super::*;
use std::fs;
use std::path::Path;

pub(super) const GOOD: &str = "path,split,labels,item_id,category,domain,mask\n\
    a.jpg,train,casual,1,tops,user,\nb.jpg,train,casual;sport,2,shoes,shop,\nc.jpg,val,sport,3,other,user,\n";

pub(super) fn open(dir: &Path, bytes: &[u8]) -> Result<Dataset, String> {
    fs::write(dir.join("manifest.csv"), bytes).expect("the file can be written");
    Dataset::open(dir).map_err(|error| format!("{error:#}"))
}

/// Content of rows without their line numbers.
fn contents(dataset: &Dataset) -> Vec<(String, String, Vec<String>, String, String, String)> {
    let content = |row: &Row| {
        let Row {
            path,
            split,
            item_id,
            category,
            domain,
            ..
        } = row.clone();
        (
            path,
            split,
            row.labels().map(str::to_owned).collect(),
            item_id,
            category,
            domain,
        )
    };
    dataset.rows.iter().map(content).collect()
}

#[test]
fn files_of_all_programs_are_read_alike() {
    let dir = tempfile::tempdir().expect("a temporary folder can be created");
    let good = contents(&open(dir.path(), GOOD.as_bytes()).expect("the manifest is valid"));
    let quoted: String = GOOD
        .lines()
        .map(|line| format!("\"{}\"\r\n", line.split(',').collect::<Vec<_>>().join("\",\"")))
        .collect();
    let padded: String = GOOD
        .lines()
        .map(|line| format!(" {} \n", line.split(',').collect::<Vec<_>>().join(" ,\u{a0}")))
        .collect();
    let columns = |line: &str| {
        let mut cells: Vec<&str> = line.split(',').collect();
        cells.reverse();
        cells.join(",") + "\n"
    };
    let notes =
        |(at, line): (usize, &str)| format!("{line},{}\n", if at == 0 { "notes" } else { "\"a, \"\"b\"\"\nc\"" });
    for (name, text) in [
        ("byte-order mark", format!("\u{feff}{GOOD}")),
        ("CR LF", GOOD.replace('\n', "\r\n")),
        ("CR", GOOD.replace('\n', "\r")),
        ("quotes", format!("\u{feff}{quoted}")),
        ("padding", padded),
        ("blank lines", GOOD.replace('\n', "\n\n\r\n")),
        ("empty rows", GOOD.replace('\n', "\n,,,,,,\n")),
        ("Ctrl-Z", format!("{GOOD}\u{1a}")),
        ("no last line break", GOOD.trim_end().to_owned()),
        ("columns in another order", GOOD.lines().map(columns).collect()),
        ("another column", GOOD.lines().enumerate().map(notes).collect()),
        (
            "labels twice and padded",
            GOOD.replace("casual;sport", "casual; sport;casual")
                .replace("casual;casual", "casual"),
        ),
        ("a repeated row", format!("{GOOD}./a.jpg,train,casual,1,tops,user,\n")),
        (
            "a repeated row with labels in another order",
            format!("{GOOD}b.jpg,train,sport;casual,2,shoes,shop,\n"),
        ),
    ] {
        let dataset = open(dir.path(), text.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected: Vec<_> = good.clone();
        let mut found = contents(&dataset);
        found.iter_mut().for_each(|row| {
            let mut known = std::collections::BTreeSet::new();
            row.2.retain(|label| known.insert(label.clone()));
        });
        assert_eq!(found, expected, "{name}");
    }
    // Lines are counted as in a text editor.
    let text = "\r\npath,split,notes\r\n\r\na,train,\"1\r2\n3\"\r\n\n\nb,val,\n,,\nc,test,\n";
    let lines: Vec<usize> = open(dir.path(), text.as_bytes())
        .expect("the manifest is valid")
        .rows
        .iter()
        .map(|row| row.line)
        .collect();
    assert_eq!(lines, [4, 9, 11]);
}

#[test]
fn the_error_for_an_empty_split_lists_the_splits() {
    let dir = tempfile::tempdir().expect("a temporary folder can be created");
    let mut dataset = open(dir.path(), GOOD.as_bytes()).expect("the manifest is valid");
    let error = |dataset: &Dataset, split: &str, extra: &str| {
        dataset
            .split(split, |row| extra.is_empty() || row.is_shop(), extra)
            .expect_err("empty")
            .to_string()
    };
    let none = error(&dataset, "test", "");
    assert!(
        none.contains("no image in split 'test'; it has 'train' (2), 'val' (1)") && none.contains("name another split"),
        "{none}"
    );
    let extra = error(&dataset, "val", " of a shop");
    assert!(
        extra.contains("no readable image in split 'val' of a shop, and 1 of another kind"),
        "{extra}"
    );
    // None of the files exists.
    dataset
        .leave_out_corrupt(|row| row.split == "train", false, Limit::Fixed)
        .expect("two of ten");
    let bad = error(&dataset, "train", "");
    assert!(
        bad.contains("no readable image in split 'train'; the images of 2 rows there cannot be read"),
        "{bad}"
    );
    assert!(!bad.contains("(2)"), "unreadable rows are not counted: {bad}");
}

#[test]
fn missing_and_equal_files_are_found() {
    let dir = tempfile::tempdir().expect("a temporary folder can be created");
    fs::create_dir_all(dir.path().join("images/sub")).expect("the folder can be created");
    for (name, bytes) in [
        ("images/a.jpg", "one"),
        ("images/sub/b.png", "one"),
        ("images/c.jpg", "two"),
    ] {
        fs::write(dir.path().join(name), bytes).expect("the file can be written");
    }
    let text = "path,split\nimages/a.jpg,train\nimages/sub/b.png,test\nimages/c.jpg,test\nImages/C.JPG,extra\n\
                images/sub/b.jpeg,val\nimages/sub,val\n/nowhere/x.jpg,val\nimages/gone.jpg,val\n";
    // On file systems that ignore case, the removed line would be refused.
    let Ok(dataset) = open(dir.path(), text.replace("Images/C.JPG,extra\n", "").as_bytes()) else {
        panic!("valid")
    };
    let hints: Vec<Option<String>> = dataset.missing().into_iter().map(|missing| missing.hint).collect();
    let expected = [
        Some("there is images/sub/b.png; write the name of the file exactly"),
        Some("it is a folder; name a file in it"),
        Some("the path is absolute; name files from the manifest's folder, so that it can be moved"),
        None,
    ];
    assert_eq!(hints.iter().map(Option::as_deref).collect::<Vec<_>>(), expected);
    assert_eq!(dataset.same_bytes(), [[1, 0]]);
    assert_eq!(
        hint(dir.path(), "Images/C.JPG").as_deref(),
        Some("there is images/c.jpg; write the name of the file exactly")
    );
}

#[test]
fn all_or_no_rows_of_a_split_need_a_category() {
    let dir = tempfile::tempdir().expect("a temporary folder can be created");
    let mut some = open(dir.path(), b"path,split,category\na,train,dress\nb,extra,\n").expect("the manifest is valid");
    some.label_by_category().expect("a split without categories is allowed");
    assert_eq!(
        some.rows.iter().map(|row| row.labels.as_str()).collect::<Vec<_>>(),
        ["tops", ""]
    );
    let mut part = open(dir.path(), b"path,split,category\na,train,dress\nb,train,\n").expect("the manifest is valid");
    let error = part
        .label_by_category()
        .expect_err("one row has no category")
        .to_string();
    assert!(error.contains("b (line 3 of the manifest) has no category"), "{error}");
}
