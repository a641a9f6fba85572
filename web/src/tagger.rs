//! Manifest + weights + pixels → tags.

use burn::tensor::{Device, Tensor, TensorData};
use shared::bundle::{self, Manifest};
use shared::input::Pixels;
use shared::model::StyleNet;
use shared::score::{self, Tag};

use crate::device::Backend;
use crate::error::WebError;

/// Bytes a pixel: canvases hand out RGBA.
const CHANNELS: usize = 4;

/// A style classifier on one device.
pub(crate) struct Tagger {
    manifest: Manifest,
    net: StyleNet,
    device: Device,
    backend: Backend,
}

impl Tagger {
    /// Checks the bundle, opens the device and builds the network.
    ///
    /// # Errors
    /// Any [`WebError`] but [`WebError::Input`].
    pub(crate) async fn load(manifest_json: &str, weights: &[u8], backend: &str) -> Result<Self, WebError> {
        let backend = Backend::parse(backend)?;
        let manifest = Manifest::from_json(manifest_json.as_bytes())?;
        let device = backend.open().await?;
        let net = bundle::load_style(&manifest, weights, &device)?;
        Ok(Self { manifest, net, device, backend })
    }

    /// Tags one photo of `height × width × 4` bytes; all labels, most probable first.
    ///
    /// # Errors
    /// [`WebError::Input`] where the bytes do not fit the size, [`WebError::Inference`] where the device fails or
    /// answers with something that is not a number.
    pub(crate) async fn tag(&self, rgba: &[u8], width: usize, height: usize) -> Result<Vec<Tag>, WebError> {
        let Manifest { input, labels, thresholds, .. } = &self.manifest;
        let chw = input.to_chw(Pixels::new(rgba, width, height, CHANNELS)?, None)?;
        let data = TensorData::new(chw, [1, 3, input.height, input.width]);
        let x = Tensor::<4>::from_data(data, &self.device); // [1, 3, h, w]
        let logits = self.net.forward(x); // [1, labels]
        // Only the asynchronous read works in a browser: the GPU can't be waited for on a thread that may not block.
        let data = logits.into_data_async().await.map_err(|error| WebError::Inference(error.to_string()))?;
        let logits: Vec<f32> = data.try_to_vec().map_err(|error| WebError::Inference(error.to_string()))?;
        if logits.len() != labels.len() || logits.iter().any(|logit| !logit.is_finite()) {
            return Err(WebError::Inference("the answer is not one number a label".to_owned()));
        }
        Ok(score::tags(labels, &logits, thresholds))
    }

    /// The backend's name.
    pub(crate) fn backend(&self) -> &'static str {
        self.backend.id()
    }

    /// The model's identity.
    pub(crate) fn model_id(&self) -> String {
        self.manifest.model_id()
    }
}
