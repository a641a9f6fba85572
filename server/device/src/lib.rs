//! Choice of the device that computes, and the kernels that Selvedge has for GPUs. **Invariant:** no other package names CUDA or the
//! CPU.

#[cfg(feature = "cuda")]
mod kernel;
mod strips;

pub use strips::{HAS_STRIPS, STRIP, STRIP_ROWS, STRIP_WIDTH, Strips};

use burn::tensor::{Device, Tensor};
use std::str::FromStr;

/// Computes the greatest of `product · scale · factor + error` of the rows of each strip, `[queries, rows / STRIP]`, where the product
/// is that of the codes and less than 2³¹ in magnitude; `None` on a device without the kernel.
///
/// # Panics
/// If the numbers of rows or codes are not the multiples that [`Strips`] requires.
pub fn strip_maxima(strips: &Strips<'_>) -> Option<Tensor<2>> {
    let [rows, width] = strips.codes.dims();
    assert!(
        rows % STRIP_ROWS == 0 && width % STRIP_WIDTH == 0,
        "the rows are padded"
    );
    #[cfg(feature = "cuda")]
    return kernel::maxima(strips);
    #[cfg(not(feature = "cuda"))]
    None
}

/// Value of `--device`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The first NVIDIA GPU, if the build supports CUDA and there is one; otherwise the CPU.
    #[default]
    Auto,
    /// The NVIDIA GPU with this index.
    Cuda(usize),
    /// The CPU.
    Cpu,
}

/// Error of opening a device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The name is unknown.
    #[error("'{0}' is not a device; use auto, cuda, cuda:N or cpu")]
    Unknown(String),
    /// The build does not support CUDA.
    #[error("this build has no CUDA support; build with `--features cuda`, or use --device cpu")]
    NoCuda,
    /// There is no such GPU.
    #[error("there is no NVIDIA GPU {index} ({found} found); check the driver with nvidia-smi, or use --device cpu")]
    NoGpu {
        /// Requested index.
        index: usize,
        /// Number of GPUs.
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
    /// Opens the device.
    ///
    /// # Errors
    /// If a GPU is requested that does not exist or is not supported. `auto` never fails.
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

/// Makes the CPU the default device of Burn. This must be called before the first thread starts.
///
/// Burn's default device follows from the compiled features, not from the hardware. With CUDA but without a GPU, everything on
/// the default device would panic, such as a resumed optimiser. All tensors of this project name their device.
#[allow(unsafe_code)] // setting an environment variable is only unsafe with several threads
pub fn prefer_cpu_as_default() {
    if std::env::var_os("BURN_DEVICE").is_none() {
        // SAFETY: `main` calls this first, while there is one thread.
        unsafe { std::env::set_var("BURN_DEVICE", "flex") };
    }
}

#[cfg(feature = "cuda")]
fn gpus() -> Vec<Device> {
    use burn::tensor::{DeviceFilter, DeviceType};
    // Listing the devices needs libcuda, which is missing without a driver. Some containers hide the driver's version.
    let signs = ["/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg"];
    if !signs.iter().any(|path| std::path::Path::new(path).exists()) {
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

/// Short name of a device for logs and reports.
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
    fn device_names_are_parsed() {
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
