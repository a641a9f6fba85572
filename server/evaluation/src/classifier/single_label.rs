//! Figures of a classifier whose labels exclude each other, such as the categories: a picture is what its most probable
//! label says, and a search believes it only at that label's threshold.

use super::bootstrap::{Interval, interval};
use super::multilabel::Predictions;
use shared::score::{NEVER, descending, is_confident, top_k};
use std::collections::BTreeMap;

/// Seed of the bootstrap.
const SEED: u64 = 1;
impl Predictions {
    /// The most probable label of an image.
    pub fn top(&self, image: usize) -> usize {
        top_k(&self.probs[image], 1).first().map_or(0, |(label, _)| *label)
    }

    /// True if an image's most probable label is one of its labels.
    pub fn is_right(&self, image: usize) -> bool {
        self.truth[image][self.top(image)]
    }

    /// Share of the given images whose most probable label is right.
    pub fn accuracy(&self, images: &[usize]) -> f64 {
        images.iter().filter(|image| self.is_right(**image)).count() as f64 / images.len().max(1) as f64
    }

    /// Per label the lowest probability from which on, among the images whose most probable label it is, at least `share`
    /// are right; 1 for a label that never gets there.
    pub fn precise_thresholds(&self, share: f64) -> Vec<f32> {
        let threshold = |label: usize| {
            let mut called: Vec<(f32, bool)> = (0..self.probs.len())
                .filter(|image| self.top(*image) == label)
                .map(|image| (self.probs[image][label], self.truth[image][label]))
                .collect();
            called.sort_by(|a, b| descending(a.0, b.0));
            let (mut right, mut lowest) = (0, NEVER);
            for (at, (prob, is_right)) in called.iter().enumerate() {
                right += usize::from(*is_right);
                let last_of_equals = called.get(at + 1).is_none_or(|next| next.0 < *prob);
                if last_of_equals && right as f64 >= share * (at + 1) as f64 {
                    lowest = *prob;
                }
            }
            lowest
        };
        (0..self.labels.len()).map(threshold).collect()
    }
}

/// Accuracy over all images and over those that a search would believe, and the share of these.
pub fn figures(predictions: &Predictions, thresholds: &[f32]) -> BTreeMap<String, Interval> {
    let n = predictions.truth.len();
    let believed = |image: &usize| {
        let top = predictions.top(*image);
        is_confident(predictions.probs[*image][top], thresholds[top])
    };
    let of = |statistic: &(dyn Fn(&[usize]) -> f64 + Sync)| interval(n, SEED, statistic);
    let confident = |images: &[usize]| images.iter().copied().filter(believed).collect::<Vec<_>>();
    BTreeMap::from([
        ("accuracy".to_owned(), of(&|images| predictions.accuracy(images))),
        (
            "confident_share".to_owned(),
            of(&|images| confident(images).len() as f64 / images.len().max(1) as f64),
        ),
        (
            "confident_accuracy".to_owned(),
            of(&|images| {
                let images = confident(images);
                // Without an image there is nothing to count.
                if images.is_empty() {
                    f64::NAN
                } else {
                    predictions.accuracy(&images)
                }
            }),
        ),
    ])
}

/// Score of always predicting the most frequent label of the training split.
pub fn guess(predictions: &Predictions, frequency: &[usize]) -> f64 {
    let most = (0..frequency.len()).max_by_key(|label| frequency[*label]).unwrap_or(0);
    predictions.support(most) as f64 / predictions.truth.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_the_lowest_that_keep_the_promise() {
        // Images that are called `a`, by falling probability: right, right, wrong, right; one that is called `b`, wrongly.
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
                predictions.precise_thresholds(share),
                [expected, NEVER, NEVER],
                "{share}"
            );
        }
        let measured = figures(&predictions, &[0.8, NEVER, NEVER]);
        let value = |name: &str| measured[name].value;
        assert!((value("accuracy") - 4.0 / 6.0).abs() < 1e-12);
        assert!((value("confident_share") - 2.0 / 6.0).abs() < 1e-12);
        assert_eq!(value("confident_accuracy"), 1.0);
        assert!((guess(&predictions, &[5, 3, 9]) - 1.0 / 6.0).abs() < 1e-12);
        assert!(figures(&predictions, &[2.0; 3])["confident_accuracy"].value.is_nan());
    }
}
