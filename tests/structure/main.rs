//! Rules of the code's structure that the compiler does not keep.
//!
//! Cargo keeps the directions between packages. This test keeps the order that they are listed in, the circles of files
//! within a package, and the words that some packages may not use.

mod imports;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Packages from the ground up. A package may use those before it.
const LAYERS: &[&str] = &[
    "shared",
    "device",
    "render",
    "dataset",
    "search",
    "pretrained",
    "evaluation",
    "ensemble",
    "report",
    "training",
    "ablation",
    "service",
    "server",
];

/// Folders, and words that no code in them may use.
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
        ],
    ),
    ("server/service/src/catalog", &["crate::http", "axum"]),
    ("server/service/src/embed", &["crate::http", "crate::catalog", "axum"]),
];

/// Packages whose files still import each other in circles.
const CIRCULAR: &[&str] = &["shared", "dataset", "evaluation", "render", "training", "server"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Folder of a package.
fn folder(package: &str) -> PathBuf {
    match package {
        "shared" | "server" | "web" | "tests" => root().join(package),
        inner => root().join("server").join(inner),
    }
}

/// Source files under a folder.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
        let path = entry.expect("the folder is readable").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn packages_use_only_lower_packages() {
    let mut wrong = Vec::new();
    for (at, package) in LAYERS.iter().enumerate() {
        let text = fs::read_to_string(folder(package).join("Cargo.toml")).expect("every package has a manifest");
        let manifest: toml::Table = toml::from_str(&text).expect("the manifest is TOML");
        let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
        let used: Vec<&str> = dependencies
            .into_iter()
            .flat_map(toml::Table::keys)
            .map(String::as_str)
            .filter(|name| LAYERS.contains(name))
            .collect();
        println!("{package}: {}", used.join(", "));
        wrong.extend(
            used.into_iter()
                .filter(|name| !LAYERS[..at].contains(name))
                .map(|name| format!("{package} -> {name}")),
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_of_a_package_do_not_import_each_other_in_circles() {
    let mut circles = BTreeMap::new();
    for package in LAYERS.iter().chain(&["web"]) {
        let found = imports::circles(&folder(package).join("src"));
        println!("{package}: {} circles", found.len());
        if !found.is_empty() && !CIRCULAR.contains(package) {
            circles.insert(*package, found);
        }
    }
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn folders_do_not_use_forbidden_words() {
    let mut wrong = Vec::new();
    for (folder, forbidden) in FORBIDDEN {
        for file in sources(&root().join(folder)) {
            let text = fs::read_to_string(&file).expect("the file is readable");
            for path in imports::paths(&text) {
                for word in *forbidden {
                    if path == *word || path.starts_with(&format!("{word}::")) {
                        wrong.push(format!("{}: {path}", file.display()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_the_device_package_names_a_backend() {
    for package in LAYERS.iter().filter(|package| !["device", "shared"].contains(package)) {
        for file in sources(&folder(package).join("src")) {
            let text = imports::without_tests(&fs::read_to_string(&file).expect("the file is readable"));
            for word in ["Device::flex", "Device::cuda", "DeviceType::", "feature = \"cuda\""] {
                assert!(!text.contains(word), "{} names {word}", file.display());
            }
        }
    }
}
