//! What kind of item a photo shows, where the classifier is sure enough for a search to look among its like only.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use burn::tensor::{Device, Tensor, TensorData};
use shared::bundle::{MANIFEST_FILE, Manifest, load_style};
use shared::input::InputSpec;
use shared::model::{Architecture, StyleNet};
use shared::score::{is_confident, sigmoid, top_k};
use shared::taxonomy::Category;

use super::EmbedError;

/// A bundle whose labels are the categories; its thresholds say when it is sure.
pub struct Categoriser {
    /// One photo at a time: the network is small, and cores are shared with decoding.
    net: Mutex<StyleNet>,
    input: InputSpec,
    thresholds: Vec<f32>,
    device: Device,
}

impl Categoriser {
    /// Loads the bundle folder `dir` onto `device`.
    ///
    /// # Errors
    /// When a file is missing or damaged, or the bundle's labels are not the categories.
    pub fn open(dir: &Path, device: &Device) -> Result<Self, EmbedError> {
        let refuse = |message: String| EmbedError::Bundle {
            path: dir.to_owned(),
            message,
        };
        let manifest = Manifest::from_json(&super::model::read(&dir.join(MANIFEST_FILE))?)
            .map_err(|error| refuse(error.to_string()))?;
        let is_classifier = matches!(manifest.architecture, Architecture::Style(_));
        if !is_classifier || !Category::are(&manifest.labels) {
            return Err(refuse(
                "its labels are not the categories; train one with `data.labels = \"categories\"`".into(),
            ));
        }
        let weights = super::model::read(&dir.join(&manifest.weights.file))?;
        let net = load_style(&manifest, &weights, device).map_err(|error| refuse(error.to_string()))?;
        let (input, thresholds) = (manifest.input, manifest.thresholds);
        Ok(Self {
            net: Mutex::new(net),
            input,
            thresholds,
            device: device.clone(),
        })
    }

    /// What it expects of a photo.
    pub fn input(&self) -> &InputSpec {
        &self.input
    }

    /// The category of a photo, `[3, height, width]` of [`input`](Self::input); `None` where it is not sure.
    pub fn category(&self, chw: Vec<f32>) -> Option<Category> {
        let shape = [1, 3, self.input.height, self.input.width];
        let pixels = Tensor::from_data(TensorData::new(chw, shape), &self.device);
        let logits = self.net.lock().unwrap_or_else(PoisonError::into_inner).forward(pixels);
        let probs: Vec<f32> = logits.into_data().iter::<f32>().map(sigmoid).collect();
        let (label, prob) = top_k(&probs, 1).first().copied()?;
        is_confident(prob, self.thresholds[label]).then(|| Category::ALL[label])
    }
}
