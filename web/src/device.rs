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

    /// Opens the device, or returns the one that is open. WebGPU must be opened before the first tensor is made.
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
thread_local! {
    /// The GPU that was opened. All models of a module share it, because Burn opens a device once.
    static WEBGPU: std::cell::RefCell<Option<Device>> = const { std::cell::RefCell::new(None) };
}

#[cfg(feature = "webgpu")]
async fn open_webgpu() -> Result<Device, WebError> {
    if let Some(device) = WEBGPU.with_borrow(Clone::clone) {
        return Ok(device);
    }
    let device = Device::wgpu_options()
        .init_async()
        .await
        .map_err(|error| WebError::Device(error.to_string()))?;
    WEBGPU.set(Some(device.clone()));
    Ok(device)
}

#[cfg(not(feature = "webgpu"))]
async fn open_webgpu() -> Result<Device, WebError> {
    Err(WebError::BackendMissing)
}
