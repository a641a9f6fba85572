//! Files of weights that cannot be used, and bundles made of them: one error that says what is wrong, and nothing written.

use super::selvedge;
use shared::bundle::{MANIFEST_FILE, WEIGHTS_FILE, sha256_hex};
use std::fs;
use std::path::Path;
use tests::fixture;

/// What a command said on stderr when it failed.
fn refused(dir: &Path, args: &[&str]) -> String {
    let output = selvedge()
        .arg("--device")
        .arg("cpu")
        .args(args)
        .current_dir(dir)
        .output()
        .expect("the program starts");
    let said = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
    said
}

#[test]
fn what_is_no_file_of_weights_is_named_and_no_run_begins() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    fixture::write_dataset(&dir.join("shop"), 6, 0).expect("a dataset");
    fixture::train_on_first(&dir.join("shop"), 4).expect("a split");
    let manifest = dir.join("shop/manifest.csv");
    let rows = fs::read_to_string(&manifest)
        .expect("a manifest")
        .replace(",test,", ",val,");
    fs::write(&manifest, rows).expect("writes");
    let recipe = "name = 'a'\nseed = 1\nepochs = 1\n[data]\ndir = 'shop'\nlabels = 'dataset'\n[input]\nwidth = 32\n\
                  height = 32\n[optimiser]\nbatch = 8\nrate = 0.01\n[task]\nkind = 'style'\nbackbone = 'resnet10_w16'\n";
    fs::write(dir.join("recipe.toml"), recipe).expect("writes");
    fs::create_dir(dir.join("folder")).expect("creates");
    for (name, bytes, said) in [
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
            "neither safetensors nor PyTorch's",
        ),
        ("folder", b"", "is a folder"),
    ] {
        if name != "folder" {
            fs::write(dir.join(name), bytes).expect("writes");
        }
        let error = refused(dir, &["train", "recipe.toml", "--init", name, "--out", "run"]);
        assert!(error.contains(said) && error.contains(name), "{name}: {error}");
        assert!(!dir.join("run").exists(), "{name}: a run that never began");
    }
    for (setting, said) in [
        ("optimiser.batch=1", "optimiser.batch must be at least 2"),
        ("input.std=[0,1,1]", "input.std"),
    ] {
        let error = refused(dir, &["train", "recipe.toml", "--set", setting, "--out", "run"]);
        assert!(error.contains(said), "{error}");
    }
}

/// `join` and `whiten` load what they are given, and leave nothing where it cannot be used.
#[test]
fn a_bundle_of_a_damaged_network_makes_no_other_bundle() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    fixture::write_search(dir, &["good", "bad"]).expect("a shop and bundles");
    let file = dir.join("bad").join(WEIGHTS_FILE);
    let mut bytes = fs::read(&file).expect("weights");
    // The last four bytes are a value of the last parameter.
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&file, &bytes).expect("writes");
    let manifest = dir.join("bad").join(MANIFEST_FILE);
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&manifest).expect("a manifest")).expect("JSON");
    json["weights"]["sha256"] = sha256_hex(&bytes).into();
    fs::write(&manifest, json.to_string()).expect("writes");
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
