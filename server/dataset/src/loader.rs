//! Batches, decoded and augmented in parallel on other threads while the model computes.
//!
//! **Invariant:** a batch depends on the seed, the epoch and its rows only, never on the number of threads.

use super::augment::Augment;
use super::images::Images;
use super::mask::OUTSIDE;
use super::prefetch::{Prefetch, prefetch, until_error};
use super::recolouring::Recolouring;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use shared::input::{InputSpec, View};
use std::sync::Arc;

/// Batches made ahead of the model.
const AHEAD: usize = 3;

/// Which rows make which batches of one epoch.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Rows of each batch.
    pub batches: Vec<Vec<usize>>,
    /// Seed of the augmentation.
    pub seed: u64,
    /// Epoch, so that augmentation differs from one to the next.
    pub epoch: usize,
}

/// What batches are made of, and how.
#[derive(Debug, Clone)]
pub struct Source {
    /// The pictures.
    pub images: Arc<Images>,
    /// What the model expects.
    pub spec: InputSpec,
    /// What happens to the pictures; `None` for evaluation.
    pub augment: Option<Augment>,
    /// Which pictures get garments of other colours before anything else happens to them.
    pub recolour: Option<Arc<Recolouring>>,
    /// Height and width of the label maps; no mask is read if `None`.
    pub maps: Option<(usize, usize)>,
    /// Where pictures are decoded; the global pool if `None`.
    pub pool: Option<Arc<rayon::ThreadPool>>,
}

/// Inputs of one batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Rows of the dataset.
    pub rows: Vec<usize>,
    /// `[rows, 3, height, width]`, row-major.
    pub pixels: Vec<f32>,
    /// For each row its label map, `[height, width]` of [`Source::maps`] in the picture's own geometry, with
    /// [`OUTSIDE`] where the input shows nothing of the picture; `None` for rows without a mask.
    pub maps: Vec<Option<Vec<u8>>>,
}

/// Makes batches on a thread of its own.
#[derive(Debug)]
pub struct Loader {
    batches: Prefetch<anyhow::Result<Batch>>,
}

impl Loader {
    /// Starts making the batches of `plan`, pixels only and as they are.
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

    /// Starts making the batches of `plan`.
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
                // One stream a picture: drawing more for one never shifts another's.
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
                // A stream of its own: all other draws stay as they are without recolouring.
                let mut own = rng.clone();
                own.set_stream(rng.get_stream() | 1 << 63);
                recolouring.apply(&self.images, row, &mut own)?
            }
        };
        let turn = self.augment.map(|augment| augment.turn).unwrap_or_default();
        let quarters = turn.draw(self.images.dataset().rows[row].category(), rng);
        if quarters > 0 {
            image = Arc::new(image.turned(quarters));
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
                            .label_map(mask.turned(quarters).labels()?, &view, size, OUTSIDE)?,
                    )
                }
                Some(mask) => Some(self.spec.label_map(mask.labels()?, &view, size, OUTSIDE)?),
            },
        };
        Ok((pixels, map))
    }
}
