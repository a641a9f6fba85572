//! Intersection over union of a segmentation with the masks of a dataset, beside two guesses that look at no picture.
//!
//! Everything is counted on the network's own grid, half the input's resolution, with masks sampled at the centres of its
//! cells. Pixels of no class, and those where the input shows nothing of the picture, do not count.

use super::bootstrap::interval;
use super::outcomes::Outcomes;
use super::run::{Report, SEED};
use burn::tensor::{Device, Tensor, TensorData};
use dataset::{Batch, Dataset, Images, Loader, OUTSIDE, Plan, Source};
use shared::bundle::{Manifest, load_segment};
use shared::input::InputSpec;
use shared::model::SegmentConfig;
use shared::model::unet::UNLABELLED;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Pictures a forward pass.
const BATCH: usize = 16;

/// Pixels of one class in one picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overlap {
    /// Of this class, and predicted to be.
    pub both: u64,
    /// Predicted to be of this class, whatever they are.
    pub predicted: u64,
    /// Of this class.
    pub truth: u64,
}

/// Overlaps of a picture, class by class.
pub type Overlaps = Vec<Overlap>;

/// Inputs of a network's measurement.
#[derive(Debug)]
pub struct Masked<'a> {
    /// The pictures and masks.
    pub images: &'a Arc<Images>,
    /// Input that the network expects.
    pub spec: &'a InputSpec,
    /// Its classes.
    pub config: &'a SegmentConfig,
}

impl Masked<'_> {
    /// Overlaps of the network's classes with those of the rows' masks, picture by picture.
    ///
    /// # Errors
    /// If a picture or mask cannot be read.
    pub fn overlaps(
        &self,
        rows: &[usize],
        device: &Device,
        forward: impl Fn(Tensor<4>) -> Tensor<4>,
    ) -> anyhow::Result<Vec<Overlaps>> {
        let mut found = Vec::with_capacity(rows.len());
        self.each_batch(rows, |batch, truths| {
            let shape = [batch.rows.len(), 3, self.spec.height, self.spec.width];
            let logits = forward(Tensor::from_data(TensorData::new(batch.pixels, shape), device));
            let classes: Vec<u8> = logits
                .argmax(1)
                .into_data()
                .iter::<i64>()
                .map(|class| class as u8)
                .collect();
            let pixels = classes.len() / truths.len();
            found.extend(
                classes
                    .chunks_exact(pixels)
                    .zip(&truths)
                    .map(|(guess, truth)| self.overlap(guess, truth)),
            );
        })?;
        Ok(found)
    }

    /// Overlaps of maps that are the same for every picture: for each map, picture by picture.
    ///
    /// # Errors
    /// If a picture or mask cannot be read.
    pub fn constant_overlaps(&self, rows: &[usize], maps: &[Vec<u8>]) -> anyhow::Result<Vec<Vec<Overlaps>>> {
        let mut found = vec![Vec::with_capacity(rows.len()); maps.len()];
        self.each_batch(rows, |_, truths| {
            for (found, map) in found.iter_mut().zip(maps) {
                found.extend(truths.iter().map(|truth| self.overlap(map, truth)));
            }
        })?;
        Ok(found)
    }

    /// The class that each place has most often in the masks of `rows`.
    ///
    /// # Errors
    /// If a picture or mask cannot be read.
    pub fn usual_map(&self, rows: &[usize]) -> anyhow::Result<Vec<u8>> {
        let n_classes = self.config.ids.len();
        let (height, width) = SegmentConfig::map_size(self.spec.height, self.spec.width);
        let mut counts = vec![0u32; height * width * n_classes];
        self.each_batch(rows, |_, truths| {
            for truth in truths {
                for (at, class) in truth.into_iter().enumerate().filter(|(_, class)| *class != UNLABELLED) {
                    counts[at * n_classes + usize::from(class)] += 1;
                }
            }
        })?;
        let most = |counts: &[u32]| {
            counts
                .iter()
                .enumerate()
                .rev()
                .max_by_key(|(_, n)| **n)
                .map_or(0, |(at, _)| at as u8)
        };
        Ok(counts.chunks_exact(n_classes).map(most).collect())
    }

    fn each_batch(&self, rows: &[usize], mut each: impl FnMut(Batch, Vec<Vec<u8>>)) -> anyhow::Result<()> {
        let classes = self.config.classes()?;
        let source = Source {
            images: Arc::clone(self.images),
            spec: self.spec.clone(),
            augment: None,
            recolour: None,
            maps: Some(SegmentConfig::map_size(self.spec.height, self.spec.width)),
            pool: None,
        };
        let plan = Plan {
            batches: rows.chunks(BATCH).map(<[usize]>::to_vec).collect(),
            seed: 0,
            epoch: 0,
        };
        for batch in Loader::open(source, plan) {
            let mut batch = batch?;
            let maps = std::mem::take(&mut batch.maps);
            let truths: Option<Vec<Vec<u8>>> = maps.into_iter().map(|map| Some(classes_of(&map?, &classes))).collect();
            let truths = truths.ok_or_else(|| anyhow::anyhow!("a picture without a mask cannot be measured on"))?;
            each(batch, truths);
        }
        Ok(())
    }

    fn overlap(&self, guess: &[u8], truth: &[u8]) -> Overlaps {
        let mut overlaps = vec![Overlap::default(); self.config.ids.len()];
        for (guess, truth) in guess.iter().zip(truth).filter(|(_, truth)| **truth != UNLABELLED) {
            overlaps[usize::from(*guess)].predicted += 1;
            overlaps[usize::from(*truth)].truth += 1;
            overlaps[usize::from(*truth)].both += u64::from(guess == truth);
        }
        overlaps
    }
}

/// A map of ids as a map of classes.
pub fn classes_of(map: &[u8], classes: &[u8; 256]) -> Vec<u8> {
    map.iter()
        .map(|id| {
            if *id == OUTSIDE {
                UNLABELLED
            } else {
                classes[usize::from(*id)]
            }
        })
        .collect()
}

/// Intersection over union of one class over the given pictures together; `None` if none of them shows it.
pub fn iou(pictures: &[Overlaps], chosen: &[usize], class: usize) -> Option<f64> {
    let sum = chosen
        .iter()
        .map(|picture| pictures[*picture][class])
        .fold(Overlap::default(), |a, b| Overlap {
            both: a.both + b.both,
            predicted: a.predicted + b.predicted,
            truth: a.truth + b.truth,
        });
    (sum.truth > 0).then(|| sum.both as f64 / (sum.predicted + sum.truth - sum.both) as f64)
}

/// Mean of [`iou`] over the classes that the given pictures show.
pub fn mean_iou(pictures: &[Overlaps], chosen: &[usize]) -> f64 {
    let classes = pictures.first().map_or(0, Vec::len);
    let values: Vec<f64> = (0..classes).filter_map(|class| iou(pictures, chosen, class)).collect();
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Share of the given pictures' pixels that got their class.
pub fn pixel_accuracy(pictures: &[Overlaps], chosen: &[usize]) -> f64 {
    let all = chosen.iter().flat_map(|picture| &pictures[*picture]);
    let (both, truth) = all.fold((0, 0), |(both, truth), overlap| {
        (both + overlap.both, truth + overlap.truth)
    });
    both as f64 / truth.max(1) as f64
}

/// Rows of a split that have a mask.
///
/// # Errors
/// If there are none.
pub fn masked_rows(dataset: &Dataset, split: &str) -> anyhow::Result<Vec<usize>> {
    Ok(dataset.split(split, |row| !row.mask.is_empty(), " with a mask")?)
}

/// The report of a segmentation bundle on a split.
pub(super) fn report(
    manifest: &Manifest,
    config: &SegmentConfig,
    weights: &[u8],
    dataset: Dataset,
    split: &str,
    device: &Device,
) -> anyhow::Result<Report> {
    let net = load_segment(manifest, weights, device)?;
    let rows = masked_rows(&dataset, split)?;
    let train = masked_rows(&dataset, "train").unwrap_or_default();
    let images = Arc::new(Images::new(Arc::new(dataset)));
    let masked = Masked {
        images: &images,
        spec: &manifest.input,
        config,
    };
    let found = masked.overlaps(&rows, device, |x| net.forward(x))?;

    let of = |statistic: &(dyn Fn(&[usize]) -> f64 + Sync)| interval(rows.len(), SEED, statistic);
    let mut figures = BTreeMap::from([
        ("mean_iou".to_owned(), of(&|chosen| mean_iou(&found, chosen))),
        (
            "pixel_accuracy".to_owned(),
            of(&|chosen| pixel_accuracy(&found, chosen)),
        ),
    ]);
    let all: Vec<usize> = (0..rows.len()).collect();
    for (class, name) in manifest
        .labels
        .iter()
        .enumerate()
        .filter(|(class, _)| iou(&found, &all, *class).is_some())
    {
        figures.insert(
            format!("iou {name}"),
            of(&|chosen| iou(&found, chosen, class).unwrap_or(0.0)),
        );
    }

    let (height, width) = SegmentConfig::map_size(manifest.input.height, manifest.input.width);
    let background = config.classes()?[0].min(config.ids.len() as u8 - 1);
    let mut names = vec![format!("all {}", manifest.labels[usize::from(background)])];
    let mut maps = vec![vec![background; height * width]];
    if !train.is_empty() {
        names.push("usual mask of train".to_owned());
        maps.push(masked.usual_map(&train)?);
    }
    let mut guesses = BTreeMap::new();
    for (name, found) in names.iter().zip(masked.constant_overlaps(&rows, &maps)?) {
        guesses.insert(format!("mean_iou {name}"), mean_iou(&found, &all));
        guesses.insert(format!("pixel_accuracy {name}"), pixel_accuracy(&found, &all));
    }
    let rows = rows
        .iter()
        .map(|row| images.dataset().rows[*row].path.clone())
        .collect();
    let each = all.iter().map(|picture| Some(mean_iou(&found, &[*picture]))).collect();
    let outcomes = Outcomes::Queries {
        paths: rows,
        items: Vec::new(),
        figures: BTreeMap::from([("mean_iou_of_a_picture".to_owned(), each)]),
    };
    Ok(Report::of(manifest.model_id(), split, figures, guesses, outcomes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iou_is_over_all_pictures_together_and_skips_absent_classes() {
        let overlap = |both, predicted, truth| Overlap { both, predicted, truth };
        let pictures = vec![
            vec![overlap(6, 8, 6), overlap(2, 2, 4), overlap(0, 0, 0)],
            vec![overlap(5, 10, 5), overlap(0, 0, 5), overlap(0, 0, 0)],
        ];
        assert_eq!(iou(&pictures, &[0], 0), Some(0.75));
        assert_eq!(iou(&pictures, &[0, 1], 0), Some(11.0 / 18.0));
        assert_eq!(iou(&pictures, &[0, 1], 1), Some(2.0 / 9.0));
        assert_eq!(iou(&pictures, &[0, 1], 2), None);
        assert!((mean_iou(&pictures, &[0]) - (0.75 + 0.5) / 2.0).abs() < 1e-12);
        assert!((pixel_accuracy(&pictures, &[0, 1]) - 13.0 / 20.0).abs() < 1e-12);
    }
}
