//! A model in the browser: tags or an embedding from a manifest, weights and pixels.

use burn::tensor::{Device, Tensor, TensorData};
use shared::bundle::{self, BundleError, Manifest};
use shared::embedding::Embedding;
use shared::input::{CropBox, Pixels};
use shared::model::{Architecture, QueryNet};
use shared::score::Tag;

use crate::device::Backend;
use crate::error::WebError;

/// Bytes per pixel. Canvases return RGBA.
const CHANNELS: usize = 4;

/// A style classifier, a query encoder or a retrieval network on one device. All turn an image into one row of numbers.
pub(crate) struct Model {
    manifest: Manifest,
    net: QueryNet,
    device: Device,
    backend: Backend,
}

impl Model {
    /// Checks the bundle, opens the device and builds the network.
    ///
    /// # Errors
    /// [`WebError`] if the backend or the bundle cannot be used.
    pub(crate) async fn load(manifest_json: &str, weights: &[u8], backend: &str) -> Result<Self, WebError> {
        let backend = Backend::parse(backend)?;
        let manifest = Manifest::from_json(manifest_json.as_bytes())?;
        let device = backend.open().await?;
        let net = match &manifest.architecture {
            Architecture::Query(_) => bundle::load_query(&manifest, weights, &device)?,
            Architecture::Retrieval(_) => bundle::load_single_retrieval(&manifest, weights, &device)?.into(),
            _ => bundle::load_style(&manifest, weights, &device)?.into(),
        };
        Ok(Self {
            manifest,
            net,
            device,
            backend,
        })
    }

    /// Tags one photo of `height × width × 4` bytes. Returns all labels, most probable first.
    ///
    /// # Errors
    /// [`WebError::Bundle`] if the model is a query encoder, [`WebError::Input`] if the bytes do not fit the size,
    /// [`WebError::Inference`] if the device fails or a result is not a finite number.
    pub(crate) async fn tag(&self, rgba: &[u8], width: usize, height: usize) -> Result<Vec<Tag>, WebError> {
        let pixels = Pixels::new(rgba, width, height, CHANNELS)?;
        let logits = self.run(&["style"], self.manifest.labels.len(), pixels, None).await?;
        Ok(self.manifest.tags(&logits))
    }

    /// Embeds one photo of `height × width × 4` bytes, or its crop box `crop`.
    ///
    /// # Errors
    /// As [`tag`](Self::tag), but [`WebError::Bundle`] if the model is a style classifier.
    pub(crate) async fn embed(
        &self,
        rgba: &[u8],
        width: usize,
        height: usize,
        crop: Option<CropBox>,
    ) -> Result<Embedding, WebError> {
        let pixels = Pixels::new(rgba, width, height, CHANNELS)?;
        let values = self
            .run(&["query", "retrieval"], self.manifest.embedding_dim, pixels, crop)
            .await?;
        Embedding::new(self.manifest.space(), values).map_err(|error| WebError::Inference(error.to_string()))
    }

    /// Computes the `outputs` finite numbers of a network for one of the `tasks`.
    ///
    /// # Errors
    /// As [`tag`](Self::tag), and [`WebError::Bundle`] if the model is for another task.
    async fn run(
        &self,
        tasks: &[&'static str],
        outputs: usize,
        pixels: Pixels<'_>,
        crop: Option<CropBox>,
    ) -> Result<Vec<f32>, WebError> {
        if !tasks.contains(&self.manifest.task()) {
            return Err(BundleError::Task {
                expected: tasks.first().copied().unwrap_or_default(),
                actual: self.manifest.task(),
            }
            .into());
        }
        let input = &self.manifest.input;
        let chw = input.to_chw(pixels, crop)?;
        let data = TensorData::new(chw, [1, 3, input.height, input.width]);
        let x = Tensor::<4>::from_data(data, &self.device); // [1, 3, h, w]
        let answer = self.net.forward(x); // [1, outputs]
        // A browser's thread must not block, so that only the asynchronous read of the GPU's result works.
        let data = answer
            .into_data_async()
            .await
            .map_err(|error| WebError::Inference(error.to_string()))?;
        let values: Vec<f32> = data
            .try_to_vec()
            .map_err(|error| WebError::Inference(error.to_string()))?;
        if values.len() != outputs || values.iter().any(|value| !value.is_finite()) {
            return Err(WebError::Inference(
                "the network did not return the expected number of finite values".to_owned(),
            ));
        }
        Ok(values)
    }

    /// Name of the backend.
    pub(crate) fn backend(&self) -> &'static str {
        self.backend.id()
    }

    /// Id of the model.
    pub(crate) fn model_id(&self) -> String {
        self.manifest.model_id()
    }
}
