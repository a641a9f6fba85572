//! Evaluation of a segmentation network.

use super::metrics::{Masked, foreground_iou, iou, masked_rows, mean_iou, pixel_accuracy};
use crate::statistics::{PerImage, interval};
use crate::summary::{Summary, paths};
use burn::tensor::Device;
use dataset::{Dataset, Images, Limit};
use serde::Serialize;
use shared::bundle::{Manifest, Weights, load_segment};
use shared::model::SegmentConfig;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Results of a segmentation network.
#[derive(Debug, Clone, Serialize)]
pub struct SegmentationReport {
    /// Metrics over all classes and per class.
    #[serde(flatten)]
    pub summary: Summary,
}

/// Evaluates a segmentation bundle on the masks of a split.
///
/// # Errors
/// If the bundle does not load, the split has no mask, or an image or mask cannot be read.
pub fn evaluate(
    (manifest, weights): &(Manifest, Weights),
    config: &SegmentConfig,
    mut dataset: Dataset,
    split: &str,
    device: &Device,
) -> anyhow::Result<SegmentationReport> {
    let net = load_segment(manifest, &weights.network, device)?;
    dataset.leave_out_corrupt(|row| row.split == split, true, Limit::Fixed)?;
    let rows = masked_rows(&dataset, split)?;
    let train = masked_rows(&dataset, "train").unwrap_or_default();
    let images = Arc::new(Images::new(Arc::new(dataset)));
    let masked = Masked {
        images: &images,
        spec: &manifest.input,
        config,
    };
    let found = masked.overlaps(&rows, device, |x| net.forward(x))?;

    let measure = |statistic: &(dyn Fn(&[usize]) -> f64 + Sync)| interval(rows.len(), statistic);
    let mut metrics = BTreeMap::from([
        ("mean_iou".to_owned(), measure(&|chosen| mean_iou(&found, chosen))),
        (
            "pixel_accuracy".to_owned(),
            measure(&|chosen| pixel_accuracy(&found, chosen)),
        ),
    ]);
    let all: Vec<usize> = (0..rows.len()).collect();
    for (class, name) in manifest
        .labels
        .iter()
        .enumerate()
        .filter(|(class, _)| iou(&found, &all, *class).is_some())
    {
        metrics.insert(
            format!("iou {name}"),
            measure(&|chosen| iou(&found, chosen, class).unwrap_or(0.0)),
        );
    }

    // Several classes of foreground are also one, which segmenters of persons can be compared with.
    let background = usize::from(config.classes()?[0]);
    if manifest.labels.len() > 2 && foreground_iou(&found, &all, background).is_some() {
        metrics.insert(
            "iou foreground".to_owned(),
            measure(&|chosen| foreground_iou(&found, chosen, background).unwrap_or(0.0)),
        );
    }

    let guesses = guesses(&masked, &manifest.labels, &rows, &train)?;
    let each = all.iter().map(|image| Some(mean_iou(&found, &[*image]))).collect();
    let per_image = PerImage::Queries {
        paths: paths(images.dataset(), &rows),
        items: Vec::new(),
        metrics: BTreeMap::from([("mean_iou_of_a_picture".to_owned(), each)]),
    };
    Ok(SegmentationReport {
        summary: Summary::new(manifest.model_id(), split, metrics, guesses, per_image),
    })
}

/// Metrics of two predictions that ignore the image: background everywhere, and the most frequent class of each position in
/// the training masks.
fn guesses(
    masked: &Masked<'_>,
    labels: &[String],
    rows: &[usize],
    train: &[usize],
) -> anyhow::Result<BTreeMap<String, f64>> {
    let (height, width) = masked.config.map_size(masked.spec.height, masked.spec.width)?;
    let background = masked.config.classes()?[0].min(masked.config.ids.len() as u8 - 1);
    let mut names = vec![format!("all {}", labels[usize::from(background)])];
    let mut maps = vec![vec![background; height * width]];
    if !train.is_empty() {
        names.push("usual mask of train".to_owned());
        maps.push(masked.usual_map(train)?);
    }
    let all: Vec<usize> = (0..rows.len()).collect();
    let mut guesses = BTreeMap::new();
    for (name, found) in names.iter().zip(masked.constant_overlaps(rows, &maps)?) {
        guesses.insert(format!("mean_iou {name}"), mean_iou(&found, &all));
        guesses.insert(format!("pixel_accuracy {name}"), pixel_accuracy(&found, &all));
    }
    Ok(guesses)
}

impl std::fmt::Display for SegmentationReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.summary.fmt(f)
    }
}
