//! Mixup: images of a batch and their targets are blended with one another (Zhang et al. 2018).

use crate::objective::Step;
use burn::tensor::{Int, Tensor, TensorData};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Beta, Distribution};

/// Mixing of one batch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Mix {
    /// No mixing.
    Plain,
    /// Row `i` becomes `share · i + (1 − share) · partner[i]`.
    Blend {
        /// Share of the row itself, at least one half.
        share: f64,
        /// The other row of each row.
        partner: Vec<i32>,
    },
}

impl Mix {
    /// Draws the mixing of a batch from the seed, the epoch and the batch's number only. `alpha` 0 mixes nothing. Rows are mixed
    /// with rows of equal `keys` alone, one key per row.
    pub(crate) fn draw<K: PartialEq>(alpha: f64, seed: u64, step: &Step<'_>, keys: &[K]) -> Self {
        let Ok(beta) = Beta::new(alpha, alpha) else {
            return Self::Plain;
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // The loader's streams do not use the highest bit.
        rng.set_stream((1 << 63) | ((step.epoch as u64) << 32) | step.index as u64);
        let share: f64 = beta.sample(&mut rng);
        let mut partner: Vec<i32> = vec![0; step.rows.len()];
        for (at, key) in keys.iter().enumerate() {
            if keys[..at].contains(key) {
                continue;
            }
            let alike: Vec<usize> = (at..keys.len()).filter(|other| keys[*other] == *key).collect();
            let mut others: Vec<i32> = alike.iter().map(|row| *row as i32).collect();
            others.shuffle(&mut rng);
            for (row, other) in alike.into_iter().zip(others) {
                partner[row] = other;
            }
        }
        Self::Blend {
            share: share.max(1.0 - share),
            partner,
        }
    }

    /// Mixes images `[rows, 3, h, w]` and targets `[rows, labels]` by the same share.
    pub(crate) fn apply(&self, images: Tensor<4>, targets: Tensor<2>) -> (Tensor<4>, Tensor<2>) {
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
    fn images_and_targets_are_mixed_by_the_same_share() {
        let step = Step {
            rows: &[4, 7, 9],
            epoch: 2,
            index: 5,
            maps: &[],
            learns: true,
        };
        assert_eq!(Mix::draw(0.0, 1, &step, &[0; 3]), Mix::Plain);
        let mix = Mix::draw(0.4, 1, &step, &[0; 3]);
        assert_eq!(mix, Mix::draw(0.4, 1, &step, &[0; 3]));
        assert_ne!(mix, Mix::draw(0.4, 1, &Step { index: 6, ..step }, &[0; 3]));
        let apart = Mix::draw(0.4, 1, &step, &[0, 1, 0]);
        assert!(
            matches!(&apart, Mix::Blend { partner, .. } if partner[1] == 1),
            "rows of different keys are not mixed: {apart:?}"
        );
        let device = Device::flex();
        let targets = Tensor::<2>::from_floats([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], &device);
        let images = targets.clone().reshape([3, 1, 1, 2]);
        let (images, targets) = mix.apply(images, targets);
        assert_eq!(images.reshape([3, 2]).into_data(), targets.clone().into_data());
        let Mix::Blend { share, partner } = mix else {
            panic!("the batch is not mixed")
        };
        let targets: Vec<f32> = targets.into_data().iter::<f32>().collect();
        let expected = if partner[0] == 0 { 1.0 } else { share as f32 };
        assert!(share >= 0.5 && (targets[0] - expected).abs() < 1e-6, "{targets:?}");
    }
}
