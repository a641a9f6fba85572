//! Inputs that the published weights of backbones expect.

use crate::input::{IMAGENET_MEAN, IMAGENET_STD};

/// Input of the published weights of a backbone.
///
/// A recipe without `mean` and `std` under `[input]` gets those of its backbone. The recipe chooses the size itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InputContract {
    /// Width and height in pixels.
    pub side: usize,
    /// Smallest width and height in pixels at which the feature map is not empty.
    pub smallest: usize,
    /// Channel means, in units of full brightness (0–1).
    pub mean: [f32; 3],
    /// Channel standard deviations, in units of full brightness (0–1).
    pub std: [f32; 3],
}

impl InputContract {
    /// torchvision's convention: 224×224 with ImageNet's statistics.
    pub(crate) const IMAGENET: Self = Self {
        side: 224,
        smallest: 1,
        mean: IMAGENET_MEAN,
        std: IMAGENET_STD,
    };
}
