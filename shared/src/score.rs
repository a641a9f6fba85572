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
    /// Probability, 0–1.
    pub prob: f32,
    /// Threshold of the label, 0–1.
    pub threshold: f32,
    /// Threshold of high precision, 0–1, if the bundle states one.
    pub precise: Option<f32>,
    /// True if the probability reaches the threshold.
    pub on: bool,
}

/// Returns all labels as tags, most probable first.
///
/// `labels`, `logits` and `thresholds` have the same length. `precise` has the same length or is empty.
pub fn tags(labels: &[String], logits: &[f32], thresholds: &[f32], precise: &[Option<f32>]) -> Vec<Tag> {
    debug_assert!(labels.len() == logits.len() && logits.len() == thresholds.len());
    let probs: Vec<f32> = logits.iter().copied().map(sigmoid).collect();
    top_k(&probs, probs.len())
        .into_iter()
        .map(|(i, prob)| Tag {
            id: labels[i].clone(),
            prob,
            threshold: thresholds[i],
            precise: precise.get(i).copied().flatten(),
            on: prob >= thresholds[i],
        })
        .collect()
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
    fn tags_are_sorted_and_have_the_thresholds_of_their_labels() {
        let labels = ["a", "b", "c"].map(String::from);
        let tagged = |precise: &[Option<f32>]| tags(&labels, &[0.0, 2.0, f32::NAN], &[0.5, 0.9, 0.0], precise);
        let shown: Vec<_> = tagged(&[None, Some(0.8), None])
            .into_iter()
            .map(|tag| (tag.id, tag.on, tag.precise))
            .collect();
        let expected = [("b", false, Some(0.8)), ("a", true, None), ("c", false, None)];
        assert_eq!(shown, expected.map(|(id, on, precise)| (id.to_owned(), on, precise)));
        assert!(
            tagged(&[]).iter().all(|tag| tag.precise.is_none()),
            "a bundle without precise thresholds has none"
        );
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
