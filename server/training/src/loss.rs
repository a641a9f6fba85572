//! Losses as means over the batch.

use crate::recipe::LossRecipe;
use burn::tensor::activation::{log_sigmoid, log_softmax, sigmoid};
use burn::tensor::{Device, Int, Tensor, TensorData};
use shared::model::block::unit_norm;

/// Minimum probability of the wrong answer in the focal loss.
const WRONG_MIN: f64 = 1e-7;

/// Loss of a classifier, with weights from the training rows.
#[derive(Debug, Clone)]
pub struct ClassifierLoss {
    recipe: LossRecipe,
    positive_weights: Vec<f32>,
}

impl ClassifierLoss {
    /// Prepares the loss for labels with `positives` positive rows each among `rows` training rows.
    pub fn new(recipe: LossRecipe, positives: &[usize], rows: usize) -> Self {
        let positive_weights = match recipe {
            LossRecipe::Weighted { root, cap } => positives
                .iter()
                .map(|positives| {
                    // The weight of a label without a positive has no effect.
                    let ratio = (rows - positives) as f32 / (*positives).max(1) as f32;
                    let weight = if root { ratio.sqrt() } else { ratio };
                    if cap > 0.0 { weight.min(cap) } else { weight }
                })
                .collect(),
            _ => Vec::new(),
        };
        Self {
            recipe,
            positive_weights,
        }
    }

    /// Computes the loss of logits against targets in 0–1, both `[batch, labels]`.
    pub fn compute(&self, logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
        match self.recipe {
            LossRecipe::Bce => bce(logits, targets),
            LossRecipe::Weighted { .. } => {
                let weights = self.weights(&logits.device());
                weighted_bce(logits, targets, weights)
            }
            LossRecipe::Focal { alpha, gamma } => focal(logits, targets, alpha, gamma),
            LossRecipe::BceF2 { weight } => bce(logits.clone(), targets.clone()) + soft_f2(logits, targets) * weight,
        }
    }

    fn weights(&self, device: &Device) -> Tensor<2> {
        Tensor::from_data(
            TensorData::new(self.positive_weights.clone(), [1, self.positive_weights.len()]),
            device,
        )
    }
}

/// Binary cross-entropy whose positive terms have `weights`, `[1, labels]`; mean over batch and labels.
pub fn weighted_bce(logits: Tensor<2>, targets: Tensor<2>, weights: Tensor<2>) -> Tensor<1> {
    let yes = log_sigmoid(logits.clone()) * weights;
    let no = log_sigmoid(logits.neg());
    (targets.clone() * yes + (targets.neg() + 1.0) * no).mean().neg()
}

/// Focal loss: cross-entropy times `(1 − p)^gamma`, where `p` is the probability of the true answer. A negative `alpha`
/// gives positives and negatives equal weight.
pub fn focal(logits: Tensor<2>, targets: Tensor<2>, alpha: f64, gamma: f64) -> Tensor<1> {
    let absent = targets.clone().neg() + 1.0;
    let cross_entropy =
        (targets.clone() * log_sigmoid(logits.clone()) + absent.clone() * log_sigmoid(logits.clone().neg())).neg();
    let loss = if gamma == 0.0 {
        cross_entropy
    } else {
        let prob = sigmoid(logits);
        let wrong = targets.clone() * (prob.clone().neg() + 1.0) + absent.clone() * prob;
        // An exponent below 1 has no finite slope at 0, the value of a saturated sigmoid.
        cross_entropy * wrong.clamp_min(WRONG_MIN).powf_scalar(gamma)
    };
    if alpha < 0.0 {
        return loss.mean();
    }
    (loss * (targets * alpha + absent * (1.0 - alpha))).mean()
}

/// 1 − F2 with probabilities in place of decisions, mean over the labels that have a positive in the batch.
pub fn soft_f2(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    let prob = sigmoid(logits);
    let hits = (prob.clone() * targets.clone()).sum_dim(0);
    let positives = targets.sum_dim(0);
    // 5·TP + 4·FN + FP = TP + FP + 4·(TP + FN)
    let f2 = hits * 5.0 / (prob.sum_dim(0) + positives.clone() * 4.0 + 1e-7);
    let present = positives.greater_elem(0.0).float();
    let labels = present.clone().sum().clamp_min(1.0);
    ((f2.neg() + 1.0) * present).sum() / labels
}

/// Binary cross-entropy of logits `[batch, labels]` against targets in 0–1, mean over both.
pub fn bce(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    let yes = log_sigmoid(logits.clone());
    let no = log_sigmoid(logits.neg());
    (targets.clone() * yes + (targets.neg() + 1.0) * no).mean().neg()
}

/// Cross-entropy of logits `[batch, classes]` against class indices, with label smoothing (Szegedy et al. 2016, §7).
pub fn cross_entropy(logits: Tensor<2>, classes: Tensor<1, Int>, smoothing: f64) -> Tensor<1> {
    let log_probs = log_softmax(logits, 1);
    let [batch, _] = log_probs.dims();
    let truth = log_probs.clone().gather(1, classes.reshape([batch, 1])).mean();
    if smoothing == 0.0 {
        return truth.neg();
    }
    (truth * (1.0 - smoothing) + log_probs.mean() * smoothing).neg()
}

/// Contrast between two views of the same items (InfoNCE, van den Oord et al. 2018), in both directions. Rows of both
/// `[batch, dim]` correspond, and their norms have no effect. `negatives` are logits, `[batch, n]`, of further negatives of
/// `one`.
pub(crate) fn contrast(one: Tensor<2>, other: Tensor<2>, negatives: Option<Tensor<2>>, temperature: f64) -> Tensor<1> {
    let [batch, _] = one.dims();
    let device = one.device();
    let similarity = unit_norm(one).matmul(unit_norm(other).transpose()) / temperature;
    let diagonal = Tensor::<1, Int>::arange(0..batch as i64, &device);
    let candidates = match negatives {
        Some(negatives) => Tensor::cat(vec![similarity.clone(), negatives], 1),
        None => similarity.clone(),
    };
    let there = cross_entropy(candidates, diagonal.clone(), 0.0);
    let back = cross_entropy(similarity.transpose(), diagonal, 0.0);
    (there + back) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn value(loss: Tensor<1>) -> f64 {
        loss.into_scalar::<f32>().into()
    }

    #[test]
    fn losses_agree_with_hand_computed_values() {
        let device = Device::flex();
        let logits = Tensor::<2>::from_floats([[0.0, 2.0], [-1.0, 30.0]], &device);
        let targets = Tensor::<2>::from_floats([[1.0, 0.0], [0.25, 1.0]], &device);
        let softplus = |x: f64| (1.0 + x.exp()).ln();
        let expected = (softplus(0.0) + softplus(2.0) + (softplus(-1.0) + 0.25) + softplus(-30.0)) / 4.0;
        assert!((value(bce(logits.clone(), targets)) - expected).abs() < 1e-6);

        let classes = Tensor::<1, Int>::from_ints([1, 0], &device);
        let plain = (softplus(-2.0) + softplus(31.0)) / 2.0;
        assert!((value(cross_entropy(logits.clone(), classes.clone(), 0.0)) - plain).abs() < 1e-5);
        let mean_log_prob = -(softplus(-2.0) + softplus(2.0) + softplus(31.0) + softplus(-31.0)) / 4.0;
        let smoothed = 0.9 * plain - 0.1 * mean_log_prob;
        assert!((value(cross_entropy(logits, classes, 0.1)) - smoothed).abs() < 1e-5);

        let unit = Tensor::<2>::from_floats([[3.0, 0.0], [0.0, 0.5]], &device);
        let expected = softplus(-2.0);
        assert!((value(contrast(unit.clone(), unit, None, 0.5)) - expected).abs() < 1e-6);
    }
}
