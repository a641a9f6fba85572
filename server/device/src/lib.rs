//! Which processor computes: the only file that names CUDA or the CPU.

use burn::tensor::Device;
use std::str::FromStr;

/// What `--device` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The first NVIDIA GPU if this build can use one and there is one, else the CPU.
    #[default]
    Auto,
    /// NVIDIA GPU of this index.
    Cuda(usize),
    /// The CPU.
    Cpu,
}

/// Why a device cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// Not a known name.
    #[error("'{0}' is no device; use auto, cuda, cuda:N or cpu")]
    Unknown(String),
    /// A build without CUDA.
    #[error("this build has no CUDA support; build with `--features cuda`, or use --device cpu")]
    NoCuda,
    /// No such GPU.
    #[error("there is no NVIDIA GPU {index} ({found} found); check the driver with nvidia-smi, or use --device cpu")]
    NoGpu {
        /// The index asked for.
        index: usize,
        /// How many there are.
        found: usize,
    },
}

impl FromStr for DeviceChoice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            other => other
                .strip_prefix("cuda:")
                .and_then(|index| index.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| DeviceError::Unknown(other.to_owned())),
        }
    }
}

impl std::fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl DeviceChoice {
    /// The device to compute on.
    ///
    /// # Errors
    /// [`DeviceError`] if a GPU is asked for and cannot be had; `auto` never fails.
    pub fn open(self) -> Result<Device, DeviceError> {
        match self {
            Self::Cpu => Ok(Device::flex()),
            Self::Auto => Ok(gpus().into_iter().next().unwrap_or_else(Device::flex)),
            Self::Cuda(_) if cfg!(not(feature = "cuda")) => Err(DeviceError::NoCuda),
            Self::Cuda(index) => {
                let gpus = gpus();
                let found = gpus.len();
                gpus.into_iter().nth(index).ok_or(DeviceError::NoGpu { index, found })
            }
        }
    }
}

/// Makes the CPU Burn's default device. Call it first thing, before any thread starts.
///
/// Burn's default follows the compiled features, not the hardware: with CUDA compiled in and no GPU, whatever it puts on
/// the default device (a resumed optimiser, for one) would panic. Every tensor here names its device anyway.
#[allow(unsafe_code)] // environment variables are only unsafe to set once there are threads
pub fn prefer_cpu_as_default() {
    if std::env::var_os("BURN_DEVICE").is_none() {
        // SAFETY: called at the start of `main`, when this is the only thread.
        unsafe { std::env::set_var("BURN_DEVICE", "flex") };
    }
}

#[cfg(feature = "cuda")]
fn gpus() -> Vec<Device> {
    use burn::tensor::{DeviceFilter, DeviceType};
    // Asking CUDA for its devices needs libcuda; without a driver there is nothing to ask.
    if !std::path::Path::new("/proc/driver/nvidia/version").exists() {
        return Vec::new();
    }
    Device::enumerate(DeviceFilter::new().with(DeviceType::Cuda))
        .into_iter()
        .collect()
}

#[cfg(not(feature = "cuda"))]
fn gpus() -> Vec<Device> {
    Vec::new()
}

/// A short name for logs and reports.
pub fn name(device: &Device) -> String {
    let text = format!("{device:?}");
    if text.to_ascii_lowercase().contains("cuda") {
        text
    } else {
        "cpu".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (text, choice) in [
            ("auto", Some(DeviceChoice::Auto)),
            ("cpu", Some(DeviceChoice::Cpu)),
            ("cuda", Some(DeviceChoice::Cuda(0))),
            ("cuda:3", Some(DeviceChoice::Cuda(3))),
            ("cuda:x", None),
            ("gpu", None),
        ] {
            assert_eq!(text.parse().ok(), choice, "{text}");
        }
        assert!(DeviceChoice::Auto.open().is_ok());
    }
}
