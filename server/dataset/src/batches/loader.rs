//! Loader of batches, which decodes and augments in parallel while the model computes.
//!
//! **Invariant:** a batch depends only on the seed, the epoch, its index and its rows, never on the number of threads.

use super::augment::Augment;
use super::garments::Recolouring;
use super::images::Images;
use crate::decode::OUTSIDE;
use crate::prefetch::{Prefetch, prefetch, until_error};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use shared::input::{InputSpec, View};
use std::sync::Arc;

/// Maximum number of batches that wait for the model.
const AHEAD: usize = 3;

/// Batches of one epoch.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Rows of each batch.
    pub batches: Vec<Vec<usize>>,
    /// Seed of the augmentation.
    pub seed: u64,
    /// Epoch, which makes the augmentation differ between epochs.
    pub epoch: usize,
}

/// Images and preprocessing of batches.
#[derive(Debug, Clone)]
pub struct Source {
    /// Images of the dataset.
    pub images: Arc<Images>,
    /// Input of the model.
    pub spec: InputSpec,
    /// Augmentation, or `None` for evaluation.
    pub augment: Option<Augment>,
    /// Recolouring, applied before the augmentation.
    pub recolour: Option<Arc<Recolouring>>,
    /// Height and width of the label maps, or `None` to read no masks.
    pub maps: Option<(usize, usize)>,
    /// Threads that decode, or `None` for the global pool.
    pub pool: Option<Arc<rayon::ThreadPool>>,
}

/// Inputs of one batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Indices of the dataset's rows.
    pub rows: Vec<usize>,
    /// Pixels `[rows, 3, height, width]`, row-major.
    pub pixels: Vec<f32>,
    /// Label map per row, `[height, width]` of [`Source::maps`], with the geometry of the augmented image. Positions outside
    /// the image are [`OUTSIDE`]. `None` for rows without a mask.
    pub maps: Vec<Option<Vec<u8>>>,
}

/// Iterator over batches that a background thread makes.
#[derive(Debug)]
pub struct Loader {
    batches: Prefetch<anyhow::Result<Batch>>,
}

impl Loader {
    /// Starts to make the batches of `plan`, without augmentation and label maps.
    pub fn start(images: Arc<Images>, spec: InputSpec, plan: Plan) -> Self {
        Self::open(
            Source {
                images,
                spec,
                augment: None,
                recolour: None,
                maps: None,
                pool: None,
            },
            plan,
        )
    }

    /// Starts to make the batches of `plan`.
    pub fn open(source: Source, plan: Plan) -> Self {
        let make = move |(index, rows)| {
            let make = || source.batch(rows, (plan.seed, plan.epoch, index));
            match &source.pool {
                Some(pool) => pool.install(make),
                None => make(),
            }
        };
        let batches = plan.batches.into_iter().enumerate().map(make);
        Self {
            batches: prefetch(AHEAD, until_error(batches)),
        }
    }
}

impl Iterator for Loader {
    type Item = anyhow::Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batches.next()
    }
}

impl Source {
    fn batch(&self, rows: Vec<usize>, (seed, epoch, index): (u64, usize, usize)) -> anyhow::Result<Batch> {
        let inputs: Vec<(Vec<f32>, Option<Vec<u8>>)> = rows
            .par_iter()
            .enumerate()
            .map(|(place, row)| {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                // Each image has its own stream, so its draws do not depend on other images.
                rng.set_stream(((epoch as u64) << 40) | ((index as u64) << 16) | place as u64);
                self.input(*row, &mut rng)
            })
            .collect::<anyhow::Result<_>>()?;
        let mut batch = Batch {
            pixels: Vec::with_capacity(rows.len() * self.spec.len()),
            rows,
            maps: Vec::new(),
        };
        for (pixels, map) in inputs {
            batch.pixels.extend(pixels);
            batch.maps.push(map);
        }
        Ok(batch)
    }

    fn input(&self, row: usize, rng: &mut ChaCha8Rng) -> anyhow::Result<(Vec<f32>, Option<Vec<u8>>)> {
        let mut image = match &self.recolour {
            None => self.images.get(row)?,
            Some(recolouring) => {
                // A separate stream keeps all other draws as they are without recolouring.
                let mut own = rng.clone();
                own.set_stream(rng.get_stream() | 1 << 63);
                recolouring.apply(&self.images, row, &mut own)?
            }
        };
        let rotations = self.augment.map(|augment| augment.rotate).unwrap_or_default();
        let quarters = rotations.draw(self.images.dataset().rows[row].category(), rng);
        if quarters > 0 {
            image = Arc::new(image.rotated(quarters));
        }
        let (pixels, view) = match &self.augment {
            None => (self.spec.to_chw(image.pixels()?, None)?, View::default()),
            Some(augment) => augment.apply(&image, &self.spec, rng)?,
        };
        let map = match self.maps {
            None => None,
            Some(size) => match self.images.mask(row)? {
                None => None,
                Some(mask) if quarters > 0 => {
                    Some(
                        self.spec
                            .label_map(mask.rotated(quarters).labels()?, &view, size, OUTSIDE)?,
                    )
                }
                Some(mask) => Some(self.spec.label_map(mask.labels()?, &view, size, OUTSIDE)?),
            },
        };
        Ok((pixels, map))
    }
}
