//! Intersection over union of a segmentation with the masks of a dataset, and of constant baselines.
//!
//! Pixels are counted on the grid of the network's logits. Masks are sampled at the centres of its cells.
//! Pixels without a class and padding do not count.

use burn::tensor::{Device, Tensor, TensorData};
use dataset::{Batch, Dataset, Images, Loader, OUTSIDE, Plan, Source};
use shared::input::InputSpec;
use shared::model::SegmentConfig;
use shared::model::config::UNLABELLED;
use std::sync::Arc;

/// Images per forward pass.
const BATCH: usize = 16;

/// Pixel counts of one class in one image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overlap {
    /// Pixels of this class that are predicted to be of this class.
    pub both: u64,
    /// Pixels that are predicted to be of this class.
    pub predicted: u64,
    /// Pixels of this class.
    pub truth: u64,
}

/// Overlaps of an image, `[class]`.
pub type Overlaps = Vec<Overlap>;

/// Images with masks, and the network that is measured on them.
#[derive(Debug)]
pub struct Masked<'a> {
    /// The images and masks.
    pub images: &'a Arc<Images>,
    /// Input of the network.
    pub spec: &'a InputSpec,
    /// Classes of the network.
    pub config: &'a SegmentConfig,
}

impl Masked<'_> {
    /// Computes the overlaps of the network's classes with the masks, `[image]`.
    ///
    /// # Errors
    /// If an image or mask cannot be read.
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

    /// Computes the overlaps of constant maps with the masks, `[map][image]`.
    ///
    /// # Errors
    /// If an image or mask cannot be read.
    pub fn constant_overlaps(&self, rows: &[usize], maps: &[Vec<u8>]) -> anyhow::Result<Vec<Vec<Overlaps>>> {
        let mut found = vec![Vec::with_capacity(rows.len()); maps.len()];
        self.each_batch(rows, |_, truths| {
            for (found, map) in found.iter_mut().zip(maps) {
                found.extend(truths.iter().map(|truth| self.overlap(map, truth)));
            }
        })?;
        Ok(found)
    }

    /// Returns the most frequent class of each grid cell in the masks of `rows`.
    ///
    /// # Errors
    /// If an image or mask cannot be read.
    pub fn usual_map(&self, rows: &[usize]) -> anyhow::Result<Vec<u8>> {
        let n_classes = self.config.ids.len();
        let (height, width) = self.config.map_size(self.spec.height, self.spec.width)?;
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
            maps: Some(self.config.map_size(self.spec.height, self.spec.width)?),
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
            let truths = truths.ok_or_else(|| anyhow::anyhow!("an image without a mask cannot be measured on"))?;
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

/// Converts a map of ids to a map of classes.
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

/// Computes the intersection over union of one class over the given images together; `None` if no image has the class.
pub fn iou(images: &[Overlaps], chosen: &[usize], class: usize) -> Option<f64> {
    let sum = sum_of(images, chosen, class);
    (sum.truth > 0).then(|| sum.both as f64 / (sum.predicted + sum.truth - sum.both) as f64)
}

/// Computes the intersection over union of all classes but `background` as one, over the given images together; `None` if all
/// pixels are background. For the classes of an outfit this is the person with everything worn.
pub(super) fn foreground_iou(images: &[Overlaps], chosen: &[usize], background: usize) -> Option<f64> {
    let pixels: u64 = chosen
        .iter()
        .flat_map(|image| &images[*image])
        .map(|class| class.truth)
        .sum();
    let ground = sum_of(images, chosen, background);
    let union = pixels - ground.both;
    (ground.truth < pixels)
        .then(|| (union - (ground.predicted - ground.both) - (ground.truth - ground.both)) as f64 / union as f64)
}

/// Sums the overlaps of one class over the given images.
fn sum_of(images: &[Overlaps], chosen: &[usize], class: usize) -> Overlap {
    let of_class = chosen.iter().map(|image| images[*image][class]);
    of_class.fold(Overlap::default(), |a, b| Overlap {
        both: a.both + b.both,
        predicted: a.predicted + b.predicted,
        truth: a.truth + b.truth,
    })
}

/// Computes the mean of [`iou`] over the classes of the given images.
pub fn mean_iou(images: &[Overlaps], chosen: &[usize]) -> f64 {
    let classes = images.first().map_or(0, Vec::len);
    let values: Vec<f64> = (0..classes).filter_map(|class| iou(images, chosen, class)).collect();
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Computes the share of the given images' pixels with the right class.
pub fn pixel_accuracy(images: &[Overlaps], chosen: &[usize]) -> f64 {
    let all = chosen.iter().flat_map(|image| &images[*image]);
    let (both, truth) = all.fold((0, 0), |(both, truth), overlap| {
        (both + overlap.both, truth + overlap.truth)
    });
    both as f64 / truth.max(1) as f64
}

/// Returns the rows of a split with a mask.
///
/// # Errors
/// If there are none.
pub fn masked_rows(dataset: &Dataset, split: &str) -> anyhow::Result<Vec<usize>> {
    Ok(dataset.split(split, |row| !row.mask.is_empty(), " with a mask")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iou_is_computed_over_all_images_and_skips_absent_classes() {
        let overlap = |both, predicted, truth| Overlap { both, predicted, truth };
        let images = vec![
            vec![overlap(6, 8, 6), overlap(2, 2, 4), overlap(0, 0, 0)],
            vec![overlap(5, 10, 5), overlap(0, 0, 5), overlap(0, 0, 0)],
        ];
        assert_eq!(iou(&images, &[0], 0), Some(0.75));
        assert_eq!(iou(&images, &[0, 1], 0), Some(11.0 / 18.0));
        assert_eq!(iou(&images, &[0, 1], 1), Some(2.0 / 9.0));
        assert_eq!(iou(&images, &[0, 1], 2), None);
        assert_eq!(
            foreground_iou(&images, &[0], 0),
            Some(0.5),
            "2 of the 4 pixels that either side calls foreground"
        );
        assert!((mean_iou(&images, &[0]) - (0.75 + 0.5) / 2.0).abs() < 1e-12);
        assert!((pixel_accuracy(&images, &[0, 1]) - 13.0 / 20.0).abs() < 1e-12);
    }
}
