//! The numbers that others compute too: torchvision's logits, PyTorch's files, Pillow's resize, scikit-learn's metrics.
//! The goldens and their generators are in `tests/golden/`.

mod formula;
mod input;
mod losses;
mod metrics;
mod modules;
mod search;
mod torch_files;
mod torchvision;
mod xgboost;

/// A golden file.
fn golden(name: &str) -> serde_json::Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("golden")
        .join(name);
    let text = std::fs::read_to_string(&path).expect("the golden is in the repository");
    serde_json::from_str(&text).expect("the golden is JSON")
}

/// A value of a golden as the type it must have.
fn of<T: serde::de::DeserializeOwned>(value: &serde_json::Value) -> T {
    serde_json::from_value(value.clone()).expect("the golden has this shape")
}
