//! Metrics of a classifier whose labels exclude each other, such as the categories.
//!
//! The prediction of an image is its most probable label. A prediction is confident at that label's threshold; a search uses
//! confident predictions only.

use super::multilabel::Predictions;
use crate::statistics::{Interval, interval};
use shared::score::{NEVER, descending, is_confident, top_k};
use std::collections::BTreeMap;

impl Predictions {
    /// Returns the most probable label of an image.
    pub(super) fn top(&self, image: usize) -> usize {
        top_k(&self.probs[image], 1).first().map_or(0, |(label, _)| *label)
    }

    /// True if the image carries its most probable label.
    fn is_right(&self, image: usize) -> bool {
        self.truth[image][self.top(image)]
    }

    /// Computes the share of the given images whose most probable label is right.
    pub fn accuracy(&self, images: &[usize]) -> f64 {
        images.iter().filter(|image| self.is_right(**image)).count() as f64 / images.len().max(1) as f64
    }

    /// Returns the lowest threshold per label at which at least `share` of the predictions of the label are right. It is
    /// [`NEVER`] for a label that does not reach `share`.
    pub(super) fn confident_thresholds(&self, share: f64) -> Vec<f32> {
        let threshold = |label: usize| {
            let mut predicted: Vec<(f32, bool)> = (0..self.probs.len())
                .filter(|image| self.top(*image) == label)
                .map(|image| (self.probs[image][label], self.truth[image][label]))
                .collect();
            predicted.sort_by(|a, b| descending(a.0, b.0));
            let (mut right, mut lowest) = (0, NEVER);
            for (at, (prob, is_right)) in predicted.iter().enumerate() {
                right += usize::from(*is_right);
                let last_of_equals = predicted.get(at + 1).is_none_or(|next| next.0 < *prob);
                if last_of_equals && right as f64 >= share * (at + 1) as f64 {
                    lowest = *prob;
                }
            }
            lowest
        };
        (0..self.labels.len()).map(threshold).collect()
    }
}

/// Returns 1 per image whose most probable label is right, otherwise 0.
pub(super) fn right(predictions: &Predictions) -> Vec<Option<f64>> {
    let value = |image: usize| Some(f64::from(u8::from(predictions.is_right(image))));
    (0..predictions.truth.len()).map(value).collect()
}

/// Computes the accuracy over all images and over confident predictions, and the share of confident predictions.
pub(super) fn metrics(predictions: &Predictions, thresholds: &[f32]) -> BTreeMap<String, Interval> {
    let n = predictions.truth.len();
    let is_confident_at = |image: &usize| {
        let top = predictions.top(*image);
        is_confident(predictions.probs[*image][top], thresholds[top])
    };
    let measure = |statistic: &(dyn Fn(&[usize]) -> f64 + Sync)| interval(n, statistic);
    let confident = |images: &[usize]| images.iter().copied().filter(is_confident_at).collect::<Vec<_>>();
    BTreeMap::from([
        ("accuracy".to_owned(), measure(&|images| predictions.accuracy(images))),
        (
            "confident_share".to_owned(),
            measure(&|images| confident(images).len() as f64 / images.len().max(1) as f64),
        ),
        (
            "confident_accuracy".to_owned(),
            measure(&|images| {
                let images = confident(images);
                if images.is_empty() {
                    f64::NAN
                } else {
                    predictions.accuracy(&images)
                }
            }),
        ),
    ])
}

/// Computes the accuracy of always predicting the label with the highest `frequency` in the training split.
pub(super) fn most_frequent_accuracy(predictions: &Predictions, frequency: &[usize]) -> f64 {
    let most = (0..frequency.len()).max_by_key(|label| frequency[*label]).unwrap_or(0);
    predictions.support(most) as f64 / predictions.truth.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_the_lowest_with_the_wanted_share_of_right_predictions() {
        // Five images are predicted `a`, by falling probability, and one is predicted `b`, wrongly.
        let a = [(0.9, true), (0.8, true), (0.6, false), (0.6, true), (0.55, true)];
        let mut predictions = Predictions {
            labels: ["a", "b", "c"].map(str::to_owned).to_vec(),
            probs: a.iter().map(|(prob, _)| vec![*prob, 0.1, 0.0]).collect(),
            truth: a.iter().map(|(_, right)| vec![*right, false, !right]).collect(),
        };
        predictions.probs.push(vec![0.2, 0.7, 0.3]);
        predictions.truth.push(vec![true, false, false]);
        for (share, expected) in [(1.0, 0.8), (0.8, 0.55), (0.5, 0.55)] {
            assert_eq!(
                predictions.confident_thresholds(share),
                [expected, NEVER, NEVER],
                "{share}"
            );
        }
        let measured = metrics(&predictions, &[0.8, NEVER, NEVER]);
        let value = |name: &str| measured[name].value;
        assert!((value("accuracy") - 4.0 / 6.0).abs() < 1e-12);
        assert!((value("confident_share") - 2.0 / 6.0).abs() < 1e-12);
        assert_eq!(value("confident_accuracy"), 1.0);
        assert!((most_frequent_accuracy(&predictions, &[5, 3, 9]) - 1.0 / 6.0).abs() < 1e-12);
        assert!(metrics(&predictions, &[2.0; 3])["confident_accuracy"].value.is_nan());
    }
}
