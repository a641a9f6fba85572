//! Pieces of an outfit, with the segmenter of this repository.

use super::{bundle, run, run_line};
use dataset::Dataset;
use serde_json::Value;

#[test]
fn bags_of_drawn_persons_are_found_and_become_boxes_of_a_dataset() {
    const SIDE: u32 = 160;
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    run_line(dir, "dataset render --items 2 --seed 3 --size 160 --out shop").expect("the shop is drawn");
    let photo = "shop/user/P000001_1.jpg";
    let pieces = |bundle: &str| run(dir, &["pieces", "--device", "cpu", "--bundle", bundle, photo, "--json"]);

    let found: Value = serde_json::from_str(&pieces(&bundle("outfit")).expect("the pieces are found")).expect("JSON");
    let list = found["pieces"].as_array().expect("a list of pieces");
    assert!(list.iter().any(|piece| piece["class"] == "bag"), "{found}");
    for piece in list {
        let side = |name: &str| piece["box"][name].as_f64().expect("a number");
        assert!(side("x") + side("width") <= f64::from(SIDE), "{piece}");
        assert!(side("y") + side("height") <= f64::from(SIDE), "{piece}");
    }

    let error = pieces(&bundle("tagger")).expect_err("a tagger has no pieces");
    assert!(error.contains("a segment bundle is needed"), "{error}");

    let outfit = bundle("outfit");
    let boxes = [
        "dataset",
        "boxes",
        "shop",
        "--segmenter",
        &outfit,
        "--out",
        "boxed",
        "--device",
        "cpu",
    ];
    run(dir, &boxes).expect("the boxes are written");
    let boxed = Dataset::open(&dir.join("boxed")).expect("the new dataset is valid");
    assert!(!boxed.rows.is_empty() && boxed.rows.iter().all(|row| row.bounds.is_some()));
}
