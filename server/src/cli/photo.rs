//! The photo of `selvedge tag` and `selvedge embed`, and its way through a network.

use anyhow::{Context, bail};
use burn::tensor::{Device, Tensor, TensorData};
use clap::Args;
use dataset::{Crop, Photo};
use shared::input::{InputSpec, Pixels};
use std::path::{Path, PathBuf};

/// A photo, as a file or as raw pixels.
#[derive(Debug, Args)]
pub(crate) struct PhotoArgs {
    /// The photo: a JPEG, PNG, WebP, GIF or BMP file
    #[arg(required_unless_present = "pixels", conflicts_with = "pixels")]
    image: Option<PathBuf>,
    /// Raw RGBA pixels instead of a photo
    #[arg(long, requires_all = ["width", "height"])]
    pixels: Option<PathBuf>,
    /// Width of the raw pixels
    #[arg(long)]
    width: Option<usize>,
    /// Height of the raw pixels
    #[arg(long)]
    height: Option<usize>,
    /// Crop box of the upright photo: x0,y0,x1,y1 in pixels, or auto for the salient part; by default the whole photo
    #[arg(long = "box", value_name = "BOX", conflicts_with = "pixels")]
    crop: Option<Crop>,
}

impl PhotoArgs {
    /// Input of a network, `[3, height, width]`.
    ///
    /// # Errors
    /// If the file cannot be read, or the crop box lies outside.
    pub(super) fn input(&self, spec: &InputSpec) -> anyhow::Result<Vec<f32>> {
        match (&self.image, &self.pixels, self.width, self.height) {
            (_, Some(path), Some(width), Some(height)) => {
                let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
                Ok(spec.to_chw(Pixels::new(&bytes, width, height, 4)?, None)?)
            }
            (Some(path), ..) => self.file_input(path, spec),
            _ => bail!("name a photo, or --pixels with --width and --height"),
        }
    }

    fn file_input(&self, path: &Path, spec: &InputSpec) -> anyhow::Result<Vec<f32>> {
        let photo = Photo::read(path)?;
        let crop = self.crop.unwrap_or_default().crop_box(&photo)?;
        if self.crop == Some(Crop::Auto) {
            match crop {
                Some(b) => eprintln!("box {},{},{},{}", b.x, b.y, b.x + b.width, b.y + b.height),
                None => eprintln!("no salient part was found; using the whole photo"),
            }
        }
        Ok(spec.to_chw(photo.pixels()?, crop)?)
    }
}

/// Runs a network on one input `[3, height, width]` and returns its output.
pub(super) fn forward_one(
    spec: &InputSpec,
    input: Vec<f32>,
    device: &Device,
    forward: impl FnOnce(Tensor<4>) -> Tensor<2>,
) -> Vec<f32> {
    let data = TensorData::new(input, [1, 3, spec.height, spec.width]);
    let output = forward(Tensor::from_data(data, device));
    output.into_data().iter::<f32>().collect()
}
