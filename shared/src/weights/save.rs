//! Writing a network's parameters as safetensors.

use super::{TorchKeys, walk};
use burn::module::Module;
use half::f16;
use safetensors::tensor::{Dtype, TensorView};
use std::collections::HashMap;

/// How numbers are stored; arithmetic is always f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// Four bytes a value.
    F32,
    /// Two bytes a value.
    F16,
}

impl Precision {
    /// The name in a manifest.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        }
    }
}

/// All parameters and running statistics of `net` as safetensors.
///
/// # Errors
/// If safetensors refuses the tensors, which would be a fault here.
pub fn save<M: Module + TorchKeys>(net: &M, precision: Precision) -> Result<Vec<u8>, safetensors::SafeTensorError> {
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    walk(net, |fields, shape, data| {
        let values = data();
        let bytes = match precision {
            Precision::F32 => values.iter::<f32>().flat_map(f32::to_le_bytes).collect(),
            Precision::F16 => values.iter::<f32>().flat_map(|value| f16::from_f32(value).to_le_bytes()).collect(),
        };
        tensors.push((net.torch_key(fields), shape, bytes));
    });
    let dtype = match precision {
        Precision::F32 => Dtype::F32,
        Precision::F16 => Dtype::F16,
    };
    let views = tensors
        .iter()
        .map(|(key, shape, bytes)| Ok((key.as_str(), TensorView::new(dtype, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize(views, Some(metadata))
}
