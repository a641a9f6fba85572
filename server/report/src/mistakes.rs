//! Worst mistakes: the photos with the largest loss, with their missed and wrongly predicted labels.

use super::contact_sheet::{page, thumbnail};
use super::curves::image_loss;
use dataset::Photo;
use evaluation::classifier::Predictions;
use std::path::PathBuf;

/// Number of photos.
const SHOWN: usize = 24;
/// Photos per line of the sheet.
pub(crate) const COLUMNS: usize = 6;
/// A photo on the sheet.
#[derive(Debug, Clone)]
pub(crate) struct Mistake {
    /// The image file.
    pub(crate) photo: PathBuf,
    /// Binary cross-entropy, mean over labels.
    pub(crate) loss: f64,
    /// Labels that the photo carries and that are predicted.
    pub(crate) right: Vec<String>,
    /// Labels that the photo carries and that are not predicted.
    pub(crate) missed: Vec<String>,
    /// Labels that are predicted and that the photo does not carry.
    pub(crate) wrong: Vec<String>,
}

/// Returns the photos with the largest loss, worst first. `photos` are the files of the predictions' images.
pub(crate) fn worst(predictions: &Predictions, thresholds: &[f32], photos: &[PathBuf]) -> Vec<Mistake> {
    let mut losses: Vec<(usize, f64)> = (0..predictions.truth.len())
        .map(|image| (image, image_loss(predictions, image)))
        .collect();
    losses.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    losses
        .into_iter()
        .take(SHOWN)
        .map(|(image, loss)| {
            let labels = |truth: bool, is_predicted: bool| -> Vec<String> {
                (0..predictions.labels.len())
                    .filter(|&label| {
                        predictions.truth[image][label] == truth
                            && (predictions.probs[image][label] >= thresholds[label]) == is_predicted
                    })
                    .map(|label| predictions.labels[label].clone())
                    .collect()
            };
            Mistake {
                photo: photos[image].clone(),
                loss,
                right: labels(true, true),
                missed: labels(true, false),
                wrong: labels(false, true),
            }
        })
        .collect()
}

/// Draws the photos on a contact sheet with [`COLUMNS`] per line.
///
/// # Errors
/// If a photo cannot be read.
pub(crate) fn sheet(mistakes: &[Mistake]) -> anyhow::Result<Vec<u8>> {
    let cells = mistakes
        .iter()
        .map(|mistake| Ok(Some(thumbnail(&Photo::read(&mistake.photo)?)?)));
    page(&cells.collect::<anyhow::Result<Vec<_>>>()?, COLUMNS)
}
