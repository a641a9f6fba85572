//! Refusal of faulty manifests with line, column and advice.

use super::tests::{GOOD, open};
use std::fs;

/// Manifest with a valid row on line 3 and `cells` on line 4.
fn with_line_4(cells: &str) -> String {
    format!("path,split,labels,item_id,category,domain,mask\n\na.jpg,train,casual,1,tops,user,\n{cells}\n")
}

/// Creates `a.jpg`, `A.jpg` and `b.jpg`.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder can be created");
    for name in ["a.jpg", "A.jpg", "b.jpg"] {
        fs::write(dir.path().join(name), name).expect("the file can be written");
    }
    dir
}

/// Checks that every manifest is refused with a message that contains the text.
#[track_caller]
fn assert_refused(cases: &[(&[u8], &str)]) {
    let dir = folder();
    for (bytes, message) in cases {
        let error = open(dir.path(), bytes).map(drop).expect_err(message);
        assert!(
            error.contains(message) && error.contains("manifest.csv"),
            "{message}:\n{error}"
        );
    }
}

#[test]
fn other_files_than_csv_are_refused() {
    let wide: Vec<u8> = GOOD.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_refused(&[
        (b"", "manifest.csv: it is empty"),
        (&wide, "UTF-16"),
        (
            b"path,split,labels\na.jpg,train,\xd0\xdd\xcf\xd0\n",
            "line 2: the file is not UTF-8; it looks like GB18030",
        ),
        (
            GOOD.lines().next().expect("there is a header line").as_bytes(),
            "has no rows",
        ),
        (
            GOOD.replace(',', ";").as_bytes(),
            "line 1: the columns are separated by semicolons",
        ),
        (GOOD.replace(',', "\t").as_bytes(), "separated by tabs"),
        (GOOD.replace(',', "|").as_bytes(), "separated by vertical bars"),
        (GOOD.replace(',', "，").as_bytes(), "separated by full-width commas"),
        (
            format!("\u{feff}\"path\";\"split\"\r\n{GOOD}").as_bytes(),
            "separated by semicolons",
        ),
        (format!("sep=,\n{GOOD}").as_bytes(), "line 1: 'sep=,' is a hint"),
        (format!("\"sep=;\"\n{}", GOOD.replace(',', ";")).as_bytes(), "is a hint"),
    ]);
}

#[test]
fn faulty_headers_are_refused() {
    assert_refused(&[
        (
            "path,labels\na,b\n".as_bytes(),
            "line 1: the header lacks the column 'split'; it has 'path', 'labels'",
        ),
        ("a.jpg,train\nb.jpg,val\n".as_bytes(), "lacks the column 'path'"),
        (
            "path,split,split\na,train,val\n".as_bytes(),
            "names the column 'split' twice",
        ),
        ("Path,split\na,train\n".as_bytes(), "has a column 'Path'; write 'path'"),
        (
            "path,split,label\na,train,x\n".as_bytes(),
            "has a column 'label'; write 'labels'",
        ),
        (
            "path,split,Item ID\na,train,x\n".as_bytes(),
            "has a column 'Item ID'; write 'item_id'",
        ),
    ]);
}

#[test]
fn faulty_lines_are_refused() {
    assert_refused(&[
        (
            with_line_4("path,split,labels,item_id,category,domain,mask").as_bytes(),
            "line 4: it repeats the header",
        ),
        (
            with_line_4("b.jpg,train").as_bytes(),
            "line 4: it has 2 cells and the header 7",
        ),
        (
            with_line_4("b.jpg,train,,,,,,").as_bytes(),
            "line 4: it has 8 cells and the header 7",
        ),
        (
            with_line_4("\"b.jpg,train,,,,,\nc.jpg,train,,,,,").as_bytes(),
            "line 4: it has 1 cells and the header 7; a quote that begins here",
        ),
        (
            with_line_4("\"b.jpg\nx\",train,,,,,").as_bytes(),
            "line 4: the column 'path' is 'b.jpg\\nx': it spans lines",
        ),
    ]);
}

#[test]
fn faulty_paths_are_refused() {
    assert_refused(&[
        (
            with_line_4(",train,,,,,").as_bytes(),
            "line 4: the column 'path' is empty",
        ),
        (
            with_line_4("i\\b.jpg,train,,,,,").as_bytes(),
            "line 4: the column 'path' is 'i\\b.jpg': it has a backslash; write '/'",
        ),
        (with_line_4("C:\\i\\b.jpg,train,,,,,").as_bytes(), "a Windows drive"),
        (with_line_4("D:/b.jpg,train,,,,,").as_bytes(), "a Windows drive"),
        (with_line_4("file:///b.jpg,train,,,,,").as_bytes(), "it is a URL"),
        (with_line_4("https://x/b.jpg,train,,,,,").as_bytes(), "it is a URL"),
        (with_line_4("~/b.jpg,train,,,,,").as_bytes(), "'~' is not a folder here"),
        (
            with_line_4("b.jpg,train,,,,,m\\b.png").as_bytes(),
            "the column 'mask' is 'm\\b.png': it has a backslash",
        ),
        (
            with_line_4("b\u{0}.jpg,train,,,,,").as_bytes(),
            "it contains a control character",
        ),
    ]);
}

#[test]
fn faulty_splits_are_refused() {
    assert_refused(&[
        (
            with_line_4("b.jpg,,,,,,").as_bytes(),
            "line 4: the column 'split' is empty: every image belongs to a split",
        ),
        (
            with_line_4("b.jpg,Train,,,,,").as_bytes(),
            "the column 'split' is 'Train': it is nearly 'train'",
        ),
        (with_line_4("b.jpg,trian,,,,,").as_bytes(), "nearly 'train'"),
        (with_line_4("b.jpg,tests,,,,,").as_bytes(), "nearly 'test'"),
        (with_line_4("b.jpg,Validation,,,,,").as_bytes(), "nearly 'validation'"),
        (with_line_4("b.jpg,dev,,,,,").as_bytes(), "write 'val'"),
        (
            with_line_4("b.jpg,extra,,,,,\nc.jpg,Extra,,,,,").as_bytes(),
            "line 5: the column 'split' has 'Extra' and, on line 4, 'extra'",
        ),
    ]);
}

#[test]
fn faulty_labels_are_refused() {
    assert_refused(&[
        (
            with_line_4("b.jpg,train,Casual,,,,").as_bytes(),
            "line 4: the column 'labels' has 'Casual' and, on line 3, 'casual'",
        ),
        (
            with_line_4("b.jpg,train,ｃasual,,,,").as_bytes(),
            "differ only in case or width",
        ),
        (
            with_line_4("b.jpg,train,casual；sport,,,,").as_bytes(),
            "line 4: the column 'labels' is 'casual；sport': '；' does not separate labels; join them by ';'",
        ),
        (
            with_line_4("b.jpg,train,\"casual,sport\",,,,").as_bytes(),
            "',' does not separate labels",
        ),
        (
            with_line_4("b.jpg,train,casual|sport,,,,").as_bytes(),
            "'|' does not separate labels",
        ),
        (
            with_line_4("b.jpg,train,casual、sport,,,,").as_bytes(),
            "'、' does not separate labels",
        ),
        (
            with_line_4("b.jpg,train,casual;;sport,,,,").as_bytes(),
            "remove the surplus ';'",
        ),
        (
            with_line_4("b.jpg,train,casual;,,,,").as_bytes(),
            "remove the surplus ';'",
        ),
        (with_line_4("b.jpg,train,'casual',,,,").as_bytes(), "is in quotes"),
        (
            with_line_4("b.jpg,train,'casual';'sport',,,,").as_bytes(),
            "is in quotes",
        ),
        (with_line_4("b.jpg,train,nan,,,,").as_bytes(), "leave the cell empty"),
        (with_line_4("b.jpg,train,#REF!,,,,").as_bytes(), "leave the cell empty"),
        (
            with_line_4("b.jpg,train,caf\u{fffd},,,,").as_bytes(),
            "a character was lost",
        ),
    ]);
}

#[test]
fn faulty_cells_of_other_columns_are_refused() {
    assert_refused(&[
        (
            with_line_4("b.jpg,train,,,Tops,,").as_bytes(),
            "the column 'category' is 'Tops': it is nearly 'tops'",
        ),
        (with_line_4("b.jpg,train,,,shoe,,").as_bytes(), "nearly 'shoes'"),
        (
            with_line_4("b.jpg,train,,,hat,,\nc.jpg,train,,,Hat,,").as_bytes(),
            "line 5: the column 'category' has 'Hat' and, on line 4, 'hat'",
        ),
        (
            with_line_4("b.jpg,train,,,,Shop,").as_bytes(),
            "the column 'domain' is 'Shop': write 'shop'",
        ),
        (
            with_line_4("b.jpg,train,,6.90123E+12,,,").as_bytes(),
            "a spreadsheet has rounded it",
        ),
        (with_line_4("b.jpg,train,,None,,,").as_bytes(), "leave the cell empty"),
        (
            "path,split,box\na,train,1 2 3\n".as_bytes(),
            "line 2: the column 'box' is '1 2 3': a box is `x0 y0 x1 y1`",
        ),
        ("path,split,box\na,train,5 5 5 9\n".as_bytes(), "x0 < x1"),
        ("path,split,box\na,train,\"1,2,3,4\"\n".as_bytes(), "whole pixels"),
        (
            "path,split,several_splits\na,train,maybe\n".as_bytes(),
            "line 2: the column 'several_splits' is 'maybe': write yes or no",
        ),
    ]);
}

#[test]
fn contradicting_rows_of_an_image_are_refused() {
    assert_refused(&[
        (
            with_line_4("a.jpg,train,sport,1,tops,user,").as_bytes(),
            "line 4: the image a.jpg has the labels 'sport' and, on line 3, 'casual'",
        ),
        (
            with_line_4("./a.jpg,train,casual,2,tops,user,").as_bytes(),
            "has the item_id '2' and, on line 3, '1'",
        ),
        (
            with_line_4("x/../a.jpg,test,casual,2,tops,user,").as_bytes(),
            "line 4: the image x/../a.jpg is in 'test' and, on line 3, in 'train'",
        ),
        (
            with_line_4("B.JPG,train,,,,,\nb.jpg,train,,,,,").as_bytes(),
            "line 5: the path b.jpg differs from B.JPG on line 4 only in case",
        ),
    ]);
}

#[test]
fn items_in_several_splits_are_refused() {
    assert_refused(&[
        (
            with_line_4("b.jpg,test,casual,1,tops,user,").as_bytes(),
            "line 4: the item '1' is in 'test' and, on line 3, in 'train', so metrics would be too optimistic",
        ),
        (
            "path,split,dup_group\na,train,p\nb,val,p\n".as_bytes(),
            "the dup_group 'p' is in 'val' and, on line 2, in 'train'",
        ),
        (
            "path,split,item_id,several_splits\na,train,p,yes\nb,val,p,\n".as_bytes(),
            "write yes in a column 'several_splits'",
        ),
    ]);
}

#[test]
fn unusual_manifests_are_accepted() {
    let dir = folder();
    for (text, n) in [
        // Two files may differ only in case, one image may have several boxes, and other splits may share items.
        (with_line_4("A.jpg,train,sport,1,tops,user,"), 2),
        ("path,split,labels,box\na,train,x,0 0 4 4\na,train,y,4 0 8 4\na,train,,\n".to_owned(), 3),
        ("path,split,item_id,dup_group,several_splits\na,train,p,q,yes\nb,val,p,q,yes\n".to_owned(), 2),
        ("path,split,item_id\na,train,p\nb,unlabelled,p\nc,test2,p\n".to_owned(), 3),
        ("path,split,category,domain,labels\na,train,bottoms,worn_on_model,t-shirt/top\nb,train,outfit,street,None\n".to_owned(), 2),
    ] {
        assert_eq!(open(dir.path(), text.as_bytes()).map(|dataset| dataset.rows.len()), Ok(n), "{text}");
    }
}
