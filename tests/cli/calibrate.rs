//! `selvedge calibrate`: a bundle gains operating points and stays the same model.

use super::selvedge;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tests::fixture;

fn run(dir: &Path, args: &[&str]) -> Result<String, String> {
    let output = selvedge()
        .args(args)
        .args(["--device", "cpu"])
        .current_dir(dir)
        .output()
        .expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}

fn manifest(dir: &Path, bundle: &str) -> Value {
    let bytes = fs::read(dir.join(bundle).join("bundle.json")).expect("a manifest");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// A shop of 40 products in the split 'val' whose users' photos are its own, and one product in 'train'.
fn write_shop(dir: &Path) {
    fixture::write_dataset(dir, 41, 0).expect("a dataset");
    let path = dir.join("manifest.csv");
    let text = fs::read_to_string(&path).expect("reads").replace(",test,", ",val,");
    let trains = |line: &str| {
        if line.contains(",P0040,") {
            line.replace(",val,", ",train,")
        } else {
            line.to_owned()
        }
    };
    fs::write(path, text.lines().map(trains).collect::<Vec<_>>().join("\n") + "\n").expect("writes");
    for number in 0..41 {
        let photo = |domain: &str, at: u8| dir.join(format!("{domain}/P{number:04}_{at}.png"));
        fs::copy(photo("shop", 1), photo("user", 2)).expect("copies");
    }
}

#[test]
fn a_floor_is_chosen_and_stated() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    write_shop(&dir.join("shop"));
    fixture::write_retrieval_bundle(&dir.join("plain")).expect("a bundle");
    let args = ["calibrate", "--bundle", "plain", "--data", "shop", "--out", "stated"];
    assert_eq!(run(dir, &args).expect("calibrates"), "stated\n");
    let (plain, mut stated) = (manifest(dir, "plain"), manifest(dir, "stated"));
    let floor = stated["floor"].take();
    let id = format!(
        "{}@{}",
        plain["id"].as_str().expect("an id"),
        &plain["weights"]["sha256"].as_str().expect("a hash")[..12]
    );
    assert_eq!(
        (&floor["gallery"], &floor["found"], &floor["unmatched"]),
        (&json!(id), &json!(40), &json!(40))
    );
    // Every user's photo is a shop photo, so a match scores 1 but for rounding.
    assert!(
        floor["score"].as_f64().is_some_and(|score| (score - 1.0).abs() < 1e-3),
        "{floor}"
    );
    assert!(floor["lost"].as_f64().is_some_and(|lost| lost <= 0.05), "{floor}");
    let chosen_on = &floor["chosen_on"];
    assert_eq!(
        (&chosen_on["split"], &chosen_on["photos"], &chosen_on["items"]),
        (&json!("val"), &json!(120), &json!(40))
    );
    assert!(
        chosen_on["command"]
            .as_str()
            .is_some_and(|command| command.starts_with("selvedge calibrate --bundle plain"))
    );
    stated.as_object_mut().expect("an object").remove("floor");
    assert_eq!(stated, plain, "nothing else of the manifest changes");
    let weights = |bundle: &str| fs::read(dir.join(bundle).join("weights.safetensors")).expect("weights");
    assert_eq!(weights("stated"), weights("plain"));

    // A query encoder is measured in the gallery of the network that it was distilled from. This one is random, but ten of forty
    // products are found by chance.
    fixture::write_query_bundle(&dir.join("query"), &id, fixture::DIM).expect("a bundle");
    let of_query = [
        "calibrate",
        "--bundle",
        "query",
        "--data",
        "shop",
        "--lost",
        "0.5",
        "--out",
        "stated-query",
    ];
    let error = run(dir, &of_query).expect_err("without a gallery");
    assert!(error.contains("--gallery-bundle") && error.contains(&id), "{error}");
    run(dir, &[&of_query[..], &["--gallery-bundle", "stated"]].concat()).expect("calibrates");
    assert_eq!(manifest(dir, "stated-query")["floor"]["gallery"], json!(id));

    for (args, expected) in [
        (&["--out", "stated"][..], "holds a bundle already"),
        (&["--out", "new", "--split", "train"], "shares no item with 'train'"),
        (&["--out", "new", "--split", "test"], "no image"),
        (&["--out", "new", "--lost", "0.01"], "at least 100"),
        (&["--out", "new", "--lost", "1.5"], "is not between 0 and 1"),
        (
            &["--out", "new", "--gallery-bundle", "stated"],
            "is for a query encoder",
        ),
    ] {
        let error = run(
            dir,
            &[&["calibrate", "--bundle", "plain", "--data", "shop"], args].concat(),
        )
        .expect_err(expected);
        assert!(error.contains(expected), "'{error}' does not say '{expected}'");
        assert!(!dir.join("new").exists(), "{expected}");
    }
}

#[test]
fn a_network_that_tells_nothing_states_no_precise_threshold() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    write_shop(&dir.join("shop"));
    fixture::write_style_bundle(&dir.join("plain")).expect("a bundle");
    run(
        dir,
        &["calibrate", "--bundle", "plain", "--data", "shop", "--out", "stated"],
    )
    .expect("calibrates");
    let mut stated = manifest(dir, "stated");
    // Every photo of this shop is casual, which proves nothing about the network; the other labels occur nowhere.
    assert_eq!(stated["precise"]["labels"], json!(vec![Value::Null; 13]));
    assert_eq!(
        (&stated["precise"]["target"], &stated["precise"]["chosen_on"]["items"]),
        (&json!(0.8), &json!(40))
    );

    // What a manifest states is told with every tag.
    stated["precise"]["labels"][1] =
        json!({ "threshold": 0.25, "precision": 0.9, "bound": 0.8, "items": 12, "recall": 0.5, "base_rate": 0.2 });
    fs::write(dir.join("stated/bundle.json"), stated.to_string()).expect("writes");
    for (bundle, expected) in [("plain", json!(null)), ("stated", json!(0.25))] {
        let tags = run(dir, &["tag", "--json", "--bundle", bundle, "shop/shop/P0001_0.png"]).expect("tags");
        let tags: Vec<Value> = serde_json::from_str(&tags).expect("JSON");
        let of = |id: &str| tags.iter().find(|tag| tag["id"] == id).expect("a tag")["precise"].clone();
        assert_eq!((of("casual"), of("sport")), (expected, json!(null)), "{bundle}");
    }
    stated["precise"]["labels"].as_array_mut().expect("a list").pop();
    fs::write(dir.join("stated/bundle.json"), stated.to_string()).expect("writes");
    let error = run(dir, &["tag", "--bundle", "stated", "shop/shop/P0001_0.png"]).expect_err("inconsistent");
    assert!(
        error.contains("labels and precise thresholds differ in number"),
        "{error}"
    );
}

/// The demo's bundles say when to be silent, whoever makes them again.
#[test]
fn the_demo_bundles_state_their_points() {
    let bundles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/bundles");
    let retrieval = manifest(&bundles, "retrieval");
    let model = format!(
        "{}@{}",
        retrieval["id"].as_str().expect("an id"),
        &retrieval["weights"]["sha256"].as_str().expect("a hash")[..12]
    );
    for bundle in ["retrieval", "query"] {
        assert_eq!(manifest(&bundles, bundle)["floor"]["gallery"], json!(model), "{bundle}");
    }
    let tagger = manifest(&bundles, "tagger");
    assert_eq!(
        tagger["precise"]["labels"].as_array().map(Vec::len),
        tagger["labels"].as_array().map(Vec::len)
    );
}
