//! Retrieval datasets in their own files: small folders in their exact format, imported, searched and answered for.

use super::selvedge;
use dataset::Dataset;
use shared::taxonomy::Category;
use std::fs;
use std::path::Path;
use tests::fixture;

fn run(dir: &Path, args: &[&str]) -> Result<String, String> {
    let output = selvedge()
        .args(args)
        .current_dir(dir)
        .output()
        .expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}

fn photo(path: &Path, number: u32) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("creates");
    fixture::photo(number).save(path).expect("writes");
}

/// Writes a list and every photo that its lines name by these words.
fn list(dir: &Path, file: &str, text: &str, photos: &[usize]) {
    let path = dir.join(file);
    fs::create_dir_all(path.parent().expect("a folder")).expect("creates");
    fs::write(&path, text).expect("writes");
    for (number, line) in (0..).zip(text.lines()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        for name in photos
            .iter()
            .filter_map(|at| words.get(*at))
            .filter(|name| name.contains('/'))
        {
            photo(&dir.join(name), number);
        }
    }
}

/// Rows of an imported dataset: path below the folder, split, item, category, domain, box.
fn rows(dir: &Path, name: &str, out: &str) -> Vec<String> {
    let dataset = Dataset::open(&dir.join(out)).expect("a dataset");
    let root = fs::canonicalize(dir.join(name))
        .expect("a folder")
        .display()
        .to_string();
    let of = |row: &dataset::Row| {
        let path = row.path.trim_start_matches(&root).trim_start_matches('/');
        let bounds = row
            .bounds
            .map_or_else(String::new, |b| format!("{} {} {} {}", b.x, b.y, b.width, b.height));
        format!(
            "{path}|{}|{}|{}|{}|{bounds}",
            row.split, row.item_id, row.category, row.domain
        )
    };
    dataset.rows.iter().map(of).collect()
}

const IN_SHOP: &str = "6
image_name item_id evaluation_status
img/WOMEN/Dresses/id_00000001/02_1_front.png id_00000001 train
img/WOMEN/Dresses/id_00000001/02_2_side.png   id_00000001 train
img/WOMEN/Dresses/id_00000002/02_1_front.png id_00000002 query
img/WOMEN/Dresses/id_00000002/02_2_side.png id_00000002 gallery
img/MEN/Denim/id_00000003/01_1_front.png id_00000003 gallery
img/MEN/Denim/id_00000003/01_2_side.png id_00000003 query
";
const IN_SHOP_BOXES: &str = "2
image_name clothes_type pose_type x_1 y_1 x_2 y_2
img/WOMEN/Dresses/id_00000001/02_1_front.png 3 1 5 6 30 900
img/MEN/Denim/id_00000003/01_2_side.png 2 2 1 2 20 40
";
const CONSUMER: &str = "4
image_pair_name_1 image_pair_name_2 item_id evaluation_status
img/CLOTHING/Blouse/id_1/comsumer_01.png img/CLOTHING/Blouse/id_1/shop_01.png id_1 train
img/CLOTHING/Blouse/id_1/comsumer_02.png img/CLOTHING/Blouse/id_1/shop_01.png id_1 train
img/DRESSES/Lace/id_2/comsumer_01.png img/DRESSES/Lace/id_2/shop_01.png id_2 val
img/DRESSES/Lace/id_3/comsumer_01.png img/DRESSES/Lace/id_3/shop_01.png id_3 test
";
const EBAY_TRAIN: &str = "image_id class_id super_class_id path
1 1 1 bicycle_final/11_0.png
2 1 1 bicycle_final/11_1.png
";
const EBAY_TEST: &str = "image_id class_id super_class_id path
3 2 1 bicycle_final/22_0.png
4 2 1 bicycle_final/22_1.png
5 3 2 lamp_final/33_0.png
6 3 2 lamp_final/33_1.png
";
const PAIRS: &str = "http://a/user/1.png 0 0 20 30 http://b/shop/9.png 2 3 30 40 0
http://a/user/2.png 1 1 20 30 http://b/shop/8.png 2 3 30 40 2
http://a/user/3.png 1 1 20 30 http://b/shop/9.png 2 3 30 40 0
";

#[test]
fn lists_become_datasets_with_their_protocols() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    list(&dir.join("in"), "Eval/list_eval_partition.txt", IN_SHOP, &[0]);
    list(&dir.join("in"), "Anno/list_bbox_inshop.txt", IN_SHOP_BOXES, &[]);
    list(&dir.join("c2s"), "Eval/list_eval_partition.txt", CONSUMER, &[0, 1]);
    list(&dir.join("sop"), "Ebay_train.txt", EBAY_TRAIN, &[3]);
    list(&dir.join("sop"), "Ebay_test.txt", EBAY_TEST, &[3]);
    fs::create_dir(dir.join("jd")).expect("creates");
    fs::write(dir.join("jd/pairs.txt"), PAIRS).expect("writes");
    for (number, name) in ["1", "2", "3", "8", "9"].into_iter().enumerate() {
        photo(&dir.join(format!("jd/{name}.png")), number as u32);
    }
    let side = fixture::photo(0).width();
    let clipped = format!("5 6 25 {}", fixture::photo(0).height() - 6);
    assert!(side > 30);
    for (format, from, folder, expected) in [
        (
            "in-shop",
            "in",
            "in",
            vec![
                format!("img/WOMEN/Dresses/id_00000001/02_1_front.png|train|id_00000001|Dresses|shop|{clipped}"),
                "img/WOMEN/Dresses/id_00000001/02_2_side.png|train|id_00000001|Dresses|user|".to_owned(),
                "img/WOMEN/Dresses/id_00000002/02_1_front.png|test|id_00000002|Dresses|user|".to_owned(),
                "img/WOMEN/Dresses/id_00000002/02_2_side.png|test|id_00000002|Dresses|shop|".to_owned(),
                "img/MEN/Denim/id_00000003/01_1_front.png|test|id_00000003|Denim|shop|".to_owned(),
                "img/MEN/Denim/id_00000003/01_2_side.png|test|id_00000003|Denim|user|1 2 19 38".to_owned(),
            ],
        ),
        (
            "consumer-to-shop",
            "c2s",
            "c2s",
            [
                "img/CLOTHING/Blouse/id_1/comsumer_01.png|train|id_1|Blouse|user|",
                "img/CLOTHING/Blouse/id_1/shop_01.png|train|id_1|Blouse|shop|",
                "img/CLOTHING/Blouse/id_1/comsumer_02.png|train|id_1|Blouse|user|",
                "img/DRESSES/Lace/id_2/comsumer_01.png|val|id_2|Lace|user|",
                "img/DRESSES/Lace/id_2/shop_01.png|val|id_2|Lace|shop|",
                "img/DRESSES/Lace/id_3/comsumer_01.png|test|id_3|Lace|user|",
                "img/DRESSES/Lace/id_3/shop_01.png|test|id_3|Lace|shop|",
            ]
            .map(str::to_owned)
            .to_vec(),
        ),
        (
            "online-products",
            "sop",
            "sop",
            [
                "bicycle_final/11_0.png|train|1|bicycle|shop|",
                "bicycle_final/11_1.png|train|1|bicycle|user|",
                "bicycle_final/22_0.png|test|2|bicycle|shop|",
                "bicycle_final/22_1.png|test|2|bicycle|user|",
                "lamp_final/33_0.png|test|3|lamp|shop|",
                "lamp_final/33_1.png|test|3|lamp|user|",
            ]
            .map(str::to_owned)
            .to_vec(),
        ),
        (
            "challenge",
            "jd/pairs.txt",
            "jd",
            [
                // Who is paired with one shop photo shows one item.
                "1.png|train|pair1|tops|user|0 0 20 30",
                "9.png|train|pair1|tops|shop|2 3 28 37",
                "2.png|train|pair2|shoes|user|1 1 19 29",
                "8.png|train|pair2|shoes|shop|2 3 28 37",
                "3.png|train|pair1|tops|user|1 1 19 29",
            ]
            .map(str::to_owned)
            .to_vec(),
        ),
    ] {
        let out = format!("{format}-imported");
        let args = ["dataset", "import-retrieval", from, "--format", format, "--out", &out];
        assert_eq!(run(dir, &args).expect("imports"), format!("{out}\n"));
        assert_eq!(rows(dir, folder, &out), expected, "{format}");
        assert!(run(dir, &args).expect_err("it is there").contains("is there already"));
    }

    // Urls of two folders that end alike are not taken for one photo; below their folders both are found.
    fs::write(dir.join("alike.txt"), PAIRS.replace("shop/9", "shop/1")).expect("writes");
    let alike = [
        "dataset",
        "import-retrieval",
        "alike.txt",
        "--format",
        "challenge",
        "--images",
        "jd",
        "--out",
        "alike",
    ];
    let error = run(dir, &alike).expect_err("two urls, one file");
    assert!(
        error.contains("http://a/user/1.png and http://b/shop/1.png would both be"),
        "{error}"
    );
    photo(&dir.join("jd/b/shop/1.png"), 4);
    run(dir, &alike).expect("each has its own file");
    assert!(
        rows(dir, "jd", "alike")
            .iter()
            .any(|row| row.starts_with("b/shop/1.png|train|pair1|"))
    );

    // The protocols, by a network that knows nothing: who searches, and where.
    fixture::write_retrieval_bundle(&dir.join("bundle")).expect("a bundle");
    let evaluate = |data: &str, more: &[&str]| -> serde_json::Value {
        let args = [
            "--device", "cpu", "evaluate", "--bundle", "bundle", "--data", data, "--json",
        ];
        serde_json::from_str(&run(dir, &[&args, more].concat()).expect("evaluates")).expect("JSON")
    };
    for (data, more, queries, chance) in [
        ("in-shop-imported", &[][..], 2, 0.5),
        ("consumer-to-shop-imported", &[], 1, 1.0),
        (
            "online-products-imported",
            &["--direction", "all", "--recall-at", "1,10,100,1000"],
            4,
            1.0 / 3.0,
        ),
    ] {
        let report = evaluate(data, more);
        assert_eq!(report["n"], queries, "{data}");
        let guess = report["guesses"]["recall_at_1 by chance"].as_f64().expect("a guess");
        assert!((guess - chance).abs() < 1e-12, "{data}: {guess}");
    }

    // The submission: every query's url, then ranks and urls; a photo finds itself first.
    let boxes = |names: &[&str]| -> String {
        names
            .iter()
            .map(|name| format!("http://c/{name}.png 0 0 30 30\n"))
            .collect()
    };
    fs::write(dir.join("queries.txt"), boxes(&["8", "3"])).expect("writes");
    fs::write(dir.join("gallery.txt"), boxes(&["1", "2", "3", "8", "9"])).expect("writes");
    let submit = |out: &str, more: &[&str]| {
        let args = [
            "--device",
            "cpu",
            "submit-retrieval",
            "--bundle",
            "bundle",
            "--queries",
            "queries.txt",
        ];
        let rest = ["--gallery", "gallery.txt", "--images", "jd", "--out", out];
        run(dir, &[&args[..], &rest, more].concat())
    };
    assert_eq!(
        submit("answers.txt", &["--storage", "int8", "--views", "flip"]).expect("submits"),
        "answers.txt\n"
    );
    let text = fs::read_to_string(dir.join("answers.txt")).expect("written");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        (lines.len(), lines[0], lines[6]),
        (12, "http://c/8.png", "http://c/3.png"),
        "{text}"
    );
    assert_eq!((lines[1], lines[7]), ("1 http://c/8.png", "1 http://c/3.png"), "{text}");
    assert!(lines[5].starts_with("5 http://c/"), "{text}");
    assert!(
        submit("answers.txt", &[])
            .expect_err("the file exists")
            .contains("exists already")
    );
    // Two networks, whitened and weighed by what another dataset teaches; each query among its like.
    fixture::write_search(dir, &["second"]).expect("a dataset and a bundle");
    fixture::write_category_bundle(&dir.join("shoes"), Category::Shoes).expect("a bundle");
    let manifest = fs::read_to_string(dir.join("shop/manifest.csv")).expect("a manifest");
    fs::write(dir.join("shop/manifest.csv"), manifest.replace(",test,", ",val,")).expect("writes");
    let learnt = ["--whiten", "8", "--tune-split", "val", "--category-bundle", "shoes"];
    let lacking = submit("learnt.txt", &learnt).expect_err("nothing to learn from");
    assert!(lacking.contains("name it with --data"), "{lacking}");
    let blind = submit("learnt.txt", &["--tune-split", "val", "--data", "shop"]).expect_err("categories of queries");
    assert!(
        blind.contains("--tune-split chooses weights per category") && blind.contains("--category-bundle"),
        "{blind}"
    );
    let both = [
        "--bundle",
        "bundle",
        "second",
        "--queries",
        "queries.txt",
        "--gallery",
        "gallery.txt",
        "--images",
        "jd",
    ];
    let args = [
        &["--device", "cpu", "submit-retrieval"],
        &both[..],
        &learnt,
        &["--data", "shop", "--out", "learnt.txt"],
    ];
    run(dir, &args.concat()).expect("submits");
    let learnt = fs::read_to_string(dir.join("learnt.txt")).expect("written");
    assert_eq!(
        (learnt.lines().count(), learnt.lines().nth(1)),
        (12, Some("1 http://c/8.png")),
        "{learnt}"
    );
    fs::write(dir.join("gallery.txt"), boxes(&["1", "nowhere"])).expect("writes");
    assert!(
        submit("more.txt", &[])
            .expect_err("it is missing")
            .contains("in the whole gallery")
    );
}

#[test]
fn lists_that_are_wrong_are_named_with_their_line() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let partition = "Eval/list_eval_partition.txt";
    for (number, (format, file, text, said)) in [
        (
            "in-shop",
            partition,
            IN_SHOP.replace("6\n", "7\n"),
            "announces 7 lines and has 6",
        ),
        (
            "in-shop",
            partition,
            IN_SHOP.replace("item_id ", "id "),
            "the header is 'image_name id",
        ),
        (
            "in-shop",
            partition,
            IN_SHOP.replace("00002 query", "00002 probe"),
            "line 5: 'probe' is none of",
        ),
        (
            "in-shop",
            partition,
            IN_SHOP.replace(" gallery", ""),
            "line 6: it has 2 words",
        ),
        (
            "in-shop",
            partition,
            IN_SHOP.replace("00002 query", "00001 query"),
            "is in 'train' and in 'test'",
        ),
        (
            "in-shop",
            "elsewhere.txt",
            IN_SHOP.to_owned(),
            "there is no list_eval_partition.txt",
        ),
        (
            "consumer-to-shop",
            partition,
            CONSUMER.replace("id_2 val", "id_1 val"),
            "item id_1 is in 'train' and in 'val'",
        ),
        (
            "online-products",
            "Ebay_train.txt",
            EBAY_TRAIN.to_owned(),
            "there is no Ebay_test.txt",
        ),
        (
            "challenge",
            "pairs.txt",
            PAIRS.replace("40 2", "40 3"),
            "line 2: the class '3'",
        ),
        (
            "challenge",
            "pairs.txt",
            PAIRS.replace("20 30 http", "30 http"),
            "line 1: it has 10 words",
        ),
        (
            "challenge",
            "pairs.txt",
            PAIRS.replace("1 1 20 30", "1 1 x 30"),
            "line 2: 'x' is no coordinate",
        ),
        (
            "challenge",
            "pairs.txt",
            PAIRS.replace("1 1 20 30", "20 1 1 30"),
            "line 2: the box",
        ),
        ("challenge", "pairs.txt", PAIRS.to_owned(), "5 images are not in"),
    ]
    .into_iter()
    .enumerate()
    {
        let folder = dir.join(number.to_string());
        list(&folder, file, &text, &[]);
        let from = if format == "challenge" {
            folder.join(file)
        } else {
            folder
        };
        let from = from.display().to_string();
        let out = dir.join(format!("out{number}"));
        let args = [
            "dataset",
            "import-retrieval",
            &from,
            "--format",
            format,
            "--out",
            &out.display().to_string(),
        ];
        let error = run(dir, &args).expect_err(said);
        assert!(error.contains(said), "{said}: {error}");
        assert!(!out.exists(), "{said}: something was written");
    }
}
