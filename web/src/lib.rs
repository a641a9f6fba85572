//! Selvedge in the browser: the functions that JavaScript calls.
//!
//! The module runs in a Web Worker (`www/app/worker.js`). All models of a page are in one module and share its device.
//!
//! **Invariant:** the module does not use the network. The worker passes the manifest, the weights and the pixels, and receives
//! tags or an embedding.

mod console;
mod device;
mod error;
mod model;

use shared::input::{self, CropBox, InputSpec, Pixels, saliency};
use wasm_bindgen::prelude::*;

use crate::error::WebError;

/// Installs the panic hook and the console logger. wasm-bindgen calls it once when the module starts.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
    console::install();
}

/// Preparation of one image for a model: crop, resize and normalisation, with the same bits as on the server.
///
/// The image arrives in strips, so that a large one is never in the module's memory as a whole. Each strip has whole rows of
/// [`window`](Self::window), from the top, 4 bytes per pixel. Transparent pixels are blended with white.
#[wasm_bindgen]
pub struct Intake(input::Intake);

#[wasm_bindgen]
impl Intake {
    /// Begins the input of an image of `width × height` pixels.
    ///
    /// `spec_json` is the `input` of a bundle's manifest. `crop_json` is a crop box `{x, y, width, height}` in pixels, or
    /// undefined for the whole image.
    ///
    /// # Errors
    /// An `Error` whose `name` is `input_invalid`, or `inference_failed` if `spec_json` or `crop_json` is not as described.
    #[wasm_bindgen(constructor)]
    pub fn new(spec_json: &str, width: usize, height: usize, crop_json: Option<String>) -> Result<Intake, JsValue> {
        let spec: InputSpec = serde_json::from_str(spec_json).map_err(WebError::from)?;
        spec.check().map_err(WebError::from)?;
        let intake = spec.intake((width, height), parse_box(crop_json)?);
        Ok(Self(intake.map_err(WebError::from)?))
    }

    /// Begins the thumbnail of an image of `width × height` pixels for [`propose_box`].
    ///
    /// # Errors
    /// An `Error` whose `name` is `input_invalid` if the image has no pixels.
    #[wasm_bindgen(js_name = forSubject)]
    pub fn for_subject(width: usize, height: usize) -> Result<Intake, JsValue> {
        Ok(Self(saliency::intake((width, height)).map_err(WebError::from)?))
    }

    /// Part of the image that is needed: `[x, y, width, height]` in pixels. Only this part is pushed.
    pub fn window(&self) -> Vec<u32> {
        let CropBox { x, y, width, height } = self.0.window();
        vec![x, y, width, height]
    }

    /// Adds the next rows of the window.
    ///
    /// # Errors
    /// An `Error` whose `name` is `input_invalid` if the bytes are not whole rows, or are more rows than the window still lacks.
    pub fn push(&mut self, rgba: &[u8]) -> Result<(), JsValue> {
        let width = self.0.window().width as usize;
        let strip = Pixels::new(rgba, width, rgba.len() / (4 * width), 4).map_err(WebError::from)?;
        Ok(self.0.push(strip).map_err(WebError::from)?)
    }

    /// Returns the input, `[3, height, width]` in row-major order, for pages that run a model of their own.
    ///
    /// # Errors
    /// An `Error` whose `name` is `input_invalid` if rows of the window are missing.
    pub fn values(self) -> Result<Vec<f32>, JsValue> {
        Ok(self.0.finish().map_err(WebError::from)?)
    }
}

fn parse_box(json: Option<String>) -> Result<Option<CropBox>, WebError> {
    Ok(json.map(|json| serde_json::from_str(&json)).transpose()?)
}

/// Returns a crop box `{x, y, width, height}` in pixels, as JSON, around the subject of a photo. Returns undefined if nothing
/// stands out. [`Intake::for_subject`] began the photo.
///
/// # Errors
/// An `Error` whose `name` is `input_invalid` if rows of the photo are missing.
#[wasm_bindgen(js_name = proposeBox)]
pub fn propose_box(photo: Intake) -> Result<Option<String>, JsValue> {
    let found = saliency::propose_from(photo.0).map_err(WebError::from)?;
    let json = |found| serde_json::to_string(&found).map_err(WebError::from);
    Ok(found.map(json).transpose()?)
}

/// A model for garment photos on WebGPU or on the CPU: a style classifier, a query encoder or a segmentation network.
#[wasm_bindgen]
pub struct Model(model::Model);

#[wasm_bindgen]
impl Model {
    /// Builds the model from a bundle.
    ///
    /// `manifest_json` is the bundle's `bundle.json`. `weights` is the safetensors file that it names. `backend` is `"webgpu"`
    /// or `"cpu"`.
    ///
    /// # Errors
    /// An `Error` whose `name` is a stable code. `backend_unknown` and `backend_missing` are about `backend`. `device_failed`:
    /// WebGPU did not start, and the CPU can be used. `bundle_invalid`: the manifest or the weights are damaged, do not belong
    /// together, or belong to a model that browsers do not run.
    pub async fn load(manifest_json: String, weights: Vec<u8>, backend: String) -> Result<Model, JsValue> {
        Ok(Self(model::Model::load(&manifest_json, &weights, &backend).await?))
    }

    /// Begins the input of this model for a photo of `width × height` pixels. `crop_json` is a crop box
    /// `{x, y, width, height}` in pixels, or undefined for the whole photo.
    ///
    /// # Errors
    /// An `Error` whose `name` is `input_invalid` if the photo or the box is empty or the box is not inside the photo, or
    /// `inference_failed` if `crop_json` is not a crop box.
    pub fn intake(&self, width: usize, height: usize, crop_json: Option<String>) -> Result<Intake, JsValue> {
        Ok(Intake(self.0.intake((width, height), parse_box(crop_json)?)?))
    }

    /// Tags one photo. [`intake`](Self::intake) of this model began it.
    ///
    /// Resolves to an array with all labels, most probable first: `{id, group, prob, threshold, precise, on, stated}`. `group` is
    /// the name of the label's group. `prob` and `threshold` are in 0..=1. `on` is true if `prob` reaches the threshold.
    /// `precise` is the threshold of high precision in 0..=1, or null if the bundle states none. `stated` is true if `prob`
    /// reaches it. Of labels that exclude each other, only the most probable one is on or stated.
    ///
    /// # Errors
    /// An `Error` whose `name` is `input_invalid` if rows of the photo are missing, `bundle_invalid` if the model is a query
    /// encoder, or `inference_failed` if the device fails.
    pub async fn tag(&self, photo: Intake) -> Result<JsValue, JsValue> {
        let tags = self.0.tag(photo.0).await?;
        let json = serde_json::to_string(&tags).map_err(WebError::from)?;
        js_sys::JSON::parse(&json)
    }

    /// Embeds one photo, in the form of [`tag`](Self::tag).
    ///
    /// Resolves to a `Float32Array` of unit length. A search sends it with [`model_id`](Self::model_id).
    ///
    /// # Errors
    /// As [`tag`](Self::tag), but `bundle_invalid` if the model is a style classifier.
    pub async fn embed(&self, photo: Intake) -> Result<js_sys::Float32Array, JsValue> {
        let embedding = self.0.embed(photo.0).await?;
        Ok(js_sys::Float32Array::from(embedding.values()))
    }

    /// Finds the pieces of the outfit in one photo, in the form of [`tag`](Self::tag).
    ///
    /// Resolves to `{pieces: [{class, box: {x, y, width, height}, share, score}], person}`, largest piece first. Boxes are in
    /// pixels. `share` of the photo and `score` are in 0..=1. `person` is a box, or undefined if the photo shows no person.
    ///
    /// # Errors
    /// As [`tag`](Self::tag), but `bundle_invalid` if the model is not a segmentation network.
    pub async fn pieces(&self, photo: Intake) -> Result<JsValue, JsValue> {
        let outfit = self.0.pieces(photo.0).await?;
        let json = serde_json::to_string(&outfit).map_err(WebError::from)?;
        js_sys::JSON::parse(&json)
    }

    /// Returns the share of each class of an outfit in a photo's map, in the form of [`tag`](Self::tag). Pages compare the values
    /// of two backends.
    ///
    /// # Errors
    /// As [`pieces`](Self::pieces).
    pub async fn shares(&self, photo: Intake) -> Result<js_sys::Float32Array, JsValue> {
        let shares = self.0.shares(photo.0).await?;
        Ok(js_sys::Float32Array::from(&shares[..]))
    }

    /// Backend that computes the model: `"webgpu"` or `"cpu"`.
    pub fn backend(&self) -> String {
        self.0.backend().to_string()
    }

    /// Id of the model, as on the server: `id@` and the first 12 hexadecimal digits of the weights' SHA-256.
    #[wasm_bindgen(js_name = modelId)]
    pub fn model_id(&self) -> String {
        self.0.model_id()
    }

    /// Frees the weights and the device's buffers. The object cannot be used afterwards.
    pub fn dispose(self) {}
}
