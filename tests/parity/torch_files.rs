//! PyTorch's files: their tensors are read exactly, and damaged or malicious files are errors.

use crate::{golden, parse};
use base64::Engine;
use flate2::read::ZlibDecoder;
use pretrained::to_safetensors;
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use serde_json::Value;
use std::io::Read;

fn bytes(case: &Value) -> Vec<u8> {
    let packed = base64::engine::general_purpose::STANDARD
        .decode(parse::<String>(&case["file"]))
        .expect("the file is base64");
    let mut bytes = Vec::new();
    ZlibDecoder::new(&packed[..])
        .read_to_end(&mut bytes)
        .expect("the file is compressed by zlib");
    bytes
}

/// Values of a tensor of any supported type.
fn values(tensor: &safetensors::tensor::TensorView<'_>) -> Vec<f64> {
    let data = tensor.data();
    match tensor.dtype() {
        Dtype::F32 => data
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes(b.try_into().expect("there are four bytes")).into())
            .collect(),
        Dtype::I64 => data
            .chunks_exact(8)
            .map(|b| i64::from_le_bytes(b.try_into().expect("there are eight bytes")) as f64)
            .collect(),
        Dtype::F16 => data
            .chunks_exact(2)
            .map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f64())
            .collect(),
        Dtype::BF16 => data
            .chunks_exact(2)
            .map(|b| half::bf16::from_le_bytes([b[0], b[1]]).to_f64())
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn tensors_equal_those_that_pytorch_saved() {
    for (name, case) in golden("torch_files.json")
        .as_object()
        .expect("the golden has cases by name")
    {
        let result = to_safetensors(bytes(case));
        if let Some(expected) = case["error"].as_str() {
            let error = format!("{:#}", result.err().unwrap_or_else(|| panic!("{name} was read")));
            assert!(error.contains(expected) && error.contains("hint"), "{name}: {error}");
            continue;
        }
        let file = result.unwrap_or_else(|error| panic!("{name}: {error:#}"));
        let file = SafeTensors::deserialize(&file).expect("the file is safetensors");
        let expected = case["tensors"].as_object().expect("the case has tensors by name");
        assert_eq!(file.len(), expected.len(), "{name}");
        for (key, expected) in expected {
            let tensor = file
                .tensor(key)
                .unwrap_or_else(|error| panic!("{name}: {key}: {error}"));
            assert_eq!(tensor.shape(), parse::<Vec<usize>>(&expected["shape"]), "{name}: {key}");
            assert_eq!(values(&tensor), parse::<Vec<f64>>(&expected["values"]), "{name}: {key}");
        }
    }
}

#[test]
fn truncated_files_are_errors_and_damaged_files_do_not_panic() {
    let cases = golden("torch_files.json");
    for name in ["views", "views of before 1.6"] {
        let whole = bytes(&cases[name]);
        for length in 4..whole.len() {
            assert!(
                to_safetensors(whole[..length].to_vec()).is_err(),
                "{name} truncated at {length} of {}",
                whole.len()
            );
        }
        for at in 0..whole.len() {
            for change in [0x01, 0x80, 0xFF] {
                let mut damaged = whole.clone();
                damaged[at] ^= change;
                let _ = to_safetensors(damaged);
            }
        }
    }
}
