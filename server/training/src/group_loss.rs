//! Loss of a classifier with several groups of labels.
//!
//! **Invariant:** a photo without truth for a group adds nothing to the group's loss.

use crate::loss::ClassifierLoss;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};
use shared::bundle::GroupKind;
use std::ops::Range;

/// Loss of one group: that of the recipe for the kind `several`, softmax cross-entropy for the kind `one`.
#[derive(Debug, Clone)]
pub(crate) struct GroupLoss {
    /// Number of labels that hold for one photo.
    pub(crate) kind: GroupKind,
    /// Columns of the group.
    pub(crate) labels: Range<usize>,
    /// Weight in the sum over groups.
    pub(crate) weight: f64,
    /// Loss of the kind `several`.
    pub(crate) loss: ClassifierLoss,
}

/// Weighted sum of the losses of groups, each the mean over the rows with truth for the group.
#[derive(Debug, Clone)]
pub(crate) struct GroupedLoss {
    /// Groups in the order of the labels.
    pub(crate) groups: Vec<GroupLoss>,
}

impl GroupedLoss {
    /// Computes the loss of logits against targets in 0–1, both `[batch, labels]`. `known` is true per row and group with truth.
    pub(crate) fn compute(&self, logits: Tensor<2>, targets: Tensor<2>, known: &[Vec<bool>]) -> Tensor<1> {
        let mut total: Option<Tensor<1>> = None;
        for (at, group) in self.groups.iter().enumerate() {
            let rows: Vec<i32> = (0..known.len())
                .filter(|row| known[*row][at])
                .map(|row| row as i32)
                .collect();
            if rows.is_empty() {
                continue;
            }
            let own = |values: &Tensor<2>| self.own(values, group, &rows, known.len());
            let loss = group.compute(own(&logits), own(&targets));
            total = Some(match total {
                None => loss,
                Some(total) => total + loss,
            });
        }
        // Nothing is known of a batch whose rows have masks alone.
        total.unwrap_or_else(|| logits.sum() * 0.0)
    }

    /// Returns the rows and columns of a group.
    fn own(&self, values: &Tensor<2>, group: &GroupLoss, rows: &[i32], batch: usize) -> Tensor<2> {
        let values = values.clone();
        let values = if rows.len() == batch {
            values
        } else {
            let index = Tensor::<1, Int>::from_data(TensorData::new(rows.to_vec(), [rows.len()]), &values.device());
            values.select(0, index)
        };
        if self.groups.len() == 1 {
            values
        } else {
            values.slice([0..rows.len(), group.labels.clone()])
        }
    }
}

impl GroupLoss {
    /// Computes the weighted loss of the group's logits and targets, both `[rows, labels of the group]`.
    fn compute(&self, logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
        let loss = match self.kind {
            GroupKind::Several => self.loss.compute(logits, targets),
            GroupKind::One => soft_cross_entropy(logits, targets),
        };
        if self.weight == 1.0 { loss } else { loss * self.weight }
    }
}

/// Cross-entropy of logits `[rows, labels]` against probabilities of the same shape, mean over the rows.
fn soft_cross_entropy(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    let [rows, _] = logits.dims();
    (log_softmax(logits, 1) * targets).sum().neg() / rows as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::LossRecipe;
    use burn::tensor::Device;

    fn losses(weight: f64) -> GroupedLoss {
        let group = |kind, labels, weight| GroupLoss {
            kind,
            labels,
            weight,
            loss: ClassifierLoss::new(LossRecipe::Bce, &[1, 1], 2),
        };
        GroupedLoss {
            groups: vec![
                group(GroupKind::Several, 0..2, 1.0),
                group(GroupKind::One, 2..4, weight),
            ],
        }
    }

    #[test]
    fn a_row_without_truth_for_a_group_adds_nothing() {
        let softplus = |x: f64| (1.0 + x.exp()).ln();
        // Row 0 knows the first group, row 1 the second, row 2 both.
        let logits = [[0.0, 2.0, 9.0, -9.0], [7.0, 7.0, 1.0, 0.0], [-1.0, 1.0, 0.0, 3.0]];
        let targets = [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0]];
        let several = (softplus(0.0) + softplus(2.0) + softplus(-1.0) + softplus(-1.0)) / 4.0;
        let one = (softplus(-1.0) + softplus(-3.0)) / 2.0;
        for (known, expected) in [
            ([[true, false], [false, true], [true, true]], several + 0.5 * one),
            ([[true, false], [false, false], [true, false]], several),
            ([[false, false], [false, true], [false, true]], 0.5 * one),
            ([[false; 2]; 3], 0.0),
        ] {
            let device = Device::flex().autodiff();
            let logits = Tensor::<2>::from_floats(logits, &device).require_grad();
            let known: Vec<Vec<bool>> = known.iter().map(|row| row.to_vec()).collect();
            let loss = losses(0.5).compute(logits.clone(), Tensor::from_floats(targets, &device), &known);
            let gradients = loss.backward();
            let value: f32 = loss.into_scalar();
            assert!(
                (f64::from(value) - expected).abs() < 1e-5,
                "{known:?}: {value}, not {expected}"
            );
            let gradient: Vec<f32> = logits
                .grad(&gradients)
                .expect("it is tracked")
                .into_data()
                .iter()
                .collect();
            for (at, slope) in gradient.iter().enumerate() {
                let is_known = known[at / 4][at % 4 / 2];
                assert!(
                    is_known || *slope == 0.0,
                    "{known:?}: row {} has the slope {slope}",
                    at / 4
                );
            }
        }
    }
}
