//! Reading a network's parameters from safetensors, strictly.

use super::check::{check, to_f32};
use super::resemble::{Resemblance, resemblance};
use super::{Path, TorchKeys, file_shape, to_file_layout, walk};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};
use half::{bf16, f16};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Why weights do not fit a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WeightsError {
    /// Not a safetensors file, or a truncated one.
    #[error("the weights are not a readable safetensors file: {0}")]
    Format(String),
    /// Keys of the network that the file lacks, or keys of the file that the network lacks.
    #[error(
        "the weights belong to another network: missing {}, unexpected {}{}",
        list(.missing), list(.unexpected), hint(.resembles.as_ref())
    )]
    Keys {
        /// In the network, not in the file.
        missing: Vec<String>,
        /// In the file, not in the network.
        unexpected: Vec<String>,
        /// Backbone that the file would fit, if it has pretrained weights.
        resembles: Option<Resemblance>,
    },
    /// A tensor of another shape.
    #[error(
        "'{key}' has shape {actual:?} in the file and {expected:?} in the network{}", hint(.resembles.as_ref())
    )]
    Shape {
        /// The parameter.
        key: String,
        /// Shape in the network.
        expected: Vec<usize>,
        /// Shape in the file.
        actual: Vec<usize>,
        /// Backbone that the file would fit, if it has pretrained weights.
        resembles: Option<Resemblance>,
    },
    /// None of f64, f32, f16 and bf16.
    #[error("'{key}' is stored as {dtype}; convert the file to f32 or f16")]
    Dtype {
        /// The parameter.
        key: String,
        /// Its type in the file.
        dtype: String,
    },
    /// NaN or infinite.
    #[error("'{key}' holds a value that is not finite; the file is damaged or the training diverged")]
    NotFinite {
        /// The parameter.
        key: String,
    },
    /// A running variance below 0, whose square root is NaN.
    #[error("'{key}' holds the variance {value}, and no variance is below 0; the file is damaged")]
    NegativeVariance {
        /// The parameter.
        key: String,
        /// The first such value.
        value: String,
    },
    /// A finite value that another number type would make infinite.
    #[error("'{key}' holds {value}, and {precision} stores at most {limit}")]
    Range {
        /// The parameter.
        key: String,
        /// The first such value.
        value: String,
        /// The number type.
        precision: &'static str,
        /// Its largest value.
        limit: String,
    },
}

impl WeightsError {
    pub(super) fn range(key: &str, value: f64, precision: &'static str) -> Self {
        let limit = if precision == "f16" {
            f16::MAX.to_string()
        } else {
            format!("{:e}", f32::MAX)
        };
        let value = if value.abs() < 1e9 {
            value.to_string()
        } else {
            format!("{value:e}")
        };
        Self::Range {
            key: key.to_owned(),
            value,
            precision,
            limit,
        }
    }
}

fn hint(resembles: Option<&Resemblance>) -> String {
    resembles.map_or_else(String::new, |resembles| format!("\nhint: {resembles}"))
}

fn list(keys: &[String]) -> String {
    match keys {
        [] => "nothing".to_owned(),
        keys => {
            let shown: Vec<_> = keys.iter().take(6).map(|key| format!("'{key}'")).collect();
            let rest = keys.len() - shown.len();
            let more = if rest > 0 {
                format!(" and {rest} more")
            } else {
                String::new()
            };
            format!("{}{more}", shown.join(", "))
        }
    }
}

/// Choice of a network's parameters that a file must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All of them, and no others: files written by [`save`](super::save).
    Whole,
    /// Those of the backbone: pretrained files, torchvision's, timm's or a run's, whose own head, auxiliary classifiers
    /// and counters of batches are ignored.
    Pretrained,
}

/// `net` with its parameters replaced by those of the file.
///
/// # Errors
/// [`WeightsError`], before anything of `net` has changed.
pub fn load<M: Module + TorchKeys>(net: M, bytes: &[u8], scope: Scope) -> Result<M, WeightsError> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| WeightsError::Format(error.to_string()))?;
    let mut tensors: BTreeMap<String, TensorView<'_>> = file
        .iter()
        .filter(|(name, _)| !name.ends_with("num_batches_tracked"))
        .map(|(k, v)| (k.to_owned(), v))
        .collect();
    if scope == Scope::Pretrained {
        tensors = backbone(tensors);
    }
    let wanted = wanted(&net, scope);
    let resembles = || {
        if scope == Scope::Whole {
            return None;
        }
        let parameters = tensors
            .iter()
            .map(|(key, tensor)| (key.clone(), tensor.shape().to_vec()))
            .collect();
        resemblance(
            &parameters,
            wanted.values(),
            &net.devices().into_iter().next().unwrap_or_default(),
        )
    };
    let (missing, unexpected) = difference(&wanted, &tensors);
    if !missing.is_empty() || !unexpected.is_empty() {
        return Err(WeightsError::Keys {
            missing,
            unexpected,
            resembles: resembles(),
        });
    }

    let mut values = HashMap::new();
    for (path, (key, shape)) in &wanted {
        let Some(tensor) = tensors.get(key) else { continue };
        if tensor.shape() != shape {
            let (expected, actual) = (shape.clone(), tensor.shape().to_vec());
            return Err(WeightsError::Shape {
                key: key.clone(),
                expected,
                actual,
                resembles: resembles(),
            });
        }
        values.insert(path.clone(), TensorData::new(numbers(key, tensor)?, shape.clone()));
    }
    Ok(net.map(&mut Replace {
        path: Path::default(),
        values,
    }))
}

/// Path of fields → key and shape in the file.
fn wanted<M: Module + TorchKeys>(net: &M, scope: Scope) -> HashMap<String, (String, Vec<usize>)> {
    let mut wanted = HashMap::new();
    walk(net, |fields, shape, _| {
        let key = match scope {
            Scope::Whole => Some(net.torch_key(fields)),
            Scope::Pretrained => net.pretrained_key(fields),
        };
        if let Some(key) = key {
            wanted.insert(fields.join("."), (key, shape));
        }
    });
    wanted
}

/// Prefixes of heads (ours, torchvision's and timm's) and of auxiliary classifiers.
const HEADS: [&str; 9] = [
    "fc.",
    "classifier.",
    "last_linear.",
    "AuxLogits.",
    "head.",
    "parts.",
    "branches.",
    "attention.",
    "exponents",
];

/// Without heads; a retrieval network's first copy of the last stage counts as the last stage.
fn backbone<'a>(tensors: BTreeMap<String, TensorView<'a>>) -> BTreeMap<String, TensorView<'a>> {
    tensors
        .into_iter()
        .map(|(key, tensor)| (today(key.strip_prefix("branches.0.").unwrap_or(&key)), tensor))
        .filter(|(key, _)| !HEADS.iter().any(|head| key.starts_with(head)))
        .collect()
}

/// The key as torchvision has it today: its files of DenseNets still say `denselayer1.norm.1` for `denselayer1.norm1`.
fn today(key: &str) -> String {
    match key.split_once(".denselayer") {
        Some((block, layer)) => {
            let layer = layer.replacen(".norm.", ".norm", 1).replacen(".conv.", ".conv", 1);
            format!("{block}.denselayer{layer}")
        }
        None => key.to_owned(),
    }
}

/// Keys that the network has and the file lacks, and the other way round, in order.
fn difference(
    wanted: &HashMap<String, (String, Vec<usize>)>,
    tensors: &BTreeMap<String, TensorView<'_>>,
) -> (Vec<String>, Vec<String>) {
    let wanted: BTreeSet<&str> = wanted.values().map(|(key, _)| key.as_str()).collect();
    let present: BTreeSet<&str> = tensors.keys().map(String::as_str).collect();
    let owned = |keys: Vec<&&str>| keys.into_iter().map(|key| (*key).to_owned()).collect();
    (
        owned(wanted.difference(&present).collect()),
        owned(present.difference(&wanted).collect()),
    )
}

fn numbers(key: &str, tensor: &TensorView<'_>) -> Result<Vec<f32>, WeightsError> {
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
        // Made on the device without autodiff context first; `transform_for_load` restores the parameter's own.
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
