//! Reading a network's parameters from safetensors, strictly.

use super::check::{check, to_f32};
use super::error::WeightsError;
use super::walk::{Path, file_shape, to_file_layout, walk};
use crate::model::keys::TorchKeys;
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};
use half::{bf16, f16};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Loads the parameters of `net` from a file that [`save`](super::save) wrote. The file must hold all of them and no others.
///
/// # Errors
/// [`WeightsError`], before any parameter of `net` has changed.
pub fn load<M: Module + TorchKeys>(net: M, bytes: &[u8]) -> Result<M, WeightsError> {
    let tensors = tensors(bytes)?;
    let wanted = wanted(&net, |fields| Some(net.torch_key(fields)));
    replace(net, &wanted, &tensors)
}

/// Tensors of a file by their keys.
pub(crate) type Tensors<'a> = BTreeMap<String, Stored<'a>>;

/// Numbers of a parameter in a file.
pub(crate) struct Stored<'a> {
    numbers: TensorView<'a>,
    /// Scale per output, if the numbers are int8.
    scales: Option<TensorView<'a>>,
}

impl Stored<'_> {
    /// Shape of the parameter.
    pub(crate) fn shape(&self) -> &[usize] {
        self.numbers.shape()
    }
}

/// Key of the scales of an int8 parameter.
pub(super) fn scale_key(key: &str) -> String {
    format!("{key}_scale")
}

/// Returns all tensors of a file except counters of batches.
pub(crate) fn tensors(bytes: &[u8]) -> Result<Tensors<'_>, WeightsError> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| WeightsError::Format(error.to_string()))?;
    let mut all: BTreeMap<String, TensorView<'_>> = file
        .iter()
        .filter(|(name, _)| !name.ends_with("num_batches_tracked"))
        .map(|(key, tensor)| (key.to_owned(), tensor))
        .collect();
    let int8 = all.iter().filter(|(_, tensor)| tensor.dtype() == Dtype::I8);
    let int8: Vec<String> = int8.map(|(key, _)| key.clone()).collect();
    let mut scales: BTreeMap<String, TensorView<'_>> = int8
        .into_iter()
        .filter_map(|key| all.remove(&scale_key(&key)).map(|scales| (key, scales)))
        .collect();
    let pair = |(key, numbers)| {
        let scales = scales.remove(&key);
        (key, Stored { numbers, scales })
    };
    Ok(all.into_iter().map(pair).collect())
}

/// Keys and shapes in a file by the paths of fields.
pub(crate) type Wanted = HashMap<String, (String, Vec<usize>)>;

/// Returns the keys and shapes of the parameters that have a `key`.
pub(crate) fn wanted<M: Module>(net: &M, key: impl Fn(&[&str]) -> Option<String>) -> Wanted {
    let mut wanted = HashMap::new();
    walk(net, |fields, shape, _| {
        if let Some(key) = key(fields) {
            wanted.insert(fields.join("."), (key, shape));
        }
    });
    wanted
}

/// Replaces the wanted parameters of `net` by the tensors, which must be exactly those.
///
/// # Errors
/// [`WeightsError`], before any parameter of `net` has changed.
pub(crate) fn replace<M: Module>(net: M, wanted: &Wanted, tensors: &Tensors<'_>) -> Result<M, WeightsError> {
    let (missing, unexpected) = difference(wanted, tensors);
    if !missing.is_empty() || !unexpected.is_empty() {
        return Err(WeightsError::Keys {
            missing,
            unexpected,
            resembles: None,
        });
    }
    let mut values = HashMap::new();
    for (path, (key, shape)) in wanted {
        let Some(tensor) = tensors.get(key) else { continue };
        if tensor.shape() != shape {
            return Err(WeightsError::Shape {
                key: key.clone(),
                expected: shape.clone(),
                actual: tensor.shape().to_vec(),
                resembles: None,
            });
        }
        values.insert(path.clone(), TensorData::new(numbers(key, tensor)?, shape.clone()));
    }
    Ok(net.map(&mut Replace {
        path: Path::default(),
        values,
    }))
}

/// Returns the keys that the file lacks and the keys that the network lacks, both in order.
fn difference(wanted: &Wanted, tensors: &Tensors<'_>) -> (Vec<String>, Vec<String>) {
    let wanted: BTreeSet<&str> = wanted.values().map(|(key, _)| key.as_str()).collect();
    let present: BTreeSet<&str> = tensors.keys().map(String::as_str).collect();
    let owned = |keys: Vec<&&str>| keys.into_iter().map(|key| (*key).to_owned()).collect();
    (
        owned(wanted.difference(&present).collect()),
        owned(present.difference(&wanted).collect()),
    )
}

fn numbers(key: &str, stored: &Stored<'_>) -> Result<Vec<f32>, WeightsError> {
    let Stored {
        numbers,
        scales: Some(scales),
    } = stored
    else {
        return floats(key, &stored.numbers);
    };
    let key_of_scales = scale_key(key);
    let outputs = numbers.shape().first().copied().unwrap_or_default();
    if scales.shape() != [outputs] || outputs == 0 {
        return Err(WeightsError::Shape {
            key: key_of_scales,
            expected: vec![outputs],
            actual: scales.shape().to_vec(),
            resembles: None,
        });
    }
    let scales = floats(&key_of_scales, scales)?;
    let data = numbers.data();
    let values: Vec<f32> = data
        .chunks((data.len() / outputs).max(1))
        .zip(&scales)
        .flat_map(|(output, scale)| output.iter().map(move |byte| f32::from(byte.cast_signed()) * scale))
        .collect();
    check(key, &values)?;
    Ok(values)
}

fn floats(key: &str, tensor: &TensorView<'_>) -> Result<Vec<f32>, WeightsError> {
    let data = tensor.data();
    let values: Vec<f32> = match tensor.dtype() {
        Dtype::F32 => data
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect(),
        Dtype::F16 => data
            .chunks_exact(2)
            .map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32())
            .collect(),
        Dtype::BF16 => data
            .chunks_exact(2)
            .map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f32())
            .collect(),
        Dtype::F64 => to_f32(key, data.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)))?,
        other => {
            return Err(WeightsError::Dtype {
                key: key.to_owned(),
                dtype: format!("{other:?}"),
            });
        }
    };
    check(key, &values)?;
    Ok(values)
}

struct Replace {
    path: Path,
    values: HashMap<String, TensorData>,
}

impl ModuleMapper for Replace {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(data) = self.values.remove(&self.path.fields().join(".")) else {
            return param;
        };
        debug_assert_eq!(file_shape(param.lazy_shape().to_vec()), data.shape().to_vec());
        // The tensor is made on the device without autodiff. `transform_for_load` restores the parameter's own context.
        let tensor = to_file_layout(Tensor::<D>::from_data(data, &param.lazy_device()));
        let id = param.id;
        param.transform_for_load(tensor, id)
    }

    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }
}
