//! A bundle is written only if its network can be loaded and predicts finite values. Invalid bundles are refused with the
//! invalid key or parameter.

use anyhow::Result;
use burn::module::Module;
use burn::tensor::Device;
use dataset::bundle;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use shared::bundle::{Manifest, Weights, describe_weights};
use shared::model::{Architecture, StyleNet};
use shared::server_models::load_classifier;
use shared::weights::{Precision, TorchKeys, load, save};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tests::fixture;

/// Rewrites a file of weights in the type `dtype`; `change` is called with every parameter's key and values.
pub(crate) fn changed(file: &[u8], dtype: Dtype, change: impl Fn(&str, &mut Vec<f64>)) -> Result<Vec<u8>> {
    let file = SafeTensors::deserialize(file)?;
    let mut parameters: BTreeMap<String, (Vec<usize>, Vec<u8>)> = BTreeMap::new();
    for (key, tensor) in file.iter() {
        let read = |b: &[u8]| match tensor.dtype() {
            Dtype::F16 => half::f16::from_le_bytes([b[0], b[1]]).to_f64(),
            _ => f32::from_le_bytes([b[0], b[1], b[2], b[3]]).into(),
        };
        let width = if tensor.dtype() == Dtype::F16 { 2 } else { 4 };
        let mut values: Vec<f64> = tensor.data().chunks_exact(width).map(read).collect();
        change(key, &mut values);
        let bytes = match dtype {
            Dtype::F16 => values
                .iter()
                .flat_map(|v| half::f16::from_f64(*v).to_le_bytes())
                .collect(),
            Dtype::BF16 => values
                .iter()
                .flat_map(|v| half::bf16::from_f64(*v).to_le_bytes())
                .collect(),
            Dtype::F64 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Dtype::I32 => values.iter().flat_map(|v| (*v as i32).to_le_bytes()).collect(),
            _ => values.iter().flat_map(|v| (*v as f32).to_le_bytes()).collect(),
        };
        parameters.insert(key.to_owned(), (tensor.shape().to_vec(), bytes));
    }
    let views = parameters
        .iter()
        .map(|(key, (shape, bytes))| Ok((key, TensorView::new(dtype, shape.clone(), bytes)?)));
    Ok(safetensors::serialize(views.collect::<Result<Vec<_>>>()?, None)?)
}

/// Writes the fixture's style bundle and returns its contents.
fn style(dir: &Path) -> Result<(Manifest, Vec<u8>)> {
    fixture::write_style_bundle(dir)?;
    let (manifest, weights) = bundle::read(dir)?;
    Ok((manifest, weights.network))
}

/// Names of a folder's entries, sorted.
fn names(dir: &Path) -> Result<Vec<String>> {
    let mut names: Vec<String> = fs::read_dir(dir)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    names.sort();
    Ok(names)
}

#[test]
fn only_a_network_that_answers_becomes_a_bundle() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let device = Device::flex();
    let (manifest, network) = style(&dir.path().join("source"))?;
    let variance = SafeTensors::deserialize(&network)?
        .iter()
        .map(|(key, _)| key.to_owned())
        .find(|key| key.ends_with("running_var"))
        .expect("the network has a batch norm");
    for (value, key, expected) in [
        (1.0, "head.output.bias", None),
        (
            f64::NAN,
            "head.output.bias",
            Some("'head.output.bias' holds a value that is not finite"),
        ),
        (
            f64::INFINITY,
            "head.output.weight",
            Some("'head.output.weight' holds a value that is not finite"),
        ),
        (-1e-3, variance.as_str(), Some("holds the variance -0.001")),
        // Every weight is finite, but the predictions are not.
        (
            3e38,
            "every",
            Some("answers a grey image with a value that is not finite"),
        ),
    ] {
        let bytes = changed(&network, Dtype::F32, |at, values| {
            if key == "every" && at.ends_with("weight") {
                values.fill(value);
            }
            if at == key {
                values[0] = value;
            }
        })?;
        let manifest = Manifest {
            weights: describe_weights(&bytes, Precision::F32, false),
            ..manifest.clone()
        };
        let out = dir.path().join("out");
        let written = bundle::write(&out, &manifest, &Weights::from(bytes), &device);
        match expected {
            None => {
                written?;
                assert_eq!(names(&out)?, ["bundle.json", "weights.safetensors"]);
                assert_eq!(bundle::read(&out)?.0, manifest);
                fs::remove_dir_all(&out)?;
            }
            Some(expected) => {
                let error = format!("{:#}", written.expect_err(expected));
                assert!(error.contains(expected), "{error}");
                assert!(!out.exists(), "{key}: the folder of a refused bundle remains");
            }
        }
    }
    Ok(())
}

#[test]
fn a_refused_bundle_leaves_an_existing_folder_as_it_was() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (manifest, network) = style(&dir.path().join("source"))?;
    let bytes = changed(&network, Dtype::F32, first("head.output.bias", f64::NAN))?;
    let manifest = Manifest {
        weights: describe_weights(&bytes, Precision::F32, false),
        ..manifest
    };
    let mine = dir.path().join("mine");
    fs::create_dir(&mine)?;
    fs::write(mine.join("notes.txt"), "mine")?;
    assert!(bundle::write(&mine, &manifest, &Weights::from(bytes), &Device::flex()).is_err());
    assert_eq!(names(&mine)?, ["notes.txt"]);
    Ok(())
}

/// Sets the first value of a parameter.
fn first(key: &'static str, value: f64) -> impl Fn(&str, &mut Vec<f64>) {
    move |at: &str, values: &mut Vec<f64>| {
        if at == key {
            values[0] = value;
        }
    }
}

#[test]
fn weights_of_every_float_type_give_the_same_network() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let device = Device::flex();
    let (manifest, network) = style(dir.path())?;
    let Architecture::Style(config) = &manifest.architecture else {
        panic!("the bundle is a classifier")
    };
    // Every type can represent values of so few bits.
    let coarse =
        |_: &str, values: &mut Vec<f64>| values.iter_mut().for_each(|v| *v = half::bf16::from_f64(*v).to_f64());
    let coarse = changed(&network, Dtype::F16, coarse)?;
    let loaded = |bytes: &[u8]| -> Result<StyleNet> { Ok(load(config.init(&device)?, bytes)?) };
    let parameters = |net: &StyleNet| save(net, Precision::F32);
    let expected = parameters(&loaded(&coarse)?)?;
    for dtype in [Dtype::F64, Dtype::F32, Dtype::F16, Dtype::BF16] {
        let bytes = changed(&coarse, dtype, |_, _| ())?;
        assert!(parameters(&loaded(&bytes)?)? == expected, "{dtype:?}");
    }
    for (dtype, key, value, expected) in [
        (Dtype::F64, "head.output.bias", 1e300, "'head.output.bias' holds 1e300"),
        (
            Dtype::F64,
            "head.output.bias",
            f64::NAN,
            "'head.output.bias' holds a value that is not finite",
        ),
        (Dtype::I32, "head.output.bias", 1.0, "is stored as I32"),
    ] {
        let error = loaded(&changed(&coarse, dtype, first(key, value))?).expect_err(expected);
        assert!(format!("{error:#}").contains(expected), "{error:#}");
    }
    // Values that are infinite as f16 are refused.
    fn large<M: Module + TorchKeys>(net: &M) -> String {
        save(net, Precision::F16)
            .expect_err("the weight is too large for f16")
            .to_string()
    }
    let net = loaded(&changed(&coarse, Dtype::F32, first("head.output.bias", 7e4))?)?;
    assert_eq!(
        large(&net),
        "'head.output.bias' holds 70000, and f16 stores at most 65504"
    );
    Ok(())
}

#[test]
fn a_manifest_with_an_invalid_value_is_refused_by_its_key() -> Result<()> {
    let dir = tempfile::tempdir()?;
    style(dir.path())?;
    let path = dir.path().join("bundle.json");
    let good: serde_json::Value = serde_json::from_slice(&fs::read(&path)?)?;
    for (pointer, value, expected) in [
        ("/input/std", "[0.2, 0.0, 0.2]", "input.std is [0.2, 0.0, 0.2]"),
        ("/input/std", "[-0.2, 0.2, 0.2]", "input.std is [-0.2, 0.2, 0.2]"),
        ("/input/std", "[1e-30, 0.2, 0.2]", "input.std is"),
        ("/input/std", "[0.2, 0.2, 1e39]", "input.std is"),
        ("/input/std", "[0.2, 0.2]", "bundle.json cannot be read"),
        ("/input/mean", "[1e39, 0.5, 0.5]", "input.mean is"),
        ("/input/width", "0", "input.width is 0"),
        ("/input/height", "100000", "input.height is 100000"),
        (
            "/input/width",
            "18446744073709551615",
            "input.width is 18446744073709551615",
        ),
        (
            "/architecture/hidden",
            "4000000000",
            "the architecture is larger than its file of weights",
        ),
        (
            "/architecture/hidden",
            "[16, 4000000000]",
            "the architecture is larger than its file of weights",
        ),
    ] {
        let mut json = good.clone();
        let place = json
            .pointer_mut(pointer)
            .unwrap_or_else(|| panic!("the manifest lacks {pointer}: {good}"));
        *place = serde_json::from_str(value)?;
        fs::write(&path, json.to_string())?;
        let error = format!("{:#}", bundle::read(dir.path()).expect_err(expected));
        assert!(error.contains(expected), "{pointer} = {value}: {error}");
    }
    fs::write(
        &path,
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
    )?;
    let error = format!("{:#}", bundle::read(dir.path()).expect_err("the file is a pointer"));
    assert!(
        error.contains("Git LFS pointer") && error.contains("git lfs pull"),
        "{error}"
    );
    Ok(())
}

#[test]
fn a_bundle_of_a_damaged_network_is_not_loaded() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (manifest, network) = style(dir.path())?;
    for (value, expected) in [
        (-1.0, "holds the variance -1"),
        (f64::NAN, "holds a value that is not finite"),
    ] {
        let bytes = changed(&network, Dtype::F16, |key, values| {
            if key.ends_with("running_var") {
                values[0] = value;
            }
        })?;
        let manifest = Manifest {
            weights: describe_weights(&bytes, Precision::F16, false),
            ..manifest.clone()
        };
        let error = load_classifier(&manifest, &bytes, &Device::flex())
            .expect_err(expected)
            .to_string();
        assert!(error.contains("running_var' ") && error.contains(expected), "{error}");
    }
    Ok(())
}
