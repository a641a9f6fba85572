//! Backends of the browser. No other file names one.

use burn::tensor::Device;

use crate::error::WebError;

/// Backend that computes a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    /// The browser's GPU. It needs a module that was built with the feature `webgpu`.
    WebGpu,
    /// The CPU: one thread with SIMD.
    Cpu,
}

impl Backend {
    /// Parses the name that JavaScript uses.
    ///
    /// # Errors
    /// [`WebError::BackendUnknown`] if there is no such backend.
    pub(crate) fn parse(name: &str) -> Result<Self, WebError> {
        match name {
            "webgpu" => Ok(Self::WebGpu),
            "cpu" => Ok(Self::Cpu),
            other => Err(WebError::BackendUnknown(other.to_string())),
        }
    }

    /// Name that JavaScript uses.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::WebGpu => "webgpu",
            Self::Cpu => "cpu",
        }
    }

    /// Opens the device. WebGPU must be opened before the first tensor is made.
    ///
    /// # Errors
    /// [`WebError::Device`] if the browser has no adapter or no device, [`WebError::BackendMissing`] in the small module.
    pub(crate) async fn open(self) -> Result<Device, WebError> {
        match self {
            Self::Cpu => Ok(Device::flex()),
            Self::WebGpu => open_webgpu().await,
        }
    }
}

#[cfg(feature = "webgpu")]
async fn open_webgpu() -> Result<Device, WebError> {
    Device::wgpu_options()
        .init_async()
        .await
        .map_err(|error| WebError::Device(error.to_string()))
}

#[cfg(not(feature = "webgpu"))]
async fn open_webgpu() -> Result<Device, WebError> {
    Err(WebError::BackendMissing)
}
