//! Directions between modules, read from the `use` lines: web → shared ← server, and within the server no way from
//! models back to HTTP.

use std::fs;
use std::path::{Path, PathBuf};

/// Files under a folder of the repository, and what none of them may mention.
const FORBIDDEN: &[(&str, &[&str])] = &[
    (
        "shared/src",
        &[
            "std::fs",
            "std::net",
            "std::thread",
            "std::time",
            "tokio",
            "axum",
            "web_sys",
            "wasm_bindgen",
            "server::",
        ],
    ),
    ("web/src", &["server::", "axum", "tokio"]),
    ("server/src", &["web::", "web_sys", "wasm_bindgen"]),
    (
        "server/src/train",
        &["crate::http", "crate::catalog", "crate::embed", "axum"],
    ),
    ("server/src/evaluate", &["crate::http", "crate::train", "axum"]),
    (
        "server/src/ensemble",
        &[
            "crate::http",
            "crate::train",
            "crate::embed",
            "crate::catalog",
            "axum",
            "burn",
        ],
    ),
    (
        "server/src/render",
        &["crate::http", "crate::train", "crate::embed", "crate::catalog", "burn"],
    ),
    (
        "server/src/data",
        &["crate::http", "crate::train", "crate::embed", "crate::catalog", "axum"],
    ),
    ("server/src/catalog", &["crate::http", "crate::train", "axum"]),
    (
        "server/src/embed",
        &["crate::http", "crate::train", "crate::catalog", "axum"],
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a folder of the repository") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn modules_only_use_what_they_may() {
    let mut wrong = Vec::new();
    for (folder, forbidden) in FORBIDDEN {
        let mut files = Vec::new();
        sources(&root().join(folder), &mut files);
        assert!(!files.is_empty(), "{folder} has no sources");
        for file in files {
            let text = fs::read_to_string(&file).expect("readable");
            // What stands after the first test module may use anything.
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
                for word in *forbidden {
                    let used = line.trim_start().starts_with("use ") || line.contains("::");
                    let named = line
                        .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
                        .any(|path| path == *word || path.starts_with(&format!("{}::", word.trim_end_matches("::"))));
                    if used && named {
                        wrong.push(format!("{}: {}", file.display(), line.trim()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_device_rs_names_a_backend() {
    let mut files = Vec::new();
    sources(&root().join("server/src"), &mut files);
    for file in files.iter().filter(|file| !file.ends_with("device.rs")) {
        let text = fs::read_to_string(file).expect("readable");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for word in ["Device::flex", "Device::cuda", "DeviceType::", "feature = \"cuda\""] {
            assert!(!code.contains(word), "{} names {word}", file.display());
        }
    }
}
