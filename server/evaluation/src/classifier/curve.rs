//! Precision and recall of a label at several thresholds, for a choice of recall.

use super::multilabel::Predictions;
use shared::bundle::CurvePoint;
use shared::score::descending;

/// Largest number of points of a label.
const POINTS: usize = 20;

/// Returns a label's points by falling threshold: the thresholds at which the recall first reaches 5 %, 10 % and so on up to
/// 100 %. A label without a positive image has none.
pub(crate) fn curve(predictions: &Predictions, label: usize) -> Vec<CurvePoint> {
    let mut images: Vec<(f32, bool)> = predictions
        .probs
        .iter()
        .zip(&predictions.truth)
        .map(|(probs, truth)| (probs[label], truth[label]))
        .filter(|(prob, _)| prob.is_finite())
        .collect();
    images.sort_by(|a, b| descending(a.0, b.0));
    let support = images.iter().filter(|(_, on)| *on).count();
    let (mut right, mut points) = (0, Vec::new());
    for (at, (prob, is_right)) in images.iter().enumerate() {
        right += usize::from(*is_right);
        // A threshold includes all images of one probability or none.
        if images.get(at + 1).is_some_and(|next| next.0 == *prob) {
            continue;
        }
        let reached = right * POINTS / support.max(1);
        if reached > points.len() && right > 0 {
            let point = CurvePoint {
                threshold: *prob,
                precision: right as f32 / (at + 1) as f32,
                recall: right as f32 / support as f32,
            };
            points.resize(reached, point);
        }
    }
    points.dedup();
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_has_the_thresholds_at_which_the_recall_rises() {
        let images = [(0.9, true), (0.8, false), (0.7, true), (0.2, false), (0.1, false)];
        let mut predictions = Predictions {
            labels: vec!["a".to_owned()],
            probs: images.iter().map(|(prob, _)| vec![*prob]).collect(),
            truth: images.iter().map(|(_, on)| vec![*on]).collect(),
        };
        let points: Vec<_> = curve(&predictions, 0)
            .into_iter()
            .map(|point| (point.threshold, point.precision, point.recall))
            .collect();
        assert_eq!(points, [(0.9, 1.0, 0.5), (0.7, 2.0 / 3.0, 1.0)]);
        predictions.truth = vec![vec![false]; 5];
        assert_eq!(curve(&predictions, 0), []);
    }
}
