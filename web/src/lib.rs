//! Selvedge in the browser: what JavaScript may call, and nothing else.
//!
//! Runs inside a Web Worker (`www/app/worker.js`), one model a worker. **Invariant:** nothing here touches the network: the
//! worker hands in the manifest, the weights and the pixels, and gets tags or an embedding back.

mod console;
mod device;
mod error;
mod model;

use shared::input::{InputSpec, Pixels, saliency};
use wasm_bindgen::prelude::*;

use crate::error::WebError;

/// Installs the panic hook and the console logger; wasm-bindgen calls it once when the module starts.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
    console::install();
}

/// Crops, resizes and normalises pixels exactly as the models do, for whoever runs a model of their own on them.
///
/// `spec_json` is the `input` of a bundle's manifest; `crop_json` a box `{x, y, width, height}` in pixels, or nothing for
/// the whole picture. Returns `[3, height, width]` in row-major order, the same bits as the server's.
///
/// # Errors
/// An `Error` whose `name` is `input_invalid`, or `inference_failed` if `spec_json` or `crop_json` is not as described.
#[wasm_bindgen]
pub fn prepare(
    spec_json: &str,
    pixels: &[u8],
    width: usize,
    height: usize,
    channels: usize,
    crop_json: Option<String>,
) -> Result<Vec<f32>, JsValue> {
    let spec: InputSpec = serde_json::from_str(spec_json).map_err(WebError::from)?;
    let crop = crop_json
        .map(|json| serde_json::from_str(&json))
        .transpose()
        .map_err(WebError::from)?;
    let pixels = Pixels::new(pixels, width, height, channels).map_err(WebError::from)?;
    Ok(spec.to_chw(pixels, crop).map_err(WebError::from)?)
}

/// A box `{x, y, width, height}` in pixels, as JSON, around what stands out in a photo; nothing where nothing does.
///
/// # Errors
/// An `Error` whose `name` is `input_invalid`, if the pixels do not fit the size.
#[wasm_bindgen(js_name = proposeBox)]
pub fn propose_box(rgba: &[u8], width: usize, height: usize) -> Result<Option<String>, JsValue> {
    let pixels = Pixels::new(rgba, width, height, 4).map_err(WebError::from)?;
    let json = |found| serde_json::to_string(&found).map_err(WebError::from);
    Ok(saliency::propose(pixels).map(json).transpose()?)
}

/// A model of a garment photo, on WebGPU or on the CPU: a style classifier names its tags, a query encoder embeds it to be
/// searched with.
#[wasm_bindgen]
pub struct Model(model::Model);

#[wasm_bindgen]
impl Model {
    /// Builds the model from a bundle.
    ///
    /// `manifest_json` is the bundle's `bundle.json`, `weights` the safetensors file it names, `backend` is `"webgpu"` or
    /// `"cpu"`.
    ///
    /// # Errors
    /// An `Error` whose `name` is a stable code: `backend_unknown`, `backend_missing`, `device_failed` (WebGPU would not
    /// start: use the CPU), `bundle_invalid` (the manifest or the weights are damaged, do not belong together, or are of a
    /// model that no browser runs).
    pub async fn load(manifest_json: String, weights: Vec<u8>, backend: String) -> Result<Model, JsValue> {
        Ok(Self(model::Model::load(&manifest_json, &weights, &backend).await?))
    }

    /// Tags one photo: `rgba` holds `height × width × 4` bytes, rows from the top.
    /// Transparent pixels count as seen on white.
    ///
    /// Resolves to an array over all labels, most probable first: `{id, prob, threshold, precise, on}`, `prob` and
    /// `threshold` in 0..=1, `on` where `prob` reaches the threshold. `precise` is the threshold in 0..=1 at which the label
    /// is seldom wrong, or null where the bundle states none.
    ///
    /// # Errors
    /// An `Error` whose `name` is `input_invalid` (the pixels do not fit the size), `inference_failed`, or `bundle_invalid`
    /// where the model is a query encoder.
    pub async fn tag(&self, rgba: Vec<u8>, width: usize, height: usize) -> Result<JsValue, JsValue> {
        let tags = self.0.tag(&rgba, width, height).await?;
        let json = serde_json::to_string(&tags).map_err(WebError::from)?;
        js_sys::JSON::parse(&json)
    }

    /// Embeds one photo, given as to [`tag`](Self::tag), or the box `{x, y, width, height}` of it in pixels that
    /// `crop_json` holds.
    ///
    /// Resolves to a `Float32Array` of unit length, to be sent with [`model_id`](Self::model_id).
    ///
    /// # Errors
    /// As [`tag`](Self::tag), where the model is a style classifier; `inference_failed` also if `crop_json` is no box.
    pub async fn embed(
        &self,
        rgba: Vec<u8>,
        width: usize,
        height: usize,
        crop_json: Option<String>,
    ) -> Result<js_sys::Float32Array, JsValue> {
        let crop = crop_json
            .map(|json| serde_json::from_str(&json))
            .transpose()
            .map_err(WebError::from)?;
        let embedding = self.0.embed(&rgba, width, height, crop).await?;
        Ok(js_sys::Float32Array::from(embedding.values()))
    }

    /// The backend that runs: `"webgpu"` or `"cpu"`.
    pub fn backend(&self) -> String {
        self.0.backend().to_string()
    }

    /// The model's identity, as the server writes it: `id@first 12 hex digits of the weights' sha256`.
    #[wasm_bindgen(js_name = modelId)]
    pub fn model_id(&self) -> String {
        self.0.model_id()
    }

    /// Frees the weights and the device's buffers; the object can't be used afterwards.
    pub fn dispose(self) {}
}
