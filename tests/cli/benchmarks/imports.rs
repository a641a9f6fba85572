//! Lists become datasets with their protocols, and faulty lists are refused.

use super::{
    CONSUMER, EBAY_TEST, EBAY_TRAIN, IN_SHOP, IN_SHOP_BOXES, PAIRS, import, run, run_line, write_list, write_pairs,
    write_photo,
};
use dataset::{Dataset, Row};
use std::fs;
use std::path::Path;
use tests::fixture;

/// Rows of an imported dataset: path below the folder `from`, split, item, category, domain, box.
fn rows(dir: &Path, from: &str, imported: &str) -> Vec<String> {
    let dataset = Dataset::open(&dir.join(imported)).expect("the dataset is valid");
    let root = fs::canonicalize(dir.join(from)).expect("the folder exists");
    let root = root.display().to_string();
    let text = |row: &Row| {
        let path = row.path.trim_start_matches(&root).trim_start_matches('/');
        let bounds = row
            .bounds
            .map_or_else(String::new, |b| format!("{} {} {} {}", b.x, b.y, b.width, b.height));
        format!(
            "{path}|{}|{}|{}|{}|{bounds}",
            row.split, row.item_id, row.category, row.domain
        )
    };
    dataset.rows.iter().map(text).collect()
}

/// Imports a published dataset and compares its rows.
#[track_caller]
fn assert_imported(dir: &Path, format: &str, from: &str, expected: &[&str]) {
    let out = format!("{format}-imported");
    assert_eq!(import(dir, format, from), Ok(format!("{out}\n")));
    let folder = from.split('/').next().unwrap_or(from);
    assert_eq!(rows(dir, folder, &out), expected, "{format}");
    let error = import(dir, format, from).expect_err("the dataset exists");
    assert!(error.contains("already"), "{error}");
}

#[test]
fn in_shop_lists_become_a_dataset_with_boxes() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    write_list(&dir.join("in"), "Eval/list_eval_partition.txt", IN_SHOP, &[0]);
    write_list(&dir.join("in"), "Anno/list_bbox_inshop.txt", IN_SHOP_BOXES, &[]);
    let photo = fixture::photo(0);
    assert!(photo.width() > 30);
    let clipped = format!(
        "img/WOMEN/Dresses/id_00000001/02_1_front.png|train|id_00000001|Dresses|shop|5 6 25 {}",
        photo.height() - 6
    );
    assert_imported(
        dir,
        "in-shop",
        "in",
        &[
            &clipped,
            "img/WOMEN/Dresses/id_00000001/02_2_side.png|train|id_00000001|Dresses|user|",
            "img/WOMEN/Dresses/id_00000002/02_1_front.png|test|id_00000002|Dresses|user|",
            "img/WOMEN/Dresses/id_00000002/02_2_side.png|test|id_00000002|Dresses|shop|",
            "img/MEN/Denim/id_00000003/01_1_front.png|test|id_00000003|Denim|shop|",
            "img/MEN/Denim/id_00000003/01_2_side.png|test|id_00000003|Denim|user|1 2 19 38",
        ],
    );
}

#[test]
fn consumer_to_shop_lists_become_a_dataset() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    write_list(&dir.join("c2s"), "Eval/list_eval_partition.txt", CONSUMER, &[0, 1]);
    assert_imported(
        dir,
        "consumer-to-shop",
        "c2s",
        &[
            "img/CLOTHING/Blouse/id_1/comsumer_01.png|train|id_1|Blouse|user|",
            "img/CLOTHING/Blouse/id_1/shop_01.png|train|id_1|Blouse|shop|",
            "img/CLOTHING/Blouse/id_1/comsumer_02.png|train|id_1|Blouse|user|",
            "img/DRESSES/Lace/id_2/comsumer_01.png|val|id_2|Lace|user|",
            "img/DRESSES/Lace/id_2/shop_01.png|val|id_2|Lace|shop|",
            "img/DRESSES/Lace/id_3/comsumer_01.png|test|id_3|Lace|user|",
            "img/DRESSES/Lace/id_3/shop_01.png|test|id_3|Lace|shop|",
        ],
    );
}

#[test]
fn online_products_lists_become_a_dataset() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    write_list(&dir.join("sop"), "Ebay_train.txt", EBAY_TRAIN, &[3]);
    write_list(&dir.join("sop"), "Ebay_test.txt", EBAY_TEST, &[3]);
    assert_imported(
        dir,
        "online-products",
        "sop",
        &[
            "bicycle_final/11_0.png|train|1|bicycle|shop|",
            "bicycle_final/11_1.png|train|1|bicycle|user|",
            "bicycle_final/22_0.png|test|2|bicycle|shop|",
            "bicycle_final/22_1.png|test|2|bicycle|user|",
            "lamp_final/33_0.png|test|3|lamp|shop|",
            "lamp_final/33_1.png|test|3|lamp|user|",
        ],
    );
}

#[test]
fn photos_that_are_paired_with_one_shop_photo_have_one_item() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    write_pairs(dir);
    assert_imported(
        dir,
        "challenge",
        "jd/pairs.txt",
        &[
            "1.png|train|pair1|tops|user|0 0 20 30",
            "9.png|train|pair1|tops|shop|2 3 28 37",
            "2.png|train|pair2|shoes|user|1 1 19 29",
            "8.png|train|pair2|shoes|shop|2 3 28 37",
            "3.png|train|pair1|tops|user|1 1 19 29",
        ],
    );
}

#[test]
fn two_urls_with_the_same_file_name_need_two_files() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    write_pairs(dir);
    fs::write(dir.join("alike.txt"), PAIRS.replace("shop/9", "shop/1")).expect("the file is written");
    let import = "dataset import-retrieval alike.txt --format challenge --images jd --out alike";
    let error = run_line(dir, import).expect_err("two urls have one file");
    assert!(
        error.contains("http://a/user/1.png and http://b/shop/1.png would both be"),
        "{error}"
    );
    write_photo(&dir.join("jd/b/shop/1.png"), 4);
    run_line(dir, import).expect("each url has its own file");
    let rows = rows(dir, "jd", "alike");
    assert!(
        rows.iter().any(|row| row.starts_with("b/shop/1.png|train|pair1|")),
        "{rows:?}"
    );
}

/// The number of queries and the recall of chance tell who searches, and where.
#[test]
fn imported_datasets_are_evaluated_by_their_protocols() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    write_list(&dir.join("in"), "Eval/list_eval_partition.txt", IN_SHOP, &[0]);
    write_list(&dir.join("in"), "Anno/list_bbox_inshop.txt", IN_SHOP_BOXES, &[]);
    write_list(&dir.join("c2s"), "Eval/list_eval_partition.txt", CONSUMER, &[0, 1]);
    write_list(&dir.join("sop"), "Ebay_train.txt", EBAY_TRAIN, &[3]);
    write_list(&dir.join("sop"), "Ebay_test.txt", EBAY_TEST, &[3]);
    fixture::write_retrieval_bundle(&dir.join("bundle")).expect("the bundle is written");
    for (format, from, options, queries, chance) in [
        ("in-shop", "in", "", 2, 0.5),
        ("consumer-to-shop", "c2s", "", 1, 1.0),
        (
            "online-products",
            "sop",
            "--direction all --recall-at 1,10,100,1000",
            4,
            1.0 / 3.0,
        ),
    ] {
        import(dir, format, from).expect("the dataset is imported");
        let line = format!("--device cpu evaluate --bundle bundle --data {format}-imported --json {options}");
        let report = run_line(dir, &line).expect("the bundle is evaluated");
        let report: serde_json::Value = serde_json::from_str(&report).expect("the report is JSON");
        assert_eq!(report["n"], queries, "{format}");
        let baseline = report["guesses"]["recall_at_1 by chance"].as_f64();
        let baseline = baseline.expect("the report has a baseline");
        assert!((baseline - chance).abs() < 1e-12, "{format}: {baseline}");
    }
}

/// Imports a list, which must be refused with `says`.
#[track_caller]
fn assert_refused(format: &str, file: &str, text: &str, says: &str) {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    write_list(&dir.join("from"), file, text, &[]);
    let from = match format {
        "challenge" => format!("from/{file}"),
        _ => "from".to_owned(),
    };
    let args = ["dataset", "import-retrieval", &from, "--format", format, "--out", "out"];
    let error = run(dir, &args).expect_err(says);
    assert!(error.contains(says), "{says}: {error}");
    assert!(!dir.join("out").exists(), "{says}: nothing is written");
}

#[test]
fn faulty_lists_of_deepfashion_are_refused_by_line() {
    let partition = "Eval/list_eval_partition.txt";
    for (text, says) in [
        (IN_SHOP.replace("6\n", "7\n"), "announces 7 lines and has 6"),
        (IN_SHOP.replace("item_id ", "id "), "the header is 'image_name id"),
        (IN_SHOP.replace("00002 query", "00002 probe"), "line 5: 'probe' is "),
        (IN_SHOP.replace(" gallery", ""), "line 6: it has 2 words"),
        (
            IN_SHOP.replace("00002 query", "00001 query"),
            "is in 'train' and in 'test'",
        ),
    ] {
        assert_refused("in-shop", partition, &text, says);
    }
    assert_refused(
        "in-shop",
        "elsewhere.txt",
        IN_SHOP,
        "there is no list_eval_partition.txt",
    );
    assert_refused(
        "consumer-to-shop",
        partition,
        &CONSUMER.replace("id_2 val", "id_1 val"),
        "item id_1 is in 'train' and in 'val'",
    );
}

#[test]
fn a_missing_list_of_online_products_is_refused() {
    assert_refused(
        "online-products",
        "Ebay_train.txt",
        EBAY_TRAIN,
        "there is no Ebay_test.txt",
    );
}

#[test]
fn faulty_pairs_of_the_challenge_are_refused_by_line() {
    for (text, says) in [
        (PAIRS.replace("40 2", "40 3"), "line 2: the class '3'"),
        (PAIRS.replace("20 30 http", "30 http"), "line 1: it has 10 words"),
        (PAIRS.replace("1 1 20 30", "1 1 x 30"), "line 2: 'x' is "),
        (PAIRS.replace("1 1 20 30", "20 1 1 30"), "line 2: the box"),
        (PAIRS.to_owned(), "5 images are not in"),
    ] {
        assert_refused("challenge", "pairs.txt", &text, says);
    }
}
