//! Category of a photo, if the classifier is confident enough to restrict a search to it.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, ensure};
use burn::tensor::{Device, Tensor, TensorData};
use dataset::bundle;
use shared::input::InputSpec;
use shared::model::Architecture;
use shared::score::{is_confident, sigmoid, top_k};
use shared::server_models::{Classifier, load_classifier};
use shared::taxonomy::Category;

use super::EmbedError;

/// Classifier whose labels are the categories. A category above its threshold is confident.
pub struct Categoriser {
    /// Locked per photo: the network is small, and it shares the cores with decoding.
    net: Mutex<Classifier>,
    input: InputSpec,
    thresholds: Vec<f32>,
    device: Device,
}

impl Categoriser {
    /// Loads the bundle folder `dir` onto `device`.
    ///
    /// # Errors
    /// If a file is missing or damaged, or the bundle's labels are not the categories.
    pub fn open(dir: &Path, device: &Device) -> Result<Self, EmbedError> {
        Self::load(dir, device).map_err(EmbedError::Bundle)
    }

    fn load(dir: &Path, device: &Device) -> anyhow::Result<Self> {
        let (manifest, weights) = bundle::read(dir)?;
        let is_classifier = matches!(manifest.architecture, Architecture::Style(_));
        ensure!(
            is_classifier && Category::are(&manifest.labels),
            "the labels of the bundle {} are not the categories\nhint: train one with `data.labels = \"categories\"`",
            dir.display()
        );
        let net = load_classifier(&manifest, &weights.network, device)
            .with_context(|| format!("in the bundle {}", dir.display()))?;
        Ok(Self {
            net: Mutex::new(net),
            input: manifest.input,
            thresholds: manifest.thresholds,
            device: device.clone(),
        })
    }

    /// Input of the network.
    pub fn input(&self) -> &InputSpec {
        &self.input
    }

    /// Returns the category of a photo, `[3, height, width]` of [`input`](Self::input), or `None` if the network is not
    /// confident.
    pub fn category(&self, chw: Vec<f32>) -> Option<Category> {
        let shape = [1, 3, self.input.height, self.input.width];
        let pixels = Tensor::from_data(TensorData::new(chw, shape), &self.device);
        let logits = self.net.lock().unwrap_or_else(PoisonError::into_inner).forward(pixels);
        let probs: Vec<f32> = logits.into_data().iter::<f32>().map(sigmoid).collect();
        let (label, prob) = top_k(&probs, 1).first().copied()?;
        is_confident(prob, self.thresholds[label]).then(|| Category::ALL[label])
    }
}
