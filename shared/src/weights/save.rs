//! Writing a network's parameters as safetensors.

use super::check::{check, to_f16};
use super::error::WeightsError;
use super::walk::walk;
use crate::model::keys::TorchKeys;
use burn::module::Module;
use half::f16;
use safetensors::tensor::{Dtype, TensorView};
use std::collections::HashMap;

/// Precision of stored numbers. Arithmetic is always f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// Four bytes per value.
    F32,
    /// Two bytes per value.
    F16,
}

impl Precision {
    /// Name in a manifest.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        }
    }
}

/// Returns all parameters and running statistics of `net` as safetensors.
///
/// # Errors
/// [`WeightsError`], which names the parameter, if [`load`](super::load()) would refuse a value or `precision` cannot hold
/// it.
pub fn save<M: Module + TorchKeys>(net: &M, precision: Precision) -> Result<Vec<u8>, WeightsError> {
    let mut tensors = Vec::new();
    walk(net, |fields, shape, data| {
        let key = net.torch_key(fields);
        let values: Vec<f32> = data().iter::<f32>().collect();
        tensors.push(bytes_of(&key, &values, precision).map(|bytes| (key, shape, bytes)));
    });
    let tensors = tensors.into_iter().collect::<Result<Vec<_>, WeightsError>>()?;
    let dtype = match precision {
        Precision::F32 => Dtype::F32,
        Precision::F16 => Dtype::F16,
    };
    let write = || {
        let views = tensors
            .iter()
            .map(|(key, shape, bytes)| Ok((key.as_str(), TensorView::new(dtype, shape.clone(), bytes)?)))
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
        safetensors::serialize(views, Some(HashMap::from([("format".to_owned(), "pt".to_owned())])))
    };
    write().map_err(|error| WeightsError::Format(error.to_string()))
}

fn bytes_of(key: &str, values: &[f32], precision: Precision) -> Result<Vec<u8>, WeightsError> {
    check(key, values)?;
    Ok(match precision {
        Precision::F32 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        Precision::F16 => to_f16(key, values)?.into_iter().flat_map(f16::to_le_bytes).collect(),
    })
}

/// Returns the keys and shapes of a file for `net`, in the order of its parameters.
pub fn layout<M: Module + TorchKeys>(net: &M) -> Vec<(String, Vec<usize>)> {
    let mut layout = Vec::new();
    walk(net, |fields, shape, _| layout.push((net.torch_key(fields), shape)));
    layout
}
