//! Errors of reading and writing weights.

use half::f16;
use std::fmt;

/// Errors of reading or writing weights.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WeightsError {
    /// The file is not a safetensors file, or it is truncated.
    #[error("the weights are not a readable safetensors file: {0}")]
    Format(String),
    /// The file lacks keys of the network, or it has keys that the network lacks.
    #[error(
        "the weights belong to another network: missing {}, unexpected {}{}",
        list(.missing), list(.unexpected), hint(.resembles.as_ref())
    )]
    Keys {
        /// Keys of the network that the file lacks.
        missing: Vec<String>,
        /// Keys of the file that the network lacks.
        unexpected: Vec<String>,
        /// Backbone whose pretrained weights the file seems to hold.
        resembles: Option<Resemblance>,
    },
    /// A tensor has another shape than the parameter.
    #[error(
        "'{key}' has shape {actual:?} in the file and {expected:?} in the network{}", hint(.resembles.as_ref())
    )]
    Shape {
        /// Name of the parameter.
        key: String,
        /// Shape in the network.
        expected: Vec<usize>,
        /// Shape in the file.
        actual: Vec<usize>,
        /// Backbone whose pretrained weights the file seems to hold.
        resembles: Option<Resemblance>,
    },
    /// The numbers are not f64, f32, f16, bf16, or int8 with scales.
    #[error("'{key}' is stored as {dtype}; convert the file to f32 or f16")]
    Dtype {
        /// Name of the parameter.
        key: String,
        /// Type of the numbers in the file.
        dtype: String,
    },
    /// A value is NaN or infinite.
    #[error("'{key}' holds a value that is not finite; the file is damaged or the training diverged")]
    NotFinite {
        /// Name of the parameter.
        key: String,
    },
    /// A running variance is below 0, so that its square root is NaN.
    #[error("'{key}' holds the variance {value}, and no variance is below 0; the file is damaged")]
    NegativeVariance {
        /// Name of the parameter.
        key: String,
        /// The first such value.
        value: String,
    },
    /// A finite value is outside the range of the number type to convert it to.
    #[error("'{key}' holds {value}, and {precision} stores at most {limit}")]
    Range {
        /// Name of the parameter.
        key: String,
        /// The first such value.
        value: String,
        /// Name of the number type.
        precision: &'static str,
        /// Largest value of the number type.
        limit: String,
    },
}

impl WeightsError {
    /// Returns the error of a value outside the range of `precision`.
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

/// A backbone whose parameters are similar to those of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resemblance {
    /// Name in the registry of backbones.
    pub backbone: &'static str,
    /// True if the batch norms are folded, as in a bundle.
    pub folded: bool,
}

impl fmt::Display for Resemblance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { backbone, folded } = self;
        if *folded {
            write!(
                f,
                "these look like {backbone}'s weights from a bundle, whose batch norms are folded and cannot be trained; \
                 take best.safetensors of the run that the bundle came from"
            )
        } else {
            write!(
                f,
                "these look like {backbone}'s weights; set backbone = \"{backbone}\" or take another file"
            )
        }
    }
}
