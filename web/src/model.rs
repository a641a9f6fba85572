//! A model in the browser: tags, an embedding or pieces from a manifest, weights and pixels.

use burn::tensor::{Device, Tensor, TensorData};
use shared::bundle::{self, BundleError, Manifest};
use shared::embedding::Embedding;
use shared::input::{CropBox, Intake};
use shared::model::{Architecture, QueryNet};
use shared::piece_finder::PieceFinder;
use shared::pieces::{ClassMap, Outfit};
use shared::score::Tag;

use crate::device::Backend;
use crate::error::WebError;

/// Network of a model.
#[allow(clippy::large_enum_variant)] // a page has a few models, so their size does not matter
enum Net {
    /// A style classifier, a query encoder or a retrieval network. All turn an image into one row of numbers.
    Row(QueryNet),
    /// A segmentation network.
    Pieces(PieceFinder),
}

/// A model on one device.
pub(crate) struct Model {
    manifest: Manifest,
    net: Net,
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
            Architecture::Query(_) => Net::Row(bundle::load_query(&manifest, weights, &device)?),
            Architecture::Retrieval(_) => Net::Row(bundle::load_single_retrieval(&manifest, weights, &device)?.into()),
            Architecture::Segment(_) => Net::Pieces(PieceFinder::load(&manifest, weights, &device)?),
            Architecture::Style(_) => Net::Row(bundle::load_style(&manifest, weights, &device)?.into()),
        };
        let net = match (backend, net) {
            (Backend::Cpu, Net::Row(net)) => Net::Row(net.packed()),
            (Backend::Cpu, Net::Pieces(finder)) => Net::Pieces(finder.packed()),
            (Backend::WebGpu, net) => net,
        };
        Ok(Self {
            manifest,
            net,
            device,
            backend,
        })
    }

    /// Begins the input of a photo of `(width, height)` pixels, or of a crop box on it.
    ///
    /// # Errors
    /// [`WebError::Input`] if the photo or the box is empty, or the box is not inside the photo.
    pub(crate) fn intake(&self, size: (usize, usize), crop: Option<CropBox>) -> Result<Intake, WebError> {
        Ok(self.manifest.input.intake(size, crop)?)
    }

    /// Tags one photo. Returns all labels, most probable first.
    ///
    /// # Errors
    /// [`WebError::Bundle`] if the model is a query encoder, [`WebError::Input`] if rows of the photo are missing,
    /// [`WebError::Inference`] if the device fails or a result is not a finite number.
    pub(crate) async fn tag(&self, photo: Intake) -> Result<Vec<Tag>, WebError> {
        let logits = self.run(&["style"], self.manifest.labels.len(), photo).await?;
        Ok(self.manifest.tags(&logits))
    }

    /// Embeds one photo, or its crop box.
    ///
    /// # Errors
    /// As [`tag`](Self::tag), but [`WebError::Bundle`] if the model is a style classifier.
    pub(crate) async fn embed(&self, photo: Intake) -> Result<Embedding, WebError> {
        let values = self
            .run(&["query", "retrieval"], self.manifest.embedding_dim, photo)
            .await?;
        Embedding::new(self.manifest.space(), values).map_err(|error| WebError::Inference(error.to_string()))
    }

    /// Computes the `outputs` finite numbers of a network for one of the `tasks`.
    ///
    /// # Errors
    /// As [`tag`](Self::tag), and [`WebError::Bundle`] if the model is for another task.
    async fn run(&self, tasks: &[&'static str], outputs: usize, photo: Intake) -> Result<Vec<f32>, WebError> {
        let net = match &self.net {
            Net::Row(net) if tasks.contains(&self.manifest.task()) => net,
            _ => return Err(self.wrong_task(tasks.first().copied().unwrap_or_default())),
        };
        let input = &self.manifest.input;
        let data = TensorData::new(self.finish(photo)?, [1, 3, input.height, input.width]);
        let x = Tensor::<4>::from_data(data, &self.device); // [1, 3, h, w]
        let answer = net.forward(x); // [1, outputs]
        let values = read(answer).await?;
        if values.len() != outputs || values.iter().any(|value| !value.is_finite()) {
            return Err(WebError::Inference(
                "the network did not return the expected number of finite values".to_owned(),
            ));
        }
        Ok(values)
    }

    /// Finds the pieces of the outfit in one photo.
    ///
    /// # Errors
    /// As [`tag`](Self::tag), but [`WebError::Bundle`] if the model is not a segmentation network.
    pub(crate) async fn pieces(&self, photo: Intake) -> Result<Outfit, WebError> {
        let CropBox { width, height, .. } = photo.window();
        let (finder, map) = self.class_map(photo).await?;
        Ok(finder.outfit(&map, (width as usize, height as usize)))
    }

    /// Returns the share of each class of an outfit in the network's map of one photo.
    ///
    /// # Errors
    /// As [`pieces`](Self::pieces).
    pub(crate) async fn shares(&self, photo: Intake) -> Result<Vec<f32>, WebError> {
        Ok(self.class_map(photo).await?.1.shares())
    }

    async fn class_map(&self, photo: Intake) -> Result<(&PieceFinder, ClassMap), WebError> {
        let Net::Pieces(finder) = &self.net else {
            return Err(self.wrong_task("segment"));
        };
        let logits = finder.logits(self.finish(photo)?);
        let map = finder.class_map(&read(logits).await?);
        let map = map.map_err(|error| WebError::Inference(error.to_string()))?;
        Ok((finder, map))
    }

    /// Returns the values of an input of this model.
    ///
    /// # Errors
    /// [`WebError::Input`] if rows are missing, or if the input is for a model with another number of values.
    fn finish(&self, photo: Intake) -> Result<Vec<f32>, WebError> {
        let values = photo.finish()?;
        if values.len() != self.manifest.input.len() {
            return Err(WebError::OtherInput);
        }
        Ok(values)
    }

    fn wrong_task(&self, expected: &'static str) -> WebError {
        let actual = self.manifest.task();
        WebError::Bundle(BundleError::Task { expected, actual })
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

/// Reads values from the device. A browser's thread must not block, so that only the asynchronous read of the GPU's result works.
///
/// # Errors
/// [`WebError::Inference`] if the device fails.
async fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, WebError> {
    let data = tensor
        .into_data_async()
        .await
        .map_err(|error| WebError::Inference(error.to_string()))?;
    data.try_to_vec()
        .map_err(|error| WebError::Inference(error.to_string()))
}
