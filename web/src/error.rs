//! Errors in the browser as JavaScript's `Error`.
//!
//! **Invariant:** every error has a stable code in the `name` of the `Error`. The worker decides by the code, not by the message,
//! whether to try another backend.

use shared::bundle::BundleError;
use shared::input::InputError;
use wasm_bindgen::JsValue;

/// Errors of [`crate::Model`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebError {
    /// There is no backend of the given name.
    #[error("there is no backend called {0:?}; use \"webgpu\" or \"cpu\"")]
    BackendUnknown(String),
    /// The small module has no WebGPU.
    #[error("this module was built without WebGPU; load selvedge-webgpu.js instead")]
    #[cfg_attr(
        feature = "webgpu",
        expect(dead_code, reason = "only the small module lacks a backend")
    )]
    BackendMissing,
    /// WebGPU did not start.
    #[error("WebGPU would not start ({0}); load the model with \"cpu\"")]
    #[cfg_attr(not(feature = "webgpu"), expect(dead_code, reason = "the small module opens no GPU"))]
    Device(String),
    /// The manifest or the weights are damaged, do not belong together, or belong to another task.
    #[error("the bundle cannot be used: {0}")]
    Bundle(#[from] BundleError),
    /// The pixels do not fit the given size.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The input was prepared for another model.
    #[error("the image was prepared for a model with another input; call intake() of this model")]
    OtherInput,
    /// The device failed during the computation.
    #[error("the device failed while computing ({0}); load the model again")]
    Inference(String),
    /// JSON could not be read or written.
    #[error("JSON could not be read or written ({0})")]
    Json(#[from] serde_json::Error),
}

impl WebError {
    /// Stable code, the `name` of the `Error` in JavaScript.
    fn code(&self) -> &'static str {
        match self {
            Self::BackendUnknown(_) => "backend_unknown",
            Self::BackendMissing => "backend_missing",
            Self::Device(_) => "device_failed",
            Self::Bundle(_) => "bundle_invalid",
            Self::Input(_) | Self::OtherInput => "input_invalid",
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
