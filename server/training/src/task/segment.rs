//! Segmentation, trained on the dataset's masks with a cross-entropy of pixels.

mod classes;

use super::{Setup, Task};
use crate::batch::{batches, shuffled};
use crate::checkpoint::State;
use crate::network::initialise;
use crate::objective::{Metrics, Objective, Step, TrainingData};
use crate::recipe::{Recipe, SegmentRecipe};
use anyhow::Context;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use dataset::run::Run;
use dataset::{Dataset, Images, LABEL_LIST};
use evaluation::segmentation::{Masked, classes_of, iou, masked_rows, mean_iou, pixel_accuracy};
use shared::bundle::Manifest;
use shared::model::config::UNLABELLED;
use shared::model::{SegmentConfig, UNet};
use shared::weights::{Precision, save};
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl Task for SegmentRecipe {
    type Data = Segmented;
    type Teacher = ();
    type Net = UNet;
    type Objective<'a> = SegmentObjective<'a>;
    type Config = SegmentConfig;

    const NEEDS_MASKS: bool = true;

    fn backbone(&self) -> &str {
        &self.backbone
    }

    fn check(&self, _: &Recipe) -> anyhow::Result<()> {
        anyhow::ensure!(
            (0.0..=1.0).contains(&self.balance),
            "task.balance must lie between 0 and 1"
        );
        Ok(())
    }

    fn data(&self, dataset: Dataset, recipe: &Recipe) -> anyhow::Result<Segmented> {
        Segmented::new(dataset, recipe, self)
    }

    fn teacher(&self, _: &Segmented, _: &Recipe, _: &[PathBuf], _: &Device) -> anyhow::Result<()> {
        Ok(())
    }

    fn objective<'a>(&'a self, setup: Setup<'a, Self>) -> anyhow::Result<SegmentObjective<'a>> {
        Ok(SegmentObjective {
            data: setup.data,
            recipe: setup.recipe,
            device: setup.device,
        })
    }

    fn network(&self, objective: &SegmentObjective<'_>, init: Option<&Path>, device: &Device) -> anyhow::Result<UNet> {
        initialise(objective.data.config.init(&device.clone().autodiff())?, init)
    }

    fn config(&self, objective: &SegmentObjective<'_>) -> SegmentConfig {
        objective.data.config.clone()
    }

    fn manifest(
        &self,
        manifest: Manifest,
        net: &UNet,
        objective: &SegmentObjective<'_>,
        _: &State,
        _: &Run,
    ) -> anyhow::Result<Manifest> {
        Ok(Manifest {
            labels: objective.data.labels.clone(),
            metrics: objective.measure(net)?.metrics,
            ..manifest
        })
    }
}

/// Training rows and tuning rows with masks.
#[derive(Debug)]
pub(crate) struct Segmented {
    images: Arc<Images>,
    /// Names of the classes.
    labels: Vec<String>,
    config: SegmentConfig,
    train: Vec<usize>,
    tune: Vec<usize>,
    /// Class of every mask id.
    classes: [u8; 256],
    /// Weight of every class in the loss.
    weights: Vec<f32>,
}

impl Segmented {
    /// Divides the rows with masks as the recipe says.
    ///
    /// # Errors
    /// If there are too few, the classes are invalid, or a mask cannot be read.
    fn new(dataset: Dataset, recipe: &Recipe, task: &SegmentRecipe) -> anyhow::Result<Self> {
        let (labels, config) = task.classes(&dataset)?;
        let classes = config.classes()?;
        let rows = masked_rows(&dataset, "train")?;
        let (tune, train) = if recipe.data.holdout > 0.0 {
            dataset.hold_out(&rows, recipe.data.holdout, recipe.seed)
        } else {
            (masked_rows(&dataset, "val")?, rows)
        };
        anyhow::ensure!(
            !train.is_empty() && !tune.is_empty(),
            "data.holdout leaves no mask to train or to tune on"
        );
        let images = Arc::new(Images::new(Arc::new(dataset)));
        for (rows, split) in [(&train, "training"), (&tune, "tuning")] {
            anyhow::ensure!(
                has_a_class(&images, rows, &classes)?,
                "no {split} mask of {} has an id with a class, so there is nothing to {}\nhint: compare the masks' ids \
                 with {LABEL_LIST}, or with task.background and task.person",
                images.dataset().dir.display(),
                if split == "training" {
                    "learn"
                } else {
                    "choose the epoch by"
                }
            );
        }
        let weights = class_weights(&images, &train, &classes, labels.len(), task.balance)?;
        Ok(Self {
            images,
            labels,
            config,
            train,
            tune,
            classes,
            weights,
        })
    }
}

/// True if a pixel of the rows' masks has a class; reads masks until it finds one.
fn has_a_class(images: &Images, rows: &[usize], classes: &[u8; 256]) -> anyhow::Result<bool> {
    for row in rows {
        let known = |id: &u8| classes[usize::from(*id)] != UNLABELLED;
        if images.mask(*row)?.is_some_and(|mask| mask.ids().iter().any(known)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Computes the weight of every class, from its share of the pixels.
fn class_weights(
    images: &Images,
    rows: &[usize],
    classes: &[u8; 256],
    n_classes: usize,
    balance: f32,
) -> anyhow::Result<Vec<f32>> {
    if balance == 0.0 {
        return Ok(vec![1.0; n_classes]);
    }
    let mut pixels = vec![0u64; n_classes];
    for row in rows {
        let Some(mask) = images.mask(*row)? else { continue };
        for class in mask
            .ids()
            .iter()
            .map(|id| classes[usize::from(*id)])
            .filter(|class| *class != UNLABELLED)
        {
            pixels[usize::from(class)] += 1;
        }
    }
    let total = pixels.iter().sum::<u64>().max(1) as f32;
    // The weight of a class without a pixel has no effect.
    Ok(pixels
        .iter()
        .map(|pixels| (total / (*pixels).max(1) as f32 / n_classes as f32).powf(balance))
        .collect())
}

impl TrainingData for Segmented {
    fn images(&self) -> &Arc<Images> {
        &self.images
    }

    fn n_train(&self) -> usize {
        self.train.len()
    }

    fn n_tune(&self) -> usize {
        self.tune.len()
    }

    fn batches(&self, recipe: &Recipe, epoch: usize) -> Vec<Vec<usize>> {
        batches(&shuffled(&self.train, recipe.seed, epoch), recipe.optimiser.batch)
    }
}

/// Cross-entropy of the pixels that have a class.
#[derive(Debug)]
pub(crate) struct SegmentObjective<'a> {
    data: &'a Segmented,
    recipe: &'a Recipe,
    /// Device of evaluation.
    device: &'a Device,
}

impl SegmentObjective<'_> {
    /// Measures a network on the tuning rows.
    ///
    /// # Errors
    /// If an image or mask cannot be read.
    fn measure(&self, net: &UNet) -> anyhow::Result<Metrics> {
        let Segmented {
            images,
            labels,
            config,
            tune,
            ..
        } = self.data;
        let masked = Masked {
            images,
            spec: &self.recipe.input,
            config,
        };
        let overlaps = masked.overlaps(tune, self.device, |x| net.forward(x))?;
        let all: Vec<usize> = (0..overlaps.len()).collect();
        let score = mean_iou(&overlaps, &all);
        let mut metrics = vec![
            ("tune_mean_iou".to_owned(), score),
            ("tune_pixel_accuracy".to_owned(), pixel_accuracy(&overlaps, &all)),
        ];
        // The metrics of dozens of classes would make the printed line unreadable.
        if labels.len() <= 4 {
            let class_iou = |(class, name)| Some((format!("tune_iou_{name}"), iou(&overlaps, &all, class)?));
            metrics.extend(labels.iter().enumerate().filter_map(class_iou));
        }
        Ok(Metrics::new(score, metrics))
    }
}

impl Objective for SegmentObjective<'_> {
    type Net = UNet;

    fn maps(&self) -> Option<(usize, usize)> {
        let input = &self.recipe.input;
        // The configuration was checked when the network was built.
        self.data.config.map_size(input.height, input.width).ok()
    }

    fn loss(&self, net: &UNet, images: Tensor<4>, step: &Step<'_>) -> anyhow::Result<Tensor<1>> {
        let mut classes = Vec::new();
        for map in step.maps {
            let map = map.as_ref().context("a training image has no mask")?;
            classes.extend(classes_of(map, &self.data.classes));
        }
        Ok(pixel_cross_entropy(net.forward(images), &classes, &self.data.weights))
    }

    fn evaluate(&self, net: &UNet, _epoch: usize) -> anyhow::Result<Metrics> {
        self.measure(net)
    }

    fn weights(&self, net: &UNet) -> anyhow::Result<Vec<u8>> {
        Ok(save(net, Precision::F32)?)
    }
}

/// Cross-entropy of logits `[batch, classes, h, w]` against the pixels' `classes` in the order `[batch, h, w]`.
///
/// It is the mean over the pixels with a class, weighted by `weights` of the classes.
fn pixel_cross_entropy(logits: Tensor<4>, classes: &[u8], weights: &[f32]) -> Tensor<1> {
    let [batch, n_classes, height, width] = logits.dims();
    let device = logits.device();
    let pixels = batch * height * width;
    let weight = |class: &u8| {
        if *class == UNLABELLED {
            0.0
        } else {
            weights[usize::from(*class)]
        }
    };
    let weights_of_pixels: Vec<f32> = classes.iter().map(weight).collect();
    let total = weights_of_pixels.iter().sum::<f32>().max(f32::MIN_POSITIVE);
    let index: Vec<i32> = classes
        .iter()
        .map(|class| if *class == UNLABELLED { 0 } else { i32::from(*class) })
        .collect();
    let index = Tensor::<2, Int>::from_data(TensorData::new(index, [pixels, 1]), &device);
    let weights_of_pixels = Tensor::<2>::from_data(TensorData::new(weights_of_pixels, [pixels, 1]), &device);
    let log_probs = log_softmax(logits.permute([0, 2, 3, 1]).reshape([pixels, n_classes]), 1);
    (log_probs.gather(1, index) * weights_of_pixels).sum().neg() / total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixel_cross_entropy_agrees_with_hand_computed_values() {
        let device = Device::flex();
        // Two classes on 1 × 3 pixels: logits of class 0, then of class 1.
        let logits = Tensor::<4>::from_floats([[[[0.0, 2.0, 5.0]], [[1.0, 0.0, -5.0]]]], &device);
        let softplus = |x: f64| (1.0 + x.exp()).ln();
        for (classes, weights, expected) in [
            (
                [1, 0, 1],
                [1.0, 1.0],
                (softplus(-1.0) + softplus(-2.0) + softplus(10.0)) / 3.0,
            ),
            ([1, 0, UNLABELLED], [1.0, 1.0], (softplus(-1.0) + softplus(-2.0)) / 2.0),
            (
                [1, 0, UNLABELLED],
                [1.0, 3.0],
                (3.0 * softplus(-1.0) + softplus(-2.0)) / 4.0,
            ),
        ] {
            let loss: f32 = pixel_cross_entropy(logits.clone(), &classes, &weights).into_scalar();
            assert!((f64::from(loss) - expected).abs() < 1e-5, "{loss} {expected}");
        }
    }
}
