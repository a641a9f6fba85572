//! Training a segmentation network on a dataset's masks: cross-entropy pixel by pixel.

use super::batch::batches;
use super::engine::{Figures, Objective, Step};
use super::recipe::Recipe;
use anyhow::Context;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use dataset::{Dataset, Images};
use evaluation::segment::{Masked, classes_of, iou, masked_rows, mean_iou, pixel_accuracy};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use shared::model::unet::UNLABELLED;
use shared::model::{SegmentConfig, UNet};
use shared::weights::{Precision, save};
use std::sync::Arc;

/// Names of a dataset's mask ids, `id,name`, within its folder.
pub const LABEL_LIST: &str = "label_list.csv";

/// Segmentation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentRecipe {
    /// Name of a residual network in the registry of backbones.
    pub backbone: String,
    /// Channels of the expanding path, from the deepest level to the output.
    #[serde(default = "default_widths")]
    pub widths: [usize; 4],
    /// Which classes are told apart.
    #[serde(default)]
    pub classes: ClassSource,
    /// Mask ids of the background, for `groups`.
    #[serde(default = "default_background")]
    pub background: Vec<u8>,
    /// Mask ids of skin, hair and whatever else is the person and not the garment, for `groups`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub person: Vec<u8>,
    /// How far rare classes weigh more: weights are the inverse of the class's share of the pixels to this power, 0 for
    /// equal ones, 1 for full balance.
    #[serde(default)]
    pub balance: f32,
}

/// Which classes are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassSource {
    /// Background, person, and garment: every id that is neither.
    #[default]
    Groups,
    /// Every id of the dataset's `label_list.csv`.
    Dataset,
}

fn default_widths() -> [usize; 4] {
    [128, 64, 32, 16]
}

fn default_background() -> Vec<u8> {
    vec![0]
}

impl SegmentRecipe {
    /// Names of the classes, and the network that tells them apart.
    fn config(&self, dataset: &Dataset) -> anyhow::Result<(Vec<String>, SegmentConfig)> {
        let (labels, ids) = match self.classes {
            ClassSource::Groups => {
                anyhow::ensure!(
                    !self.person.is_empty(),
                    "task.person must list the mask ids of the person: [2] for a rendered shop, skin and hair elsewhere"
                );
                let labels = ["background", "person", "garment"].map(str::to_owned).to_vec();
                (labels, vec![self.background.clone(), self.person.clone(), Vec::new()])
            }
            ClassSource::Dataset => label_list(dataset)?
                .into_iter()
                .map(|(id, name)| (name, vec![id]))
                .unzip(),
        };
        Ok((
            labels,
            SegmentConfig {
                backbone: self.backbone.clone(),
                widths: self.widths,
                ids,
            },
        ))
    }
}

fn label_list(dataset: &Dataset) -> anyhow::Result<Vec<(u8, String)>> {
    #[derive(Deserialize)]
    struct Line {
        id: u8,
        name: String,
    }
    let path = dataset.dir.join(LABEL_LIST);
    let mut reader = csv::Reader::from_path(&path).with_context(|| {
        format!(
            "cannot read {}, which names the mask ids; use task.classes = \"groups\" without it",
            path.display()
        )
    })?;
    let lines: Vec<Line> = reader
        .deserialize()
        .collect::<Result<_, _>>()
        .with_context(|| format!("in {}", path.display()))?;
    Ok(lines.into_iter().map(|line| (line.id, line.name)).collect())
}

/// Rows with masks: which train and which choose the epoch.
#[derive(Debug)]
pub struct Segmented {
    /// The pictures and masks.
    pub images: Arc<Images>,
    /// Names of the classes.
    pub labels: Vec<String>,
    /// The network.
    pub config: SegmentConfig,
    /// Rows to learn from.
    pub train: Vec<usize>,
    /// Rows to choose by.
    pub tune: Vec<usize>,
    classes: [u8; 256],
    weights: Vec<f32>,
}

impl Segmented {
    /// Splits the rows with masks as the recipe says.
    ///
    /// # Errors
    /// If there are too few, the classes make no sense, or a mask cannot be read.
    pub fn new(dataset: Dataset, recipe: &Recipe, task: &SegmentRecipe) -> anyhow::Result<Self> {
        let (labels, config) = task.config(&dataset)?;
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
                shows_a_class(&images, rows, &classes)?,
                "no {split} mask of {} shows an id that has a class, so there is nothing to {}\nhint: compare the masks' ids \
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

/// Whether any pixel of the rows' masks has a class; reads no more masks than it takes to find one.
fn shows_a_class(images: &Images, rows: &[usize], classes: &[u8; 256]) -> anyhow::Result<bool> {
    for row in rows {
        let known = |id: &u8| classes[usize::from(*id)] != UNLABELLED;
        if images.mask(*row)?.is_some_and(|mask| mask.ids().iter().any(known)) {
            return Ok(true);
        }
    }
    Ok(false)
}

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
    // A class without a pixel is never the truth, so that its weight does not matter.
    Ok(pixels
        .iter()
        .map(|pixels| (total / (*pixels).max(1) as f32 / n_classes as f32).powf(balance))
        .collect())
}

/// Cross-entropy of the pixels that have a class.
#[derive(Debug)]
pub struct SegmentObjective<'a> {
    /// The data.
    pub data: &'a Segmented,
    /// The recipe.
    pub recipe: &'a Recipe,
    /// Where evaluation computes.
    pub device: &'a Device,
}

impl SegmentObjective<'_> {
    /// Figures on the tuning rows.
    ///
    /// # Errors
    /// If a picture or mask cannot be read.
    pub fn figures(&self, net: &UNet) -> anyhow::Result<Figures> {
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
        let found = masked.overlaps(tune, self.device, |x| net.forward(x))?;
        let all: Vec<usize> = (0..found.len()).collect();
        let score = mean_iou(&found, &all);
        let mut figures = vec![
            ("tune_mean_iou".to_owned(), score),
            ("tune_pixel_accuracy".to_owned(), pixel_accuracy(&found, &all)),
        ];
        // Dozens of classes would drown the line that a person reads.
        if labels.len() <= 4 {
            let of = |(class, name)| Some((format!("tune_iou_{name}"), iou(&found, &all, class)?));
            figures.extend(labels.iter().enumerate().filter_map(of));
        }
        Ok(Figures {
            score,
            figures: figures.into_iter().collect(),
        })
    }
}

impl Objective for SegmentObjective<'_> {
    type Net = UNet;

    fn batches(&self, epoch: usize) -> Vec<Vec<usize>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.recipe.seed);
        rng.set_stream(u64::MAX - epoch as u64);
        let mut rows = self.data.train.clone();
        rows.shuffle(&mut rng);
        batches(&rows, self.recipe.optimiser.batch)
    }

    fn maps(&self) -> Option<(usize, usize)> {
        Some(SegmentConfig::map_size(
            self.recipe.input.height,
            self.recipe.input.width,
        ))
    }

    fn loss(&self, net: &UNet, images: Tensor<4>, step: &Step<'_>) -> anyhow::Result<Tensor<1>> {
        let mut classes = Vec::new();
        for map in step.maps {
            let map = map.as_ref().context("a picture without a mask cannot be trained on")?;
            classes.extend(classes_of(map, &self.data.classes));
        }
        Ok(pixel_cross_entropy(net.forward(images), &classes, &self.data.weights))
    }

    fn evaluate(&self, net: &UNet, _epoch: usize) -> anyhow::Result<Figures> {
        self.figures(net)
    }

    fn weights(&self, net: &UNet) -> anyhow::Result<Vec<u8>> {
        Ok(save(net, Precision::F32)?)
    }
}

/// Cross-entropy of logits `[batch, classes, h, w]` against the pixels' `classes`, in the order `[batch, h, w]`: the mean
/// over pixels that have one, each weighing as its class does.
pub fn pixel_cross_entropy(logits: Tensor<4>, classes: &[u8], weights: &[f32]) -> Tensor<1> {
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
    let weighed: Vec<f32> = classes.iter().map(weight).collect();
    let total = weighed.iter().sum::<f32>().max(f32::MIN_POSITIVE);
    let index: Vec<i32> = classes
        .iter()
        .map(|class| if *class == UNLABELLED { 0 } else { i32::from(*class) })
        .collect();
    let index = Tensor::<2, Int>::from_data(TensorData::new(index, [pixels, 1]), &device);
    let weighed = Tensor::<2>::from_data(TensorData::new(weighed, [pixels, 1]), &device);
    let log_probs = log_softmax(logits.permute([0, 2, 3, 1]).reshape([pixels, n_classes]), 1);
    (log_probs.gather(1, index) * weighed).sum().neg() / total
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
