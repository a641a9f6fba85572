//! Labels of a photo, by the tagger of this repository.

use super::{bundle, run, run_line};
use serde_json::Value;

#[test]
fn styles_are_marked_as_learnt_from_drawings() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    run_line(dir, "dataset render --items 1 --seed 3 --size 160 --out shop").expect("the shop is drawn");
    let tagger = bundle("tagger");
    let args = ["--device", "cpu", "tag", "--bundle", &tagger, "shop/user/P000001_1.jpg"];
    let text = run(dir, &args).expect("the photo is tagged");
    let groups: Vec<&str> = text.lines().filter(|line| !line.starts_with(['+', ' '])).collect();
    let style = "style (learnt from drawings, not from real photos)";
    assert_eq!(groups, [style, "garment", "category"]);

    let json = run(dir, &[&args[..], &["--json"]].concat()).expect("the photo is tagged");
    let tags: Vec<Value> = serde_json::from_str(&json).expect("the tags are JSON");
    assert!(!tags.is_empty());
    for tag in &tags {
        let is_drawn = tag.get("drawn") == Some(&Value::Bool(true));
        assert_eq!(is_drawn, tag["group"] == "style", "{tag}");
    }
}
