//! Rules of the code structure that the compiler does not check.
//!
//! The tests check the order of the packages, import cycles between the files of a package, and modules that some
//! folders must not use.

mod documents;
mod imports;
mod key_reference;
mod schema;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Packages in the order of their dependencies. A package may depend only on packages before it in this list.
const LAYERS: &[&str] = &[
    "scan",
    "shared",
    "store",
    "filter",
    "engine",
    "milvus",
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

/// Folders, and the paths that the code in each folder must not use.
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

/// Root of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Folder of a package, which contains its `Cargo.toml`.
fn folder(package: &str) -> PathBuf {
    match package {
        "shared" | "server" | "web" | "tests" => root().join(package),
        inner => root().join("server").join(inner),
    }
}

/// Returns the paths of all Rust files in a folder and its subfolders, sorted.
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
fn packages_depend_only_on_packages_of_lower_layers() {
    let mut wrong = Vec::new();
    for (layer, package) in LAYERS.iter().enumerate() {
        let text = fs::read_to_string(folder(package).join("Cargo.toml")).expect("every package has a Cargo.toml");
        let manifest: toml::Table = toml::from_str(&text).expect("Cargo.toml is valid TOML");
        let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
        let used: Vec<&str> = dependencies
            .into_iter()
            .flat_map(toml::Table::keys)
            .map(String::as_str)
            .filter(|name| LAYERS.contains(name))
            .collect();
        eprintln!("{package}: {}", used.join(", "));
        wrong.extend(
            used.into_iter()
                .filter(|name| !LAYERS[..layer].contains(name))
                .map(|name| format!("{package} -> {name}")),
        );
    }
    assert!(
        wrong.is_empty(),
        "packages depend on packages of higher layers: {wrong:#?}"
    );
}

#[test]
fn packages_have_no_import_cycles() {
    let mut wrong = BTreeMap::new();
    for package in LAYERS.iter().chain(&["web"]) {
        let cycles = imports::cycles(&folder(package).join("src"));
        eprintln!("{package}: {} import cycles", cycles.len());
        if !cycles.is_empty() {
            wrong.insert(*package, cycles);
        }
    }
    assert!(wrong.is_empty(), "files import each other in cycles: {wrong:#?}");
}

#[test]
fn folders_do_not_use_forbidden_paths() {
    let mut wrong = Vec::new();
    for (folder, forbidden) in FORBIDDEN {
        for file in sources(&root().join(folder)) {
            let text = fs::read_to_string(&file).expect("the file is readable");
            for path in imports::paths(&text) {
                for prefix in *forbidden {
                    if path == *prefix || path.starts_with(&format!("{prefix}::")) {
                        wrong.push(format!("{}: {path}", file.display()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "files use forbidden paths: {wrong:#?}");
}

#[test]
fn packages_above_device_do_not_name_a_backend() {
    for package in LAYERS.iter().filter(|package| !["device", "shared"].contains(package)) {
        let files = sources(&folder(package).join("src"));
        for file in files.iter().filter(|file| !file.ends_with("tests.rs")) {
            let text = imports::without_tests(&fs::read_to_string(file).expect("the file is readable"));
            for word in ["Device::flex", "Device::cuda", "DeviceType::", "feature = \"cuda\""] {
                assert!(!text.contains(word), "{} names {word}", file.display());
            }
        }
    }
}

/// Lines of a source file at most.
const FILE_LINES: usize = 400;
/// Lines of a function at most. Functions that draw and tests may be longer.
const FUNCTION_LINES: usize = 60;

#[test]
fn files_and_functions_are_short() {
    let mut long = Vec::new();
    for package in LAYERS.iter().chain(&["web", "tests"]) {
        let folder = folder(package);
        let files = sources(&if *package == "tests" {
            folder
        } else {
            folder.join("src")
        });
        for file in files {
            let text = fs::read_to_string(&file).expect("the file is readable");
            let lines = text.lines().count();
            if lines > FILE_LINES {
                long.push(format!("{}: {lines} lines", file.display()));
            }
            if ["render", "tests"].contains(package) || file.ends_with("tests.rs") {
                continue;
            }
            for (name, lines) in imports::functions(&text) {
                if lines > FUNCTION_LINES {
                    long.push(format!("{}: {name} has {lines} lines", file.display()));
                }
            }
        }
    }
    assert!(long.is_empty(), "{long:#?}");
}
