//! A segmentation bundle as a function from photos to the pieces of an outfit. Servers and browsers run the same steps.

use crate::bundle::{BundleError, Manifest, load_segment};
use crate::input::{InputSpec, Pixels};
use crate::model::{Architecture, UNet};
use crate::outfit::OutfitClass;
use crate::pieces::{ClassMap, Outfit, PiecesError, classes};
use burn::tensor::{Device, Tensor, TensorData};

/// Segmentation network whose classes are those of an outfit, on its device.
#[derive(Debug)]
pub struct PieceFinder {
    net: UNet,
    input: InputSpec,
    classes: Vec<OutfitClass>,
    /// Height and width of the logits.
    map: (usize, usize),
    device: Device,
}

impl PieceFinder {
    /// Loads the network of a bundle onto `device`.
    ///
    /// # Errors
    /// [`BundleError`] if the bundle is of another task, a label is no class of an outfit, or the weights do not fit.
    pub fn load(manifest: &Manifest, network: &[u8], device: &Device) -> Result<Self, BundleError> {
        let Architecture::Segment(config) = &manifest.architecture else {
            return Err(manifest.wrong_task("segment"));
        };
        Ok(Self {
            classes: classes(&manifest.labels)?,
            map: config.map_size(manifest.input.height, manifest.input.width)?,
            net: load_segment(manifest, network, device)?,
            input: manifest.input.clone(),
            device: device.clone(),
        })
    }

    /// Adds the weights for the kernels that compute on one thread of a CPU; see [`UNet::packed`].
    pub fn packed(self) -> Self {
        Self {
            net: self.net.packed(),
            ..self
        }
    }

    /// Computes the logits `[1, classes, h, w]` of the prepared input of a photo.
    pub fn logits(&self, chw: Vec<f32>) -> Tensor<4> {
        let shape = [1, 3, self.input.height, self.input.width];
        self.net
            .forward(Tensor::from_data(TensorData::new(chw, shape), &self.device))
    }

    /// Returns the class map of logits that were read from the device.
    ///
    /// # Errors
    /// [`PiecesError::Logits`] if their number differs or a value is not finite.
    pub fn class_map(&self, logits: &[f32]) -> Result<ClassMap, PiecesError> {
        ClassMap::new(logits, &self.classes, self.map)
    }

    /// Finds the pieces of a photo of `(width, height)` pixels in its class map.
    pub fn outfit(&self, map: &ClassMap, photo: (usize, usize)) -> Outfit {
        map.outfit(&self.input, photo)
    }

    /// Finds the pieces of a photo. Browsers cannot wait for the device, so they run the three steps one by one.
    ///
    /// # Errors
    /// [`PiecesError`] if the network does not answer with finite values.
    pub fn find(&self, photo: Pixels<'_>) -> Result<Outfit, PiecesError> {
        let logits: Vec<f32> = self
            .logits(self.input.to_chw(photo, None)?)
            .into_data()
            .iter::<f32>()
            .collect();
        let map = self.class_map(&logits)?;
        Ok(self.outfit(&map, (photo.width(), photo.height())))
    }
}
