//! Loss of dense supervision: weighted cross-entropy of every position with a known class.

use crate::recipe::DenseRecipe;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};
use dataset::{Images, OUTSIDE};

/// Input pixels per position of the class maps, in both directions.
pub(crate) const MAP_STRIDE: usize = 8;
/// Maximum weight of a class, in units of the mean weight of a position.
const MAX_WEIGHT: f64 = 20.0;

/// Cross-entropy of positions, with the inverse square root of a class's frequency as its weight.
#[derive(Debug, Clone)]
pub(crate) struct DenseLoss {
    weight: f64,
    class_weights: Vec<f32>,
}

impl DenseLoss {
    /// Counts the classes of the training rows' masks.
    ///
    /// # Errors
    /// If no row has a mask, or a mask has an id that the recipe has no class for.
    pub(crate) fn new(recipe: &DenseRecipe, images: &Images, train: &[usize]) -> anyhow::Result<Self> {
        let classes = recipe.head.classes;
        let mut counts = vec![0_u64; classes];
        for &row in train {
            let Some(mask) = images.mask(row)? else { continue };
            for &id in mask.ids() {
                let Some(count) = counts.get_mut(usize::from(id)) else {
                    anyhow::bail!(
                        "the mask {} has the id {id}, and task.dense.classes = {classes} ends before it",
                        images.dataset().rows[row].mask
                    );
                };
                *count += 1;
            }
        }
        let total = counts.iter().sum::<u64>() as f64;
        anyhow::ensure!(
            total > 0.0,
            "task.dense learns from masks, and no training row of {} has one; leave task.dense out",
            images.dataset().dir.display()
        );
        let shares: Vec<f64> = counts.iter().map(|count| *count as f64 / total).collect();
        let raw: Vec<f64> = shares.iter().map(|share| (share + 1e-4).powf(-0.5)).collect();
        let mean: f64 = raw.iter().zip(&shares).map(|(weight, share)| weight * share).sum();
        let class_weights = raw
            .iter()
            .map(|weight| (weight / mean).min(MAX_WEIGHT) as f32)
            .collect();
        Ok(Self {
            weight: recipe.weight,
            class_weights,
        })
    }

    /// Computes the loss of class logits `[batch, classes, h, w]` against `maps` of `h · w` ids. Positions without a class
    /// do not count.
    pub(crate) fn compute(&self, logits: Tensor<4>, maps: &[Option<Vec<u8>>]) -> Tensor<1> {
        let [batch, classes, height, width] = logits.dims();
        let (device, n) = (logits.device(), batch * height * width);
        let unknown = vec![OUTSIDE; height * width];
        let ids = maps.iter().flat_map(|map| map.as_ref().unwrap_or(&unknown));
        let (truth, weights): (Vec<i32>, Vec<f32>) = ids
            .map(|id| match self.class_weights.get(usize::from(*id)) {
                Some(weight) => (i32::from(*id), *weight),
                None => (0, 0.0),
            })
            .unzip();
        let known = weights.iter().filter(|weight| **weight > 0.0).count().max(1);
        let log_probs = log_softmax(logits, 1)
            .reshape([batch, classes, height * width])
            .swap_dims(1, 2);
        let truth = Tensor::<2, Int>::from_data(TensorData::new(truth, [n, 1]), &device);
        let weights = Tensor::<2>::from_data(TensorData::new(weights, [n, 1]), &device);
        let found = log_probs.reshape([n, classes]).gather(1, truth) * weights;
        found.sum().neg() * (self.weight / known as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn only_positions_with_a_class_count_with_its_weight() {
        let loss = DenseLoss {
            weight: 0.5,
            class_weights: vec![1.0, 3.0],
        };
        let logits = Tensor::<1>::from_floats([0.0, 2.0, 5.0, 1.0], &Device::flex()).reshape([1, 2, 1, 2]);
        let softplus = |x: f64| (1.0 + x.exp()).ln();
        // Position 0 has the logits (0, 5) and class 1, position 1 has (2, 1) and class 0.
        for (map, expected) in [
            (vec![1, 0], 0.5 * (3.0 * softplus(-5.0) + softplus(-1.0)) / 2.0),
            (vec![1, OUTSIDE], 0.5 * 3.0 * softplus(-5.0)),
        ] {
            let value: f32 = loss.compute(logits.clone(), &[Some(map)]).into_scalar();
            assert!((f64::from(value) - expected).abs() < 1e-6, "{value}, not {expected}");
        }
        let value: f32 = loss.compute(logits, &[None]).into_scalar();
        assert_eq!(value, 0.0);
    }
}
