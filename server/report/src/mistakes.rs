//! The worst mistakes: the photos with the largest loss on one contact sheet, with what was missed and what was wrongly
//! seen.

use super::curves::image_loss;
use anyhow::Context;
use dataset::Photo;
use evaluation::classifier::Predictions;
use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};
use shared::input::{Fit, InputSpec};
use std::path::PathBuf;

/// Photos shown.
const SHOWN: usize = 24;
/// Photos in a line of the sheet.
pub const COLUMNS: usize = 6;
/// Side of a photo's place in pixels.
pub const CELL: usize = 144;

/// A photo on the sheet.
#[derive(Debug, Clone)]
pub struct Mistake {
    /// The file.
    pub photo: PathBuf,
    /// Binary cross-entropy, mean over labels.
    pub loss: f64,
    /// Labels that it carries and that are shown.
    pub right: Vec<String>,
    /// Labels that it carries and that are not shown.
    pub missed: Vec<String>,
    /// Labels that are shown and that it does not carry.
    pub wrong: Vec<String>,
}

/// The photos with the largest loss, worst first; `photos` are the files of the predictions' images.
pub fn worst(predictions: &Predictions, thresholds: &[f32], photos: &[PathBuf]) -> Vec<Mistake> {
    let mut losses: Vec<(usize, f64)> = (0..predictions.truth.len())
        .map(|image| (image, image_loss(predictions, image)))
        .collect();
    losses.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    losses
        .into_iter()
        .take(SHOWN)
        .map(|(image, loss)| {
            let named = |truth: bool, shown: bool| -> Vec<String> {
                (0..predictions.labels.len())
                    .filter(|&label| {
                        predictions.truth[image][label] == truth
                            && (predictions.probs[image][label] >= thresholds[label]) == shown
                    })
                    .map(|label| predictions.labels[label].clone())
                    .collect()
            };
            Mistake {
                photo: photos[image].clone(),
                loss,
                right: named(true, true),
                missed: named(true, false),
                wrong: named(false, true),
            }
        })
        .collect()
}

/// The photos side by side as a JPEG, [`COLUMNS`] a line, each in a square of [`CELL`] pixels.
///
/// # Errors
/// If a photo cannot be read; names it.
pub fn sheet(mistakes: &[Mistake]) -> anyhow::Result<Vec<u8>> {
    let cells = mistakes
        .iter()
        .map(|mistake| Ok(Some(thumbnail(&Photo::read(&mistake.photo)?)?)));
    page(&cells.collect::<anyhow::Result<Vec<_>>>()?, COLUMNS)
}

/// Pictures of [`CELL`] pixels a side laid out on one JPEG, `columns` a line; `None` leaves a place empty.
pub(super) fn page(cells: &[Option<RgbImage>], columns: usize) -> anyhow::Result<Vec<u8>> {
    let lines = cells.len().div_ceil(columns).max(1);
    let mut page = RgbImage::from_pixel((columns * CELL) as u32, (lines * CELL) as u32, Rgb([128, 128, 128]));
    for (i, cell) in cells.iter().enumerate() {
        let Some(cell) = cell else { continue };
        let corner = ((i % columns) * CELL, (i / columns) * CELL);
        image::imageops::replace(&mut page, cell, corner.0 as i64, corner.1 as i64);
    }
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 82)
        .encode_image(&page)
        .context("cannot encode the contact sheet")?;
    Ok(bytes)
}

/// A whole photo within a square of [`CELL`] pixels, by the resizing that models see.
pub(super) fn thumbnail(photo: &Photo) -> anyhow::Result<RgbImage> {
    // The mean is what pads: a middle grey, on light and dark pages alike.
    let spec = InputSpec {
        mean: [0.5; 3],
        std: [1.0; 3],
        ..InputSpec::new(CELL, CELL, Fit::Pad)
    };
    let chw = spec.to_chw(photo.pixels()?, None)?;
    RgbImage::from_raw(CELL as u32, CELL as u32, spec.to_rgb(&chw)).context("a thumbnail of another size")
}
