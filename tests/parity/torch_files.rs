//! PyTorch's files: what is read from them is what PyTorch wrote, and nothing in them can do harm.

use crate::{golden, of};
use base64::Engine;
use flate2::read::ZlibDecoder;
use pretrained::to_safetensors;
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use serde_json::Value;
use std::io::Read;

fn bytes(case: &Value) -> Vec<u8> {
    let packed = base64::engine::general_purpose::STANDARD
        .decode(of::<String>(&case["file"]))
        .expect("the golden is base64");
    let mut bytes = Vec::new();
    ZlibDecoder::new(&packed[..])
        .read_to_end(&mut bytes)
        .expect("the golden is compressed by zlib");
    bytes
}

/// Values of a tensor whose type holds them.
fn values(tensor: &safetensors::tensor::TensorView<'_>) -> Vec<f64> {
    let data = tensor.data();
    match tensor.dtype() {
        Dtype::F32 => data
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes(b.try_into().expect("four bytes")).into())
            .collect(),
        Dtype::I64 => data
            .chunks_exact(8)
            .map(|b| i64::from_le_bytes(b.try_into().expect("eight bytes")) as f64)
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
fn what_pytorch_saved_is_read() {
    for (name, case) in golden("torch_files.json").as_object().expect("cases by name") {
        let result = to_safetensors(bytes(case));
        if let Some(expected) = case["error"].as_str() {
            let error = format!("{:#}", result.err().unwrap_or_else(|| panic!("{name} was read")));
            assert!(error.contains(expected) && error.contains("hint"), "{name}: {error}");
            continue;
        }
        let file = result.unwrap_or_else(|error| panic!("{name}: {error:#}"));
        let file = SafeTensors::deserialize(&file).expect("safetensors");
        let expected = case["tensors"].as_object().expect("tensors by name");
        assert_eq!(file.len(), expected.len(), "{name}");
        for (key, expected) in expected {
            let tensor = file
                .tensor(key)
                .unwrap_or_else(|error| panic!("{name}: {key}: {error}"));
            assert_eq!(tensor.shape(), of::<Vec<usize>>(&expected["shape"]), "{name}: {key}");
            assert_eq!(values(&tensor), of::<Vec<f64>>(&expected["values"]), "{name}: {key}");
        }
    }
}

/// However a file is cut off or damaged, the answer is an error or what can still be read, never a panic.
#[test]
fn damaged_files_are_errors() {
    let cases = golden("torch_files.json");
    for name in ["views", "views of before 1.6"] {
        let whole = bytes(&cases[name]);
        for length in 4..whole.len() {
            assert!(
                to_safetensors(whole[..length].to_vec()).is_err(),
                "{name} cut off at {length} of {}",
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
