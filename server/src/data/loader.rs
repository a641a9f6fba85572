//! Batches, decoded and augmented in parallel on other threads while the model computes.
//!
//! **Invariant:** a batch depends on the seed, the epoch and its rows only, never on the number of threads.

use super::augment::Augment;
use super::images::Images;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use shared::input::InputSpec;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

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

/// Inputs of one batch.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Rows of the dataset.
    pub rows: Vec<usize>,
    /// `[rows, 3, height, width]`, row-major.
    pub pixels: Vec<f32>,
}

/// Makes batches on a thread of its own.
#[derive(Debug)]
pub struct Loader {
    receiver: Receiver<anyhow::Result<Batch>>,
}

impl Loader {
    /// Starts making the batches of `plan`; `augment` is `None` for evaluation.
    pub fn start(images: Arc<Images>, spec: InputSpec, augment: Option<Augment>, plan: Plan) -> Self {
        let (sender, receiver) = sync_channel(AHEAD);
        std::thread::spawn(move || {
            for (index, rows) in plan.batches.into_iter().enumerate() {
                let batch = make(&images, &spec, augment, rows, (plan.seed, plan.epoch, index));
                // An error ends the epoch; so does a receiver that has gone.
                let failed = batch.is_err();
                if sender.send(batch).is_err() || failed {
                    return;
                }
            }
        });
        Self { receiver }
    }
}

impl Iterator for Loader {
    type Item = anyhow::Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.receiver.recv().ok()
    }
}

fn make(
    images: &Images,
    spec: &InputSpec,
    augment: Option<Augment>,
    rows: Vec<usize>,
    (seed, epoch, index): (u64, usize, usize),
) -> anyhow::Result<Batch> {
    let inputs: Vec<Vec<f32>> = rows
        .par_iter()
        .enumerate()
        .map(|(place, row)| {
            let image = images.get(*row)?;
            let input = match augment {
                None => spec.to_chw(image.pixels()?, None),
                Some(augment) => {
                    let mut rng = ChaCha8Rng::seed_from_u64(seed);
                    // One stream a picture: drawing more for one never shifts another's.
                    rng.set_stream(((epoch as u64) << 40) | ((index as u64) << 16) | place as u64);
                    augment.apply(&image, spec, &mut rng)
                }
            };
            Ok(input?)
        })
        .collect::<anyhow::Result<_>>()?;
    Ok(Batch { rows, pixels: inputs.concat() })
}
