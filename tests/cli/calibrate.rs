//! `selvedge calibrate`: a bundle gets operating points and stays the same model.

use super::run;
use dataset::bundle::read_manifest;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tests::fixture;

/// Runs the program on the CPU.
fn run_on_cpu(dir: &Path, line: &str) -> Result<String, String> {
    let args: Vec<&str> = line.split_whitespace().chain(["--device", "cpu"]).collect();
    run(dir, &args)
}

/// Manifest of a bundle.
fn manifest(dir: &Path, bundle: &str) -> Value {
    let bytes = fs::read(dir.join(bundle).join("bundle.json")).expect("the bundle has a manifest");
    serde_json::from_slice(&bytes).expect("the manifest is JSON")
}

/// Model id of a bundle: its id and the first digits of its weights' checksum.
fn model_id(manifest: &Value) -> String {
    format!(
        "{}@{}",
        manifest["id"].as_str().expect("a bundle has an id"),
        &manifest["weights"]["sha256"].as_str().expect("weights have a checksum")[..12]
    )
}

/// Writes a shop with 40 products in the split 'val' and one in 'train'. The user photos are copies of shop photos.
fn write_shop(dir: &Path) {
    fixture::write_dataset(dir, 41, 0).expect("the dataset is written");
    let path = dir.join("manifest.csv");
    let text = fs::read_to_string(&path).expect("the manifest is readable");
    let text = text.replace(",test,", ",val,");
    let move_to_train = |line: &str| {
        if line.contains(",P0040,") {
            line.replace(",val,", ",train,")
        } else {
            line.to_owned()
        }
    };
    let lines: Vec<String> = text.lines().map(move_to_train).collect();
    fs::write(path, lines.join("\n") + "\n").expect("the manifest is written");
    for number in 0..41 {
        let photo = |domain: &str, at: u8| dir.join(format!("{domain}/P{number:04}_{at}.png"));
        fs::copy(photo("shop", 1), photo("user", 2)).expect("the photo is copied");
    }
}

/// Writes the shop and a retrieval bundle, and calibrates the bundle.
fn calibrate_retrieval(dir: &Path) {
    write_shop(&dir.join("shop"));
    fixture::write_retrieval_bundle(&dir.join("plain")).expect("the bundle is written");
    let printed = run_on_cpu(dir, "calibrate --bundle plain --data shop --out stated");
    assert_eq!(printed.as_deref(), Ok("stated\n"));
}

#[test]
fn a_score_floor_is_added_to_the_manifest_alone() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    calibrate_retrieval(dir);
    let (plain, mut stated) = (manifest(dir, "plain"), manifest(dir, "stated"));
    let floor = stated["floor"].take();
    assert_eq!(
        (&floor["gallery"], &floor["found"], &floor["unmatched"]),
        (&json!(model_id(&plain)), &json!(40), &json!(40))
    );
    // Every user photo is a shop photo, so a match scores 1 up to rounding.
    let score = floor["score"].as_f64();
    assert!(score.is_some_and(|score| (score - 1.0).abs() < 1e-3), "{floor}");
    assert!(floor["lost"].as_f64().is_some_and(|lost| lost <= 0.05), "{floor}");
    let chosen_on = &floor["chosen_on"];
    assert_eq!(
        (&chosen_on["split"], &chosen_on["photos"], &chosen_on["items"]),
        (&json!("val"), &json!(120), &json!(40))
    );
    let command = chosen_on["command"].as_str().unwrap_or_default();
    assert!(command.starts_with("selvedge calibrate --bundle plain"), "{command}");
    stated.as_object_mut().expect("a manifest is an object").remove("floor");
    assert_eq!(stated, plain, "the rest of the manifest stays");
    let weights = |bundle: &str| {
        let file = dir.join(bundle).join("weights.safetensors");
        fs::read(file).expect("the bundle has weights")
    };
    assert_eq!(weights("stated"), weights("plain"));
}

/// The encoder of this test is random, but finds ten of forty products by chance.
#[test]
fn a_query_encoder_is_calibrated_in_the_gallery_of_its_teacher() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    calibrate_retrieval(dir);
    let teacher = model_id(&manifest(dir, "plain"));
    fixture::write_query_bundle(&dir.join("query"), &teacher, fixture::DIM).expect("the bundle is written");
    let line = "calibrate --bundle query --data shop --lost 0.5 --out stated-query";
    let error = run_on_cpu(dir, line).expect_err("the gallery is missing");
    assert!(
        error.contains("--gallery-bundle") && error.contains(&teacher),
        "{error}"
    );
    run_on_cpu(dir, &format!("{line} --gallery-bundle stated")).expect("the encoder is calibrated");
    assert_eq!(manifest(dir, "stated-query")["floor"]["gallery"], json!(teacher));
}

#[test]
fn splits_and_shares_that_cannot_calibrate_are_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    calibrate_retrieval(dir);
    for (options, says) in [
        ("--out stated", "holds a bundle already"),
        ("--out new --split train", "shares no item with 'train'"),
        ("--out new --split test", "no image"),
        ("--out new --lost 0.01", "at least 100"),
        ("--out new --lost 1.5", "is not between 0 and 1"),
        ("--out new --gallery-bundle stated", "is for a query encoder"),
    ] {
        let line = format!("calibrate --bundle plain --data shop {options}");
        let error = run_on_cpu(dir, &line).expect_err(says);
        assert!(error.contains(says), "'{error}' does not say '{says}'");
        assert!(!dir.join("new").exists(), "{says}");
    }
}

#[test]
fn a_network_without_evidence_gets_no_precise_threshold() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    write_shop(&dir.join("shop"));
    fixture::write_style_bundle(&dir.join("plain")).expect("the bundle is written");
    run_on_cpu(dir, "calibrate --bundle plain --data shop --out stated").expect("the bundle is calibrated");
    let mut stated = manifest(dir, "stated");
    // Every photo of this shop is casual, and no other label occurs.
    assert_eq!(stated["precise"]["labels"], json!(vec![Value::Null; 13]));
    assert_eq!(
        (&stated["precise"]["target"], &stated["precise"]["chosen_on"]["items"]),
        (&json!(0.8), &json!(40))
    );

    // Tags have the precise thresholds of the manifest.
    stated["precise"]["labels"][1] =
        json!({ "threshold": 0.25, "precision": 0.9, "bound": 0.8, "items": 12, "recall": 0.5, "base_rate": 0.2 });
    fs::write(dir.join("stated/bundle.json"), stated.to_string()).expect("the file is written");
    for (bundle, expected) in [("plain", json!(null)), ("stated", json!(0.25))] {
        let tags = run_on_cpu(dir, &format!("tag --json --bundle {bundle} shop/shop/P0001_0.png"));
        let tags: Vec<Value> = serde_json::from_str(&tags.expect("the photo is tagged")).expect("the tags are JSON");
        let precise = |id: &str| {
            let tag = tags.iter().find(|tag| tag["id"] == id);
            tag.expect("every label has a tag")["precise"].clone()
        };
        assert_eq!(
            (precise("casual"), precise("sport")),
            (expected, json!(null)),
            "{bundle}"
        );
    }
    stated["precise"]["labels"]
        .as_array_mut()
        .expect("the labels are a list")
        .pop();
    fs::write(dir.join("stated/bundle.json"), stated.to_string()).expect("the file is written");
    let error = run_on_cpu(dir, "tag --bundle stated shop/shop/P0001_0.png").expect_err("the manifest is inconsistent");
    assert!(
        error.contains("labels and precise thresholds differ in number"),
        "{error}"
    );
}

/// Operating points must not be forgotten when the demo bundles are made again.
#[test]
fn the_demo_bundles_have_operating_points() {
    let bundles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/bundles");
    let read = |name: &str| read_manifest(&bundles.join(name)).expect("the bundle is readable");
    let (retrieval, query, tagger) = (read("retrieval"), read("query"), read("tagger"));
    assert!(retrieval.floor_in(&retrieval.model_id()).is_some());
    // Browsers run the network of the catalog, whose floor is that of the retrieval bundle.
    assert_eq!(query.model_id(), retrieval.network_id());
    assert_eq!(tagger.groups.len(), 3);
    for group in &tagger.groups {
        let thresholds = group.precise.as_ref().map(|precise| precise.labels.len());
        assert_eq!(thresholds, Some(group.labels), "{}", group.name);
    }
}
