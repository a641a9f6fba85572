//! Comparison with other implementations: torchvision's logits, published weights of EfficientNet-Lite, PyTorch's files, Pillow's resize, scikit-learn's metrics.
//!
//! The golden files and their generators are in `tests/golden/`.

mod efficientnet_lite;
mod engines;
mod formula;
mod input;
mod losses;
mod metrics;
mod modules;
mod search;
mod torch_files;
mod torchvision;
mod xgboost;

/// Reads a golden file.
fn golden(name: &str) -> serde_json::Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("golden")
        .join(name);
    let text = std::fs::read_to_string(&path).expect("the golden file exists");
    serde_json::from_str(&text).expect("the golden file is JSON")
}

/// Parses a value of a golden file.
fn parse<T: serde::de::DeserializeOwned>(value: &serde_json::Value) -> T {
    serde_json::from_value(value.clone()).expect("the golden value has the expected type")
}
