//! Unusable files of weights: they are refused with a reason, and nothing is written.

use super::{run, run_line, selvedge};
use serde_json::Value;
use shared::bundle::{MANIFEST_FILE, WEIGHTS_FILE, sha256_hex};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tests::fixture;

/// Runs a command that must fail, and returns its stderr.
fn refused(dir: &Path, args: &[&str]) -> String {
    let output = selvedge()
        .arg("--device")
        .arg("cpu")
        .args(args)
        .current_dir(dir)
        .output()
        .expect("the program starts");
    let error = String::from_utf8(output.stderr).expect("the output is text");
    assert_eq!(output.status.code(), Some(1), "{args:?}: {error}");
    error
}

#[test]
fn a_file_that_has_no_weights_is_refused_before_a_run_begins() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    fixture::write_dataset(&dir.join("shop"), 6, 0).expect("the dataset is written");
    fixture::train_on_first(&dir.join("shop"), 4).expect("the manifest is changed");
    let manifest = dir.join("shop/manifest.csv");
    let rows = fs::read_to_string(&manifest)
        .expect("the manifest is readable")
        .replace(",test,", ",val,");
    fs::write(&manifest, rows).expect("the file is written");
    let recipe = "name = 'a'\nseed = 1\nepochs = 1\n[data]\ndir = 'shop'\nlabels = 'dataset'\n[input]\nwidth = 32\n\
                  height = 32\n[optimiser]\nbatch = 8\nrate = 0.01\n[task]\nkind = 'style'\nbackbone = 'resnet10_w16'\n";
    fs::write(dir.join("recipe.toml"), recipe).expect("the file is written");
    fs::create_dir(dir.join("folder")).expect("the folder is created");
    for (name, bytes, says) in [
        ("empty.pth", &b""[..], "it is empty"),
        (
            "pointer.pth",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
            "git lfs pull",
        ),
        ("page.pth", b"<!DOCTYPE html><html></html>", "a web page"),
        (
            "noise.safetensors",
            b"\x01\x02\x03\x04\x05\x06\x07\x08\x09",
            "neither a safetensors nor a PyTorch file",
        ),
        ("folder", b"", "is a folder"),
    ] {
        if name != "folder" {
            fs::write(dir.join(name), bytes).expect("the file is written");
        }
        let error = refused(dir, &["train", "recipe.toml", "--init", name, "--out", "run"]);
        assert!(error.contains(says) && error.contains(name), "{name}: {error}");
        assert!(!dir.join("run").exists(), "{name}: no run is written");
    }
    for (setting, says) in [
        ("optimiser.batch=1", "optimiser.batch must be at least 2"),
        ("input.std=[0,1,1]", "input.std"),
    ] {
        let error = refused(dir, &["train", "recipe.toml", "--set", setting, "--out", "run"]);
        assert!(error.contains(says), "{error}");
    }
}

/// `join` and `whiten` load their networks before they write anything.
#[test]
fn a_damaged_network_is_neither_joined_nor_whitened() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    fixture::write_search(dir, &["good", "bad"]).expect("the shop and the bundles are written");
    let file = dir.join("bad").join(WEIGHTS_FILE);
    let mut bytes = fs::read(&file).expect("the weights are readable");
    // The last four bytes are one value of the last parameter.
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&file, &bytes).expect("the file is written");
    let manifest = dir.join("bad").join(MANIFEST_FILE);
    let mut json: serde_json::Value =
        serde_json::from_slice(&fs::read(&manifest).expect("the manifest is readable")).expect("the manifest is JSON");
    json["weights"]["sha256"] = sha256_hex(&bytes).into();
    fs::write(&manifest, json.to_string()).expect("the file is written");
    for args in [
        &["join", "--bundle", "good", "bad", "--out", "out"][..],
        &[
            "whiten", "--bundle", "bad", "--data", "shop", "--dims", "4", "--out", "out",
        ],
    ] {
        let error = refused(dir, args);
        assert!(error.contains("holds a value that is not finite"), "{args:?}: {error}");
        assert!(!dir.join("out").exists(), "{args:?}");
    }
}

#[test]
fn a_tagger_of_int8_weights_is_half_as_large_and_gives_nearly_the_same_probabilities() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    fixture::write_style_bundle(&dir.join("whole")).expect("the bundle is written");
    run_line(dir, "dataset render --items 1 --seed 3 --size 160 --out shop").expect("the shop is drawn");
    let quantise =
        |bundle: &str, out: &str| run(dir, &["--device", "cpu", "quantise", "--bundle", bundle, "--out", out]);
    assert_eq!(quantise("whole", "small").as_deref(), Ok("small\n"));

    let size = |bundle: &Path| {
        fs::metadata(bundle.join(WEIGHTS_FILE))
            .expect("the bundle has weights")
            .len()
    };
    let (small, whole) = (size(&dir.join("small")), size(&dir.join("whole")));
    assert!(small * 10 < whole * 6, "{small} bytes of {whole}");
    let probabilities = |bundle: &str| -> BTreeMap<String, f64> {
        let photo = "shop/user/P000001_1.jpg";
        let printed =
            run(dir, &["--device", "cpu", "tag", "--json", "--bundle", bundle, photo]).expect("the photo is tagged");
        let tags: Vec<Value> = serde_json::from_str(&printed).expect("the tags are JSON");
        let entry = |tag: &Value| {
            (
                format!("{}/{}", tag["group"], tag["id"]),
                tag["prob"].as_f64().expect("a number"),
            )
        };
        tags.iter().map(entry).collect()
    };
    let (small, whole) = (probabilities("small"), probabilities("whole"));
    assert_eq!(small.len(), whole.len());
    for (label, probability) in &whole {
        assert!(
            (small[label] - probability).abs() < 0.1,
            "{label}: {} and {probability}",
            small[label]
        );
    }
    assert_ne!(small, whole, "the weights differ");

    fixture::write_retrieval_bundle(&dir.join("retrieval")).expect("the bundle is written");
    let error = quantise("retrieval", "other").expect_err("its embeddings would change");
    assert!(error.contains("would not fit a catalog"), "{error}");
    assert!(!dir.join("other").exists());
}
