//! Imports: limits of faults, repetition, resumption and dry runs.

use std::fs;
use std::ops::ControlFlow;

use store::{
    Encoding, Expected, FolderImages, Format, GivenHashes, ImportOptions, Mode, Outcome, Phase, Product, StoreError,
};
use tempfile::TempDir;

use crate::{ids, lenient, new_store, product, run, write};

/// Writes `count` images and a file of products that names them, and returns the path of the file.
fn shop(dir: &TempDir, name: &str, count: usize, price: &dyn Fn(usize) -> String) -> std::path::PathBuf {
    let mut text = String::new();
    for at in 0..count {
        write(dir, &format!("photos/{at}.jpg"), format!("image {at}"));
        text.push_str(&format!(
            "{{\"id\":\"P{at:04}\",\"name\":{{\"en\":\"Shoe {at}\"}},\"price\":\"{} EUR\",\"image\":\"{at}.jpg\"}}\n",
            price(at)
        ));
    }
    write(dir, name, text)
}

fn photos(dir: &TempDir) -> FolderImages {
    FolderImages::new(&dir.path().join("photos")).unwrap()
}

#[test]
fn importing_a_file_twice_changes_nothing() {
    let (dir, store) = new_store();
    let file = shop(&dir, "products.jsonl", 30, &|_| "1.50".into());
    let options = ImportOptions::new(&file, Format::Ndjson);
    let first = run(&store, &options, &photos(&dir));
    assert_eq!(
        (first.outcome, first.counts.created),
        (Outcome::Applied, 30),
        "{first:?}"
    );
    let last = store.last_change().unwrap();
    let second = run(&store, &options, &photos(&dir));
    assert_eq!((second.counts.unchanged, store.last_change().unwrap()), (30, last));
    let file = shop(&dir, "products.jsonl", 30, &|at| {
        if at == 7 { "9.99".into() } else { "1.50".into() }
    });
    let third = run(&store, &ImportOptions::new(&file, Format::Ndjson), &photos(&dir));
    assert_eq!((third.counts.changed, third.counts.unchanged), (1, 29));
}

#[test]
fn an_export_imports_without_a_change() {
    let (dir, store) = new_store();
    let file = shop(&dir, "products.jsonl", 5, &|_| "1.50".into());
    run(&store, &ImportOptions::new(&file, Format::Ndjson), &photos(&dir));
    let mut rich: Product = serde_json::from_str(
        r#"{"id":"rich","name":{"en":"a","zh-Hant":"鞋"},"price":{"amount":5,"currency":"JPY"},"brand":"B",
            "url":"https://a.example/p?x=1","attributes":{"size":41.5,"new":true,"tags":["x","y"],"color":"red"},
            "stock":{"availability":"preorder","quantity":0},"group":"g"}"#,
    )
    .unwrap();
    rich.images = product("x", 1, "crop").images;
    rich.images[0].crop = Some(serde_json::from_str(r#"{"x":1,"y":2,"width":3,"height":4}"#).unwrap());
    store.upsert(&rich, Expected::Any).unwrap();
    let mut text = Vec::new();
    assert_eq!(store.export(&mut text).unwrap(), 6);
    let export = write(&dir, "export.jsonl", &text);
    let same = run(&store, &ImportOptions::new(&export, Format::Ndjson), &GivenHashes);
    assert_eq!(
        (same.counts.unchanged, same.faults.len(), same.ignored.len()),
        (6, 0, 0),
        "{same:?}"
    );
    let (_other, other_store) = new_store();
    run(&other_store, &ImportOptions::new(&export, Format::Ndjson), &GivenHashes);
    let mut again = Vec::new();
    other_store.export(&mut again).unwrap();
    assert_eq!(again, text);
}

#[test]
fn too_many_faults_abort_before_anything_is_changed() {
    let (dir, store) = new_store();
    let good = shop(&dir, "products.jsonl", 10, &|_| "1.50".into());
    run(&store, &ImportOptions::new(&good, Format::Ndjson), &photos(&dir));
    let last = store.last_change().unwrap();
    let bad = shop(&dir, "bad.jsonl", 10, &|at| {
        if at < 2 { "free".into() } else { "7.00".into() }
    });
    let strict = run(&store, &ImportOptions::new(&bad, Format::Ndjson), &photos(&dir));
    assert_eq!((strict.outcome, strict.counts.failed_rows), (Outcome::Aborted, 2));
    assert_eq!(store.last_change().unwrap(), last);
    fs::remove_dir_all(dir.path().join("photos")).unwrap();
    fs::create_dir(dir.path().join("photos")).unwrap();
    let unmounted = run(&store, &ImportOptions::new(&good, Format::Ndjson), &photos(&dir));
    assert_eq!(
        (unmounted.outcome, unmounted.counts.failed_images),
        (Outcome::Aborted, 10)
    );
    let options = ImportOptions {
        max_errors: 1.0,
        ..ImportOptions::new(&bad, Format::Ndjson)
    };
    let allowed = run(&store, &options, &photos(&dir));
    assert_eq!((allowed.outcome, allowed.counts.changed), (Outcome::Applied, 8));
    let kept = store.product("P0005").unwrap().unwrap().product;
    assert_eq!(kept.images.len(), 1, "an image that cannot be read any more is kept");
}

#[test]
fn a_dry_run_reports_and_changes_nothing() {
    let (dir, store) = new_store();
    store.upsert(&product("P0001", 1, "a"), Expected::Any).unwrap();
    let last = store.last_change().unwrap();
    let file = shop(&dir, "products.jsonl", 5, &|_| "1.50".into());
    let options = ImportOptions {
        dry_run: true,
        batch: 2,
        ..ImportOptions::new(&file, Format::Ndjson)
    };
    let report = run(&store, &options, &photos(&dir));
    assert_eq!(
        (report.outcome, report.counts.created, report.counts.changed),
        (Outcome::DryRun, 4, 1)
    );
    assert_eq!(
        (ids(&store), store.last_change().unwrap()),
        (vec!["P0001".to_owned()], last)
    );
}

#[test]
fn an_import_that_was_ended_continues_in_both_phases() {
    for end in [Phase::Staging, Phase::Applying] {
        let (dir, store) = new_store();
        let file = shop(&dir, "products.jsonl", 20, &|_| "1.50".into());
        let options = ImportOptions {
            batch: 5,
            ..ImportOptions::new(&file, Format::Ndjson)
        };
        let ended = store.import(&options, &photos(&dir), &mut |progress| {
            if (progress.phase, progress.done) == (end, 10) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        assert_eq!(ended.unwrap().outcome, Outcome::Cancelled);
        assert_eq!(ids(&store).len(), if end == Phase::Staging { 0 } else { 10 });
        let mut positions = Vec::new();
        let continued = store.import(&options, &photos(&dir), &mut |progress| {
            positions.push((progress.phase, progress.done));
            ControlFlow::Continue(())
        });
        let continued = continued.unwrap();
        assert!(continued.resumed && !positions.contains(&(end, 5)), "{positions:?}");
        assert_eq!(
            (continued.counts.rows, continued.counts.created, ids(&store).len()),
            (20, 20, 20)
        );
    }
}

#[test]
fn a_merge_changes_only_the_values_of_the_file() {
    let (dir, store) = new_store();
    let file = shop(&dir, "products.jsonl", 3, &|_| "1.50".into());
    run(&store, &ImportOptions::new(&file, Format::Ndjson), &photos(&dir));
    let prices = write(
        &dir,
        "prices.csv",
        "id;price;currency;stock\nP0001;12,34;EUR;0\nP9;1;EUR;1\n",
    );
    let options = ImportOptions {
        mode: Mode::Merge,
        ..lenient(&prices, Format::Csv)
    };
    let report = run(&store, &options, &photos(&dir));
    assert_eq!((report.counts.changed, report.counts.failed_rows), (1, 1), "{report:?}");
    assert_eq!(report.faults[0].column.as_deref(), Some("name"));
    let changed = store.product("P0001").unwrap().unwrap().product;
    assert_eq!(
        (
            changed.price.unwrap().amount,
            changed.names["en"].as_str(),
            changed.images.len()
        ),
        (1234, "Shoe 1", 1)
    );
    assert_eq!(changed.stock.unwrap().availability.name(), "out_of_stock");
}

#[test]
fn faults_name_file_line_column_and_code() {
    let (dir, store) = new_store();
    write(&dir, "photos/a.jpg", "a");
    let lines = [
        (r#"{"id":"good","name":{"en":"a"},"image":"a.jpg"}"#, None),
        ("", None),
        (r#"{"id":0,"name":{"en":"a"}}"#, Some(("id", "not_text"))),
        (r#"{"name":{"en":"a"}}"#, Some(("id", "missing_id"))),
        (r#"{"id":"a"}"#, Some(("name", "invalid_value"))),
        (r#"{"id":"b","name":{"en":""}}"#, Some(("name.en", "invalid_value"))),
        (r#"{"id":"c","name":"n","price":129.5}"#, Some(("price", "price"))),
        (
            r#"{"id":"d","name":"n","price":{"amount":-1,"currency":"EUR"}}"#,
            Some(("price", "price")),
        ),
        (
            r#"{"id":"e","name":"n","price":{"amount":1,"currency":"eur"}}"#,
            Some(("price.currency", "currency")),
        ),
        (r#"{"id":"f","name":"n","price":"1.999 EUR"}"#, Some(("price", "price"))),
        (r#"{"id":"good","name":{"en":"b"}}"#, Some(("id", "duplicate_id"))),
        (
            r#"{"id":"g","name":"n","category":"hats"}"#,
            Some(("category", "category_unknown")),
        ),
        (
            r#"{"id":"h","name":"n","image":"/etc/passwd"}"#,
            Some(("image", "image_path")),
        ),
        (
            r#"{"id":"i","name":"n","image":"../x.jpg"}"#,
            Some(("image", "image_path")),
        ),
        (
            r#"{"id":"j","name":"n","image":"gone.jpg"}"#,
            Some(("image", "image_missing")),
        ),
        (
            r#"{"id":"k","name":"n","image":"https://cdn.example/p/a.jpg?w=9"}"#,
            None,
        ),
        (
            r#"{"id":"l","name":"n","styles":"casual","extra":1,"attributes":{"a":{"b":1}}}"#,
            Some(("attributes.a", "attribute")),
        ),
        (r#"{"id":"m","name":"n""#, Some(("", "syntax"))),
    ];
    let text: Vec<&str> = lines.iter().map(|(line, _)| *line).collect();
    let file = write(&dir, "products.jsonl", format!("\u{feff}{}", text.join("\r\n")));
    let options = ImportOptions {
        categories: vec!["shoes".into()],
        ..lenient(&file, Format::Ndjson)
    };
    let report = run(&store, &options, &photos(&dir));
    let found: Vec<(u64, &str, &str)> = report
        .faults
        .iter()
        .map(|fault| {
            (
                fault.line,
                fault.column.as_deref().unwrap_or_default(),
                fault.code.as_str(),
            )
        })
        .collect();
    let expected: Vec<(u64, &str, &str)> = (1..)
        .zip(&lines)
        .filter_map(|(line, (_, fault))| fault.map(|(column, code)| (line, column, code)))
        .collect();
    assert_eq!(found, expected);
    assert!(report.faults.iter().all(|fault| fault.file == "products.jsonl"));
    assert_eq!(ids(&store), ["good", "h", "i", "j", "k"]);
}

#[test]
fn tables_are_read_in_their_dialects() {
    let chinese = "货号;名称;价格\r\nA1;黑色\"皮鞋\";129.00 CNY\r\n";
    let (gb18030, _, _) = encoding_rs::GB18030.encode(chinese);
    let utf16: Vec<u8> = "\u{feff}id\tname\r\nA1\t黑色\"皮鞋\"\r\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let cases: [(&str, Vec<u8>); 7] = [
        (
            "comma",
            b"id,name,price\nA1,\"\xe9\xbb\x91\xe8\x89\xb2\"\"\xe7\x9a\xae\xe9\x9e\x8b\"\"\",129.00 CNY\n".to_vec(),
        ),
        ("tab, mark", "\u{feff}id\tname\tprice\nA1\t黑色\"皮鞋\"\t129 CNY".into()),
        ("semicolon", chinese.into()),
        ("gb18030", gb18030.into_owned()),
        ("utf-16", utf16),
        ("excel", "sep=;\r\nid;name\r\nA1;黑色\"皮鞋\"\r\n".into()),
        ("blank lines", "\n\nid,name\n\n\nA1,黑色\"皮鞋\"\n\n".into()),
    ];
    for (name, bytes) in cases {
        let (dir, store) = new_store();
        let file = write(&dir, "products.csv", bytes);
        let mut options = ImportOptions::new(&file, Format::Csv);
        options
            .mapping
            .extend([("货号", "id"), ("名称", "name"), ("价格", "price")].map(|(a, b)| (a.into(), b.into())));
        let report = run(&store, &options, &GivenHashes);
        assert_eq!(
            (report.outcome, report.counts.created),
            (Outcome::Applied, 1),
            "{name}: {report:?}"
        );
        let found = store.product("A1").unwrap().unwrap().product;
        assert_eq!(found.names["en"], "黑色\"皮鞋\"", "{name}");
        assert!(found.price.is_none_or(|price| price.amount == 12_900), "{name}");
    }
}

#[test]
fn lines_of_a_table_are_counted_through_quoted_breaks_and_blank_lines() {
    let (dir, store) = new_store();
    let text = "id,name,price\r\n1,\"two\r\nlines, \"\"quoted\"\"\",1 EUR\r\n\r\n2,x,free\r\n3,x\r\n4,\"a\"b,1 EUR\r\n5,y,2 EUR";
    let report = run(&store, &lenient(&write(&dir, "a.csv", text), Format::Csv), &GivenHashes);
    let found: Vec<(u64, &str)> = report
        .faults
        .iter()
        .map(|fault| (fault.line, fault.code.as_str()))
        .collect();
    assert_eq!(found, [(5, "price"), (6, "columns"), (7, "quotes")]);
    assert_eq!(
        store.product("1").unwrap().unwrap().product.names["en"],
        "two\r\nlines, \"quoted\""
    );
    assert_eq!(ids(&store), ["1", "5"]);
}

#[test]
fn files_that_cannot_be_read_whole_are_refused() {
    let latin = b"id,name\n1,Gr\xfcne M\xe4ntel f\xfcr K\xf6ln\n".to_vec();
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("empty", Vec::new(), "empty"),
        ("no id", b"name,price\nx,1 EUR\n".to_vec(), "0 columns are the id"),
        ("twice", b"id,name,name\n1,a,b\n".to_vec(), "twice"),
        ("open quote", b"id,name\n1,\"a\n2,b\n3,c\n".to_vec(), "not closed"),
        ("latin 1", latin.clone(), "neither UTF-8 nor GB18030"),
        ("binary", vec![0x81; 300], "neither UTF-8 nor GB18030"),
    ];
    for (name, bytes, expected) in cases {
        let (dir, store) = new_store();
        let options = ImportOptions::new(&write(&dir, "a.csv", bytes), Format::Csv);
        let error = store
            .import(&options, &GivenHashes, &mut |_| ControlFlow::Continue(()))
            .expect_err(name);
        assert!(
            matches!(error, StoreError::Source { .. }) && error.to_string().contains(expected),
            "{name}: {error}"
        );
        assert_eq!(store.last_change().unwrap(), 0);
    }
    let (dir, store) = new_store();
    let options = ImportOptions {
        encoding: Encoding::Utf8,
        ..ImportOptions::new(&write(&dir, "a.csv", latin), Format::Csv)
    };
    let error = store
        .import(&options, &GivenHashes, &mut |_| ControlFlow::Continue(()))
        .expect_err("it is not UTF-8");
    assert!(error.to_string().contains("line 2 is not valid UTF-8"), "{error}");
}
