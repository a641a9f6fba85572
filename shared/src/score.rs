//! Probabilities, tags and best matches from logits and similarities.
//!
//! **Invariant:** NaN ranks below every number and does not cause a panic.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// Computes the logistic function, `1 / (1 + e^-x)`. It is exact at both ends and NaN for NaN.
pub fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// A threshold that no probability reaches.
pub const NEVER: f32 = 1.0;

/// True if a classifier is confident of a label with this probability: the threshold can be reached, and the probability
/// reaches it.
pub fn is_confident(prob: f32, threshold: f32) -> bool {
    threshold < NEVER && prob >= threshold
}

/// A label with its probability for an image and the threshold of the label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tag {
    /// Identifier of the label.
    pub id: String,
    /// Name of the label's group.
    pub group: String,
    /// Probability, 0–1.
    pub prob: f32,
    /// Threshold of the label, 0–1.
    pub threshold: f32,
    /// Threshold of high precision, 0–1, if the bundle states one.
    pub precise: Option<f32>,
    /// True if the probability reaches the threshold. In a group whose labels exclude each other, only the most probable label
    /// can be on.
    pub on: bool,
    /// True if the probability reaches the precise threshold, under the same condition.
    pub stated: bool,
}

/// Computes the softmax of logits: values that sum to 1. It does not overflow.
pub fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.iter().map(|logit| (logit - largest).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

/// Sorts tags by falling probability. Tags of equal probability keep their order.
pub fn most_probable_first(tags: Vec<Tag>) -> Vec<Tag> {
    let mut tags = tags;
    tags.sort_by(|a, b| descending(a.prob, b.prob));
    tags
}

/// Returns the `k` largest scores with their indices, best first. Equal scores are in the order of their indices. NaN is last.
pub fn top_k(scores: &[f32], k: usize) -> Vec<(usize, f32)> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    let better = |a: &usize, b: &usize| descending(scores[*a], scores[*b]).then(a.cmp(b));
    if k < order.len() {
        order.select_nth_unstable_by(k, better);
        order.truncate(k);
    }
    order.sort_unstable_by(better);
    order.into_iter().map(|i| (i, scores[i])).collect()
}

/// Orders scores from best to worst, with NaN last.
pub fn descending(a: f32, b: f32) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (false, false) => b.partial_cmp(&a).unwrap_or(Ordering::Equal),
        (a, b) => a.cmp(&b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sigmoid_does_not_overflow() {
        for (logit, prob) in [
            (0.0, 0.5),
            (200.0, 1.0),
            (-200.0, 0.0),
            (f32::INFINITY, 1.0),
            (f32::NEG_INFINITY, 0.0),
        ] {
            assert_eq!(sigmoid(logit), prob);
        }
        assert!(sigmoid(f32::NAN).is_nan());
    }

    #[test]
    fn softmax_sums_to_one_and_does_not_overflow() {
        let three = 3.0_f32.ln();
        for (logits, probs) in [
            (vec![three, 0.0], [0.75, 0.25]),
            (vec![1e30, 0.0], [1.0, 0.0]),
            (vec![-1e30, 0.0], [0.0, 1.0]),
        ] {
            for (found, expected) in softmax(&logits).into_iter().zip(probs) {
                assert!((found - expected).abs() < 1e-6, "{logits:?}");
            }
        }
        assert!(softmax(&[f32::NAN, 0.0]).iter().all(|prob| prob.is_nan()));
    }

    proptest! {
        #[test]
        fn top_k_equals_a_full_sort(scores in proptest::collection::vec(
            prop_oneof![5 => (-3i8..3).prop_map(f32::from), 1 => Just(f32::NAN)], 0..40), k in 0usize..50) {
            let mut expected: Vec<usize> = (0..scores.len()).collect();
            expected.sort_by(|a, b| descending(scores[*a], scores[*b]));
            expected.truncate(k);
            let found: Vec<usize> = top_k(&scores, k).into_iter().map(|(i, _)| i).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
