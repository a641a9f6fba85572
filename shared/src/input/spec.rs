//! Specification of a model's input.

use super::pixels::InputError;
use serde::{Deserialize, Serialize};

/// ImageNet's channel means, which torchvision's weights expect.
pub const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// ImageNet's channel standard deviations, which torchvision's weights expect.
pub const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

/// Largest width and height of a model's input in pixels.
pub const MAX_SIDE: usize = 4096;
/// Smallest and largest standard deviation of a model's input, in units of full brightness.
pub const STD_RANGE: std::ops::RangeInclusive<f32> = 1e-3..=1e3;

/// Placement of an image with another aspect ratio in the model's rectangle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Fit {
    /// The whole image fills the rectangle. Each side is scaled on its own, so shapes are distorted.
    Stretch,
    /// The largest centred part with the right aspect ratio fills the rectangle. The edges are lost.
    Cover,
    /// The whole image is centred. The rest has the mean colour, which is zero after normalisation.
    #[default]
    Pad,
}

/// Input of a model: size, fit and normalisation. Every bundle stores it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InputSpec {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Placement of images with another aspect ratio.
    #[serde(default)]
    pub fit: Fit,
    /// Channel means, in units of full brightness (0–1).
    #[serde(default = "imagenet_mean")]
    pub mean: [f32; 3],
    /// Channel standard deviations, in units of full brightness (0–1).
    #[serde(default = "imagenet_std")]
    pub std: [f32; 3],
    /// Context around a given crop box on each side, as a share of the box's width or height.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub margin: f32,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_zero(value: &f32) -> bool {
    *value == 0.0
}

fn imagenet_mean() -> [f32; 3] {
    IMAGENET_MEAN
}

fn imagenet_std() -> [f32; 3] {
    IMAGENET_STD
}

impl InputSpec {
    /// Returns a specification with ImageNet's normalisation and no margin.
    pub fn new(width: usize, height: usize, fit: Fit) -> Self {
        Self {
            width,
            height,
            fit,
            mean: IMAGENET_MEAN,
            std: IMAGENET_STD,
            margin: 0.0,
        }
    }

    /// Number of values of one input, `3 × height × width`.
    pub fn len(&self) -> usize {
        3 * self.width * self.height
    }

    /// True if the specification has no pixels.
    pub fn is_empty(&self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// Checks the limits of the specification. Within them every image becomes finite values, and not too many of them.
    ///
    /// # Errors
    /// [`InputError::Spec`], which names the key and its limits, if a value is outside them.
    pub fn check(&self) -> Result<(), InputError> {
        let wrong = |key, value: String, limits| Err(InputError::Spec { key, value, limits });
        for (key, side) in [("width", self.width), ("height", self.height)] {
            if !(1..=MAX_SIDE).contains(&side) {
                return wrong(key, side.to_string(), "it must be from 1 to 4096 pixels");
            }
        }
        if !self.std.iter().all(|std| STD_RANGE.contains(std)) {
            return wrong(
                "std",
                format!("{:?}", self.std),
                "each of the three must lie between 0.001 and 1000",
            );
        }
        if !self.mean.iter().all(|mean| mean.abs() <= 1e3) {
            return wrong(
                "mean",
                format!("{:?}", self.mean),
                "each of the three must lie between -1000 and 1000",
            );
        }
        if !(0.0..=2.0).contains(&self.margin) {
            return wrong("margin", self.margin.to_string(), "it must lie between 0 and 2");
        }
        Ok(())
    }
}
