//! Writing a network's parameters as safetensors.

use super::check::{check, to_f16};
use super::error::WeightsError;
use super::load::scale_key;
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
    /// One byte per value of a matrix or of a convolution's kernels, and a scale per output. All other values are f16.
    Int8,
}

impl Precision {
    /// Name in a manifest.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Int8 => "int8",
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
    let mut failed = None;
    walk(net, |fields, shape, data| {
        let values: Vec<f32> = data().iter::<f32>().collect();
        match stored(net.torch_key(fields), shape, &values, precision) {
            Ok(stored) => tensors.extend(stored),
            Err(error) => failed = failed.take().or(Some(error)),
        }
    });
    if let Some(error) = failed {
        return Err(error);
    }
    let write = || {
        let views = tensors
            .iter()
            .map(|tensor| {
                let view = TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.bytes)?;
                Ok((tensor.key.as_str(), view))
            })
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
        safetensors::serialize(views, Some(HashMap::from([("format".to_owned(), "pt".to_owned())])))
    };
    write().map_err(|error| WeightsError::Format(error.to_string()))
}

/// Tensor of a file.
struct Stored {
    key: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// Returns the tensors that store a parameter: one, or with its scales two.
fn stored(key: String, shape: Vec<usize>, values: &[f32], precision: Precision) -> Result<Vec<Stored>, WeightsError> {
    check(&key, values)?;
    let f32_bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let (dtype, bytes) = match precision {
        Precision::Int8 if shape.len() > 1 => {
            let (numbers, scales) = to_int8(values, shape[0]);
            let scales = Stored {
                key: scale_key(&key),
                dtype: Dtype::F32,
                shape: vec![shape[0]],
                bytes: f32_bytes(&scales),
            };
            let bytes = numbers.into_iter().flat_map(i8::to_le_bytes).collect();
            let dtype = Dtype::I8;
            return Ok(vec![
                Stored {
                    key,
                    dtype,
                    shape,
                    bytes,
                },
                scales,
            ]);
        }
        Precision::F32 => (Dtype::F32, f32_bytes(values)),
        Precision::F16 | Precision::Int8 => (
            Dtype::F16,
            to_f16(&key, values)?.into_iter().flat_map(f16::to_le_bytes).collect(),
        ),
    };
    Ok(vec![Stored {
        key,
        dtype,
        shape,
        bytes,
    }])
}

/// Returns values as whole numbers of -127 to 127 and a scale per output. A value is its number times the scale of its output.
fn to_int8(values: &[f32], outputs: usize) -> (Vec<i8>, Vec<f32>) {
    let each = (values.len() / outputs.max(1)).max(1);
    let scales: Vec<f32> = values
        .chunks(each)
        .map(|output| output.iter().fold(0.0f32, |most, value| most.max(value.abs())) / 127.0)
        .collect();
    let numbers = values.chunks(each).zip(&scales).flat_map(|(output, scale)| {
        let number = move |value: &f32| if *scale > 0.0 { (value / scale).round() as i8 } else { 0 };
        output.iter().map(number)
    });
    (numbers.collect(), scales)
}

/// Returns the keys and shapes of a file for `net`, in the order of its parameters.
pub fn layout<M: Module + TorchKeys>(net: &M) -> Vec<(String, Vec<usize>)> {
    let mut layout = Vec::new();
    walk(net, |fields, shape, _| layout.push((net.torch_key(fields), shape)));
    layout
}
