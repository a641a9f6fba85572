//! The one place that names a backend.

use burn::tensor::Device;

use crate::error::WebError;

/// Backend that computes a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    /// The browser's GPU. The module must be built with the `webgpu` feature.
    WebGpu,
    /// This thread, with SIMD.
    Cpu,
}

impl Backend {
    /// Reads the name that JavaScript uses.
    ///
    /// # Errors
    /// [`WebError::BackendUnknown`] for any other name.
    pub(crate) fn parse(name: &str) -> Result<Self, WebError> {
        match name {
            "webgpu" => Ok(Self::WebGpu),
            "cpu" => Ok(Self::Cpu),
            other => Err(WebError::BackendUnknown(other.to_string())),
        }
    }

    /// The name that JavaScript uses.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::WebGpu => "webgpu",
            Self::Cpu => "cpu",
        }
    }

    /// Opens the device. WebGPU has to be awaited before the first tensor is made.
    ///
    /// # Errors
    /// [`WebError::Device`] where the browser gives no adapter or no device, [`WebError::BackendMissing`] in the small
    /// module.
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
