//! Errors in the browser, as JavaScript sees them.
//!
//! **Invariant:** every error has a stable code in the `Error`'s `name`; the worker decides by it whether another backend
//! could help, never by the message.

use shared::bundle::BundleError;
use shared::input::InputError;
use wasm_bindgen::JsValue;

/// A failure of [`crate::Model`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebError {
    /// The caller named a backend that does not exist.
    #[error("there is no backend called {0:?}; use \"webgpu\" or \"cpu\"")]
    BackendUnknown(String),
    /// The small module was asked for WebGPU.
    #[error("this module was built without WebGPU; load selvedge-webgpu.js instead")]
    #[cfg_attr(
        feature = "webgpu",
        expect(dead_code, reason = "only the small module lacks a backend")
    )]
    BackendMissing,
    /// WebGPU would not start.
    #[error("WebGPU would not start ({0}); load the model with \"cpu\"")]
    #[cfg_attr(not(feature = "webgpu"), expect(dead_code, reason = "the small module opens no GPU"))]
    Device(String),
    /// The manifest or the weights are damaged, or one does not belong to the other.
    #[error("the bundle cannot be used: {0}")]
    Bundle(#[from] BundleError),
    /// The pixels do not fit the size they came with.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The device failed while computing.
    #[error("the device failed while computing ({0}); load the model again")]
    Inference(String),
    /// JSON that came in is not as described, or the result would not become JSON.
    #[error("JSON could not be read or written ({0})")]
    Json(#[from] serde_json::Error),
}

impl WebError {
    /// The stable code, as JavaScript finds it in the error's `name`.
    fn code(&self) -> &'static str {
        match self {
            Self::BackendUnknown(_) => "backend_unknown",
            Self::BackendMissing => "backend_missing",
            Self::Device(_) => "device_failed",
            Self::Bundle(_) => "bundle_invalid",
            Self::Input(_) => "input_invalid",
            Self::Inference(_) | Self::Json(_) => "inference_failed",
        }
    }
}

impl From<WebError> for JsValue {
    fn from(error: WebError) -> Self {
        let js = js_sys::Error::new(&error.to_string());
        js.set_name(error.code());
        js.into()
    }
}
