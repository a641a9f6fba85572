//! Losses as means over the batch.

use burn::tensor::activation::{log_sigmoid, log_softmax};
use burn::tensor::{Int, Tensor};
use shared::model::retrieval::unit_norm;

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

/// Contrast between two views of the same items, row by row, over the batch (InfoNCE, van den Oord et al. 2018), in both
/// directions; `[batch, dim]` each, of any length.
pub fn contrast(one: Tensor<2>, other: Tensor<2>, temperature: f64) -> Tensor<1> {
    let [batch, _] = one.dims();
    let device = one.device();
    let similarity = unit_norm(one).matmul(unit_norm(other).transpose()) / temperature;
    let diagonal = Tensor::<1, Int>::arange(0..batch as i64, &device);
    let there = cross_entropy(similarity.clone(), diagonal.clone(), 0.0);
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
    fn agree_with_hand_computed_values() {
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
        assert!((value(contrast(unit.clone(), unit, 0.5)) - expected).abs() < 1e-6);
    }
}
