//! Mixup: pictures of a batch, and their targets, blended with one another (Zhang et al. 2018).

use super::engine::Step;
use burn::tensor::{Int, Tensor, TensorData};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Beta, Distribution};

/// How one batch is mixed.
#[derive(Debug, Clone, PartialEq)]
pub enum Mix {
    /// Not at all.
    Plain,
    /// Row `i` becomes `share · i + (1 − share) · partner[i]`.
    Blend {
        /// Share of the row itself, at least one half.
        share: f64,
        /// The other row.
        partner: Vec<i32>,
    },
}

impl Mix {
    /// Draws for a batch; it depends on the seed, the epoch and the batch's number only. `alpha` 0 mixes nothing.
    pub fn draw(alpha: f64, seed: u64, step: &Step<'_>) -> Self {
        let Ok(beta) = Beta::new(alpha, alpha) else {
            return Self::Plain;
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // Apart from the loader's streams, which leave the highest bits alone.
        rng.set_stream((1 << 63) | ((step.epoch as u64) << 32) | step.index as u64);
        let share: f64 = beta.sample(&mut rng);
        let mut partner: Vec<i32> = (0..step.rows.len() as i32).collect();
        partner.shuffle(&mut rng);
        Self::Blend {
            share: share.max(1.0 - share),
            partner,
        }
    }

    /// Images `[rows, 3, h, w]` and targets `[rows, labels]`, mixed alike.
    pub fn apply(&self, images: Tensor<4>, targets: Tensor<2>) -> (Tensor<4>, Tensor<2>) {
        let Self::Blend { share, partner } = self else {
            return (images, targets);
        };
        let index = Tensor::<1, Int>::from_data(TensorData::new(partner.clone(), [partner.len()]), &images.device());
        let other = (
            images.clone().select(0, index.clone()),
            targets.clone().select(0, index),
        );
        (
            images * *share + other.0 * (1.0 - share),
            targets * *share + other.1 * (1.0 - share),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn mixes_pictures_and_targets_by_the_same_share() {
        let step = Step {
            rows: &[4, 7, 9],
            epoch: 2,
            index: 5,
            maps: &[],
        };
        assert_eq!(Mix::draw(0.0, 1, &step), Mix::Plain);
        let mix = Mix::draw(0.4, 1, &step);
        assert_eq!(mix, Mix::draw(0.4, 1, &step));
        assert_ne!(mix, Mix::draw(0.4, 1, &Step { index: 6, ..step }));
        let device = Device::flex();
        let targets = Tensor::<2>::from_floats([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], &device);
        let images = targets.clone().reshape([3, 1, 1, 2]);
        let (images, targets) = mix.apply(images, targets);
        assert_eq!(images.reshape([3, 2]).into_data(), targets.clone().into_data());
        let Mix::Blend { share, partner } = mix else {
            panic!("nothing is mixed")
        };
        let targets: Vec<f32> = targets.into_data().iter::<f32>().collect();
        let expected = if partner[0] == 0 { 1.0 } else { share as f32 };
        assert!(share >= 0.5 && (targets[0] - expected).abs() < 1e-6, "{targets:?}");
    }
}
