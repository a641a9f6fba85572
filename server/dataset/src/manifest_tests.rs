//! The manifest's reader on files as people save them: what is read alike, what is refused and with which words.

use super::*;
use std::fs;
use std::path::Path;

const GOOD: &str = "path,split,labels,item_id,category,domain,mask\n\
    a.jpg,train,casual,1,tops,user,\nb.jpg,train,casual;sport,2,shoes,shop,\nc.jpg,val,sport,3,other,user,\n";

fn open(dir: &Path, bytes: &[u8]) -> Result<Dataset, String> {
    fs::write(dir.join("manifest.csv"), bytes).expect("written");
    Dataset::open(dir).map_err(|error| format!("{error:#}"))
}

/// What commands see of rows: everything but the line.
fn seen(dataset: &Dataset) -> Vec<(String, String, Vec<String>, String, String, String)> {
    let of = |row: &Row| {
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
    dataset.rows.iter().map(of).collect()
}

#[test]
fn files_of_every_program_are_read_alike() {
    let dir = tempfile::tempdir().expect("a folder");
    let good = seen(&open(dir.path(), GOOD.as_bytes()).expect("valid"));
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
        ("a row twice", format!("{GOOD}./a.jpg,train,casual,1,tops,user,\n")),
        (
            "a row twice, labels in another order",
            format!("{GOOD}b.jpg,train,sport;casual,2,shoes,shop,\n"),
        ),
    ] {
        let dataset = open(dir.path(), text.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected: Vec<_> = good.clone();
        let mut found = seen(&dataset);
        found.iter_mut().for_each(|row| {
            let mut known = std::collections::BTreeSet::new();
            row.2.retain(|label| known.insert(label.clone()));
        });
        assert_eq!(found, expected, "{name}");
    }
    // Whoever knows lines knows them as an editor counts them.
    let text = "\r\npath,split,notes\r\n\r\na,train,\"1\r2\n3\"\r\n\n\nb,val,\n,,\nc,test,\n";
    let lines: Vec<usize> = open(dir.path(), text.as_bytes())
        .expect("valid")
        .rows
        .iter()
        .map(|row| row.line)
        .collect();
    assert_eq!(lines, [4, 9, 11]);
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_line_and_what_to_do() {
    let dir = tempfile::tempdir().expect("a folder");
    // Two files whose names differ in capitals only, and one of which that is not so.
    for name in ["a.jpg", "A.jpg", "b.jpg"] {
        fs::write(dir.path().join(name), name).expect("written");
    }
    let row = |cells: &str| {
        format!("path,split,labels,item_id,category,domain,mask\n\na.jpg,train,casual,1,tops,user,\n{cells}\n")
    };
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    for (bytes, said) in [
        // The file.
        (Vec::new(), "manifest.csv: it is empty"),
        (wide(GOOD), "UTF-16"),
        (
            b"path,split,labels\na.jpg,train,\xd0\xdd\xcf\xd0\n".to_vec(),
            "line 2: the file is not UTF-8; it looks like GB18030",
        ),
        (GOOD.lines().next().expect("a header").into(), "has no rows"),
        (
            GOOD.replace(',', ";").into(),
            "line 1: the columns are separated by semicolons",
        ),
        (GOOD.replace(',', "\t").into(), "separated by tabs"),
        (GOOD.replace(',', "|").into(), "separated by vertical bars"),
        (GOOD.replace(',', "，").into(), "separated by full-width commas"),
        (
            format!("\u{feff}\"path\";\"split\"\r\n{GOOD}").into(),
            "separated by semicolons",
        ),
        (format!("sep=,\n{GOOD}").into(), "line 1: 'sep=,' is a hint"),
        (format!("\"sep=;\"\n{}", GOOD.replace(',', ";")).into(), "is a hint"),
        // The header.
        (
            "path,labels\na,b\n".into(),
            "line 1: the header lacks the column 'split'; it has 'path', 'labels'",
        ),
        ("a.jpg,train\nb.jpg,val\n".into(), "lacks the column 'path'"),
        (
            "path,split,split\na,train,val\n".into(),
            "names the column 'split' twice",
        ),
        (
            "Path,split\na,train\n".into(),
            "has a column 'Path'; it is written 'path'",
        ),
        (
            "path,split,label\na,train,x\n".into(),
            "has a column 'label'; it is written 'labels'",
        ),
        (
            "path,split,Item ID\na,train,x\n".into(),
            "has a column 'Item ID'; it is written 'item_id'",
        ),
        // A line.
        (
            row("path,split,labels,item_id,category,domain,mask").into(),
            "line 4: it repeats the header",
        ),
        (row("b.jpg,train").into(), "line 4: it has 2 cells and the header 7"),
        (
            row("b.jpg,train,,,,,,").into(),
            "line 4: it has 8 cells and the header 7",
        ),
        (
            row("\"b.jpg,train,,,,,\nc.jpg,train,,,,,").into(),
            "line 4: it has 1 cells and the header 7; a quote that begins here",
        ),
        (
            row("\"b.jpg\nx\",train,,,,,").into(),
            "line 4: the column 'path' is 'b.jpg\\nx': it spans lines",
        ),
        // Paths.
        (row(",train,,,,,").into(), "line 4: the column 'path' is empty"),
        (
            row("i\\b.jpg,train,,,,,").into(),
            "line 4: the column 'path' is 'i\\b.jpg': it has a backslash; write '/'",
        ),
        (row("C:\\i\\b.jpg,train,,,,,").into(), "a Windows drive"),
        (row("D:/b.jpg,train,,,,,").into(), "a Windows drive"),
        (row("file:///b.jpg,train,,,,,").into(), "it is a URL"),
        (row("https://x/b.jpg,train,,,,,").into(), "it is a URL"),
        (row("~/b.jpg,train,,,,,").into(), "'~' means no folder here"),
        (
            row("b.jpg,train,,,,,m\\b.png").into(),
            "the column 'mask' is 'm\\b.png': it has a backslash",
        ),
        (row("b\u{0}.jpg,train,,,,,").into(), "it holds a control character"),
        // Splits.
        (
            row("b.jpg,,,,,,").into(),
            "line 4: the column 'split' is empty: every photo belongs to a split",
        ),
        (
            row("b.jpg,Train,,,,,").into(),
            "the column 'split' is 'Train': it is nearly 'train'",
        ),
        (row("b.jpg,trian,,,,,").into(), "nearly 'train'"),
        (row("b.jpg,tests,,,,,").into(), "nearly 'test'"),
        (row("b.jpg,Validation,,,,,").into(), "nearly 'validation'"),
        (row("b.jpg,dev,,,,,").into(), "write 'val'"),
        (
            row("b.jpg,extra,,,,,\nc.jpg,Extra,,,,,").into(),
            "line 5: the column 'split' has 'Extra' and, on line 4, 'extra'",
        ),
        // Labels.
        (
            row("b.jpg,train,Casual,,,,").into(),
            "line 4: the column 'labels' has 'Casual' and, on line 3, 'casual'",
        ),
        (
            row("b.jpg,train,ｃasual,,,,").into(),
            "differ in capitals or width only",
        ),
        (
            row("b.jpg,train,casual；sport,,,,").into(),
            "line 4: the column 'labels' is 'casual；sport': '；' does not separate labels; join them by ';'",
        ),
        (
            row("b.jpg,train,\"casual,sport\",,,,").into(),
            "',' does not separate labels",
        ),
        (
            row("b.jpg,train,casual|sport,,,,").into(),
            "'|' does not separate labels",
        ),
        (
            row("b.jpg,train,casual、sport,,,,").into(),
            "'、' does not separate labels",
        ),
        (row("b.jpg,train,casual;;sport,,,,").into(), "the ';' that is too much"),
        (row("b.jpg,train,casual;,,,,").into(), "the ';' that is too much"),
        (row("b.jpg,train,'casual',,,,").into(), "stands in quotes"),
        (row("b.jpg,train,'casual';'sport',,,,").into(), "stands in quotes"),
        (row("b.jpg,train,nan,,,,").into(), "leave the cell empty"),
        (row("b.jpg,train,#REF!,,,,").into(), "leave the cell empty"),
        (row("b.jpg,train,caf\u{fffd},,,,").into(), "a character was lost"),
        // What else is known of a photo.
        (
            row("b.jpg,train,,,Tops,,").into(),
            "the column 'category' is 'Tops': it is nearly 'tops'",
        ),
        (row("b.jpg,train,,,shoe,,").into(), "nearly 'shoes'"),
        (
            row("b.jpg,train,,,hat,,\nc.jpg,train,,,Hat,,").into(),
            "line 5: the column 'category' has 'Hat' and, on line 4, 'hat'",
        ),
        (
            row("b.jpg,train,,,,Shop,").into(),
            "the column 'domain' is 'Shop': write 'shop'",
        ),
        (
            row("b.jpg,train,,6.90123E+12,,,").into(),
            "a spreadsheet has rounded it",
        ),
        (row("b.jpg,train,,None,,,").into(), "leave the cell empty"),
        (
            "path,split,box\na,train,1 2 3\n".into(),
            "line 2: the column 'box' is '1 2 3': a box is `x0 y0 x1 y1`",
        ),
        ("path,split,box\na,train,5 5 5 9\n".into(), "x0 < x1"),
        ("path,split,box\na,train,\"1,2,3,4\"\n".into(), "whole pixels"),
        (
            "path,split,several_splits\na,train,maybe\n".into(),
            "line 2: the column 'several_splits' is 'maybe': write yes or no",
        ),
        // One photo twice.
        (
            row("a.jpg,train,sport,1,tops,user,").into(),
            "line 4: the photo a.jpg has the labels 'sport' and, on line 3, 'casual'",
        ),
        (
            row("./a.jpg,train,casual,2,tops,user,").into(),
            "has the item_id '2' and, on line 3, '1'",
        ),
        (
            row("x/../a.jpg,test,casual,2,tops,user,").into(),
            "line 4: the photo x/../a.jpg is in 'test' and, on line 3, in 'train'",
        ),
        (
            row("B.JPG,train,,,,,\nb.jpg,train,,,,,").into(),
            "line 5: the path b.jpg differs from B.JPG on line 4 in capitals only",
        ),
        // One item in several splits.
        (
            row("b.jpg,test,casual,1,tops,user,").into(),
            "line 4: the item '1' is in 'test' and, on line 3, in 'train', so figures would be too good",
        ),
        (
            "path,split,dup_group\na,train,p\nb,val,p\n".into(),
            "the dup_group 'p' is in 'val' and, on line 2, in 'train'",
        ),
        (
            "path,split,item_id,several_splits\na,train,p,yes\nb,val,p,\n".into(),
            "write yes in a column 'several_splits'",
        ),
    ] {
        let error = open(dir.path(), &bytes).map(drop).expect_err(said);
        assert!(
            error.contains(said) && error.contains("manifest.csv"),
            "{said}:\n{error}"
        );
    }
    for (text, n) in [
        // Two files that differ in capitals are two photos; boxes of one photo are as many; other splits may share items.
        (row("A.jpg,train,sport,1,tops,user,"), 2),
        ("path,split,labels,box\na,train,x,0 0 4 4\na,train,y,4 0 8 4\na,train,,\n".to_owned(), 3),
        ("path,split,item_id,dup_group,several_splits\na,train,p,q,yes\nb,val,p,q,yes\n".to_owned(), 2),
        ("path,split,item_id\na,train,p\nb,unlabelled,p\nc,test2,p\n".to_owned(), 3),
        ("path,split,category,domain,labels\na,train,bottoms,worn_on_model,t-shirt/top\nb,train,outfit,street,None\n".to_owned(), 2),
    ] {
        assert_eq!(open(dir.path(), text.as_bytes()).map(|dataset| dataset.rows.len()), Ok(n), "{text}");
    }
}

#[test]
fn a_split_without_rows_says_what_there_is() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut dataset = open(dir.path(), GOOD.as_bytes()).expect("valid");
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
    // None of the files is there.
    dataset
        .leave_out_corrupt(|row| row.split == "train", false, Limit::Fixed)
        .expect("two of ten");
    let bad = error(&dataset, "train", "");
    assert!(
        bad.contains("no readable image in split 'train'; the pictures of 2 rows there cannot be read"),
        "{bad}"
    );
    assert!(!bad.contains("(2)"), "nothing is said to be there: {bad}");
}

#[test]
fn files_that_are_missing_or_the_same_are_told() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(dir.path().join("images/sub")).expect("created");
    for (name, bytes) in [
        ("images/a.jpg", "one"),
        ("images/sub/b.png", "one"),
        ("images/c.jpg", "two"),
    ] {
        fs::write(dir.path().join(name), bytes).expect("written");
    }
    let text = "path,split\nimages/a.jpg,train\nimages/sub/b.png,test\nimages/c.jpg,test\nImages/C.JPG,extra\n\
                images/sub/b.jpeg,val\nimages/sub,val\n/nowhere/x.jpg,val\nimages/gone.jpg,val\n";
    // Where names that differ in capitals are one file, the line that says so is refused before.
    let Ok(dataset) = open(dir.path(), text.replace("Images/C.JPG,extra\n", "").as_bytes()) else {
        panic!("valid")
    };
    let hints: Vec<Option<String>> = dataset.missing().into_iter().map(|missing| missing.hint).collect();
    let expected = [
        Some("there is images/sub/b.png; write names as the files have them"),
        Some("it is a folder; name a file in it"),
        Some("the path is absolute; name files from the manifest's folder, so that it can be moved"),
        None,
    ];
    assert_eq!(hints.iter().map(Option::as_deref).collect::<Vec<_>>(), expected);
    assert_eq!(dataset.same_bytes(), [[1, 0]]);
    assert_eq!(
        files::hint(dir.path(), "Images/C.JPG").as_deref(),
        Some("there is images/c.jpg; write names as the files have them")
    );
}

#[test]
fn a_category_is_there_for_all_photos_of_a_split_or_for_none() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut some = open(dir.path(), b"path,split,category\na,train,dress\nb,extra,\n").expect("valid");
    some.label_by_category()
        .expect("a split without categories is one without labels");
    assert_eq!(
        some.rows.iter().map(|row| row.labels.as_str()).collect::<Vec<_>>(),
        ["tops", ""]
    );
    let mut part = open(dir.path(), b"path,split,category\na,train,dress\nb,train,\n").expect("valid");
    let error = part.label_by_category().expect_err("a hole").to_string();
    assert!(error.contains("b (line 3 of the manifest) has no category"), "{error}");
}
