//! Data of a classifier's plots: precision and recall, F2 by threshold, confusion of labels, and calibration.

use evaluation::classifier::{Calibration, Counts, Predictions};
use shared::score::descending;

/// One point of a precision–recall curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Operating {
    /// Share of the label's images that are predicted, 0–1.
    pub(crate) recall: f64,
    /// Share of the predicted images that carry the label, 0–1.
    pub(crate) precision: f64,
}

/// Computes precision and recall of one label at every distinct probability as a threshold, from the highest to the lowest.
///
/// The curve is empty for a label without a positive image.
pub(crate) fn precision_recall(predictions: &Predictions, label: usize) -> Vec<Operating> {
    let positives = predictions.support(label);
    if positives == 0 {
        return Vec::new();
    }
    let mut ranked: Vec<(f32, bool)> = predictions
        .probs
        .iter()
        .zip(&predictions.truth)
        .map(|(probs, truth)| (probs[label], truth[label]))
        .collect();
    ranked.sort_by(|a, b| descending(a.0, b.0));
    let mut found = 0;
    let mut curve = Vec::new();
    for (i, (prob, truth)) in ranked.iter().enumerate() {
        found += usize::from(*truth);
        // A threshold includes all images of one probability.
        if ranked.get(i + 1).is_none_or(|(next, _)| next != prob) {
            curve.push(Operating {
                recall: found as f64 / positives as f64,
                precision: found as f64 / (i + 1) as f64,
            });
        }
    }
    curve
}

/// Computes precision and recall of one label at a threshold. Precision is NaN without predictions.
pub(crate) fn operating_at(predictions: &Predictions, label: usize, threshold: f32) -> Operating {
    let Counts { tp, fp, fn_ } = predictions.counts_at(label, threshold);
    Operating {
        recall: tp as f64 / (tp + fn_) as f64,
        precision: tp as f64 / (tp + fp) as f64,
    }
}

/// Computes the F2 of one label at the thresholds 0, 0.01 … 1.
pub(crate) fn f2_by_threshold(predictions: &Predictions, label: usize) -> Vec<[f64; 2]> {
    (0..=100u8)
        .map(|step| {
            let threshold = f32::from(step) / 100.0;
            [f64::from(threshold), predictions.counts_at(label, threshold).f2()]
        })
        .collect()
}

/// Computes for each pair of `labels` the share of the images with the first label that are predicted to carry the second.
/// The line of a label without a positive image is NaN.
pub(crate) fn confusion(predictions: &Predictions, thresholds: &[f32], labels: &[usize]) -> Vec<Vec<f64>> {
    labels
        .iter()
        .map(|&truly| {
            let with: Vec<&Vec<f32>> = predictions
                .probs
                .iter()
                .zip(&predictions.truth)
                .filter_map(|(probs, truth)| truth[truly].then_some(probs))
                .collect();
            labels
                .iter()
                .map(|&predicted| {
                    let on = with
                        .iter()
                        .filter(|probs| probs[predicted] >= thresholds[predicted])
                        .count();
                    on as f64 / with.len() as f64
                })
                .collect()
        })
        .collect()
}

/// Measures the calibration over all labels. Probabilities that are not finite do not count.
pub(crate) fn calibration(predictions: &Predictions) -> Calibration {
    let probs = predictions.probs.iter().flatten().copied();
    let pairs = probs.zip(predictions.truth.iter().flatten().copied());
    Calibration::measure(pairs.filter(|(prob, _)| prob.is_finite()))
}

/// Computes the mean binary cross-entropy over labels of one image. Probabilities are limited to 1e-7–(1 − 1e-7).
pub(crate) fn image_loss(predictions: &Predictions, image: usize) -> f64 {
    let pairs = predictions.probs[image].iter().zip(&predictions.truth[image]);
    let losses = pairs.map(|(prob, truth)| {
        let prob = f64::from(*prob).clamp(1e-7, 1.0 - 1e-7);
        if *truth { -prob.ln() } else { -(1.0 - prob).ln() }
    });
    losses.sum::<f64>() / predictions.labels.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use evaluation::classifier::Ranking;

    /// Six images and two labels. No image carries the second label.
    fn predictions() -> Predictions {
        let probs = [0.9, 0.8, 0.8, 0.6, 0.3, 0.1];
        let truth = [true, false, true, true, false, false];
        Predictions {
            labels: vec!["a".to_owned(), "b".to_owned()],
            probs: probs.iter().map(|p| vec![*p, 0.05]).collect(),
            truth: truth.iter().map(|t| vec![*t, false]).collect(),
        }
    }

    #[test]
    fn curves_agree_with_scikit_learn() {
        let predictions = predictions();
        let curve = precision_recall(&predictions, 0);
        let expected = [
            (1.0 / 3.0, 1.0),
            (2.0 / 3.0, 2.0 / 3.0),
            (1.0, 0.75),
            (1.0, 0.6),
            (1.0, 0.5),
        ];
        assert_eq!(curve.len(), expected.len());
        for (point, (recall, precision)) in curve.iter().zip(expected) {
            assert!(
                (point.recall - recall).abs() < 1e-12 && (point.precision - precision).abs() < 1e-12,
                "{point:?}"
            );
        }
        // sklearn.metrics.average_precision_score([1, 0, 1, 1, 0, 0], [.9, .8, .8, .6, .3, .1])
        let average_precision = |label| Ranking::new(&predictions, label).areas(&[1; 6]).average_precision;
        assert!((average_precision(0) - 0.805_555_555_555_555_6).abs() < 1e-12);
        assert!(precision_recall(&predictions, 1).is_empty() && average_precision(1).is_nan());

        // sklearn.metrics.fbeta_score(y, p >= t, beta=2) at .0, .7 and .85
        let f2 = f2_by_threshold(&predictions, 0);
        for (step, value) in [(0, 0.833_333), (70, 0.666_667), (85, 0.384_615), (100, 0.0)] {
            assert!((f2[step][1] - value).abs() < 1e-6, "{step}: {:?}", f2[step]);
        }

        let matrix = confusion(&predictions, &[0.7, 0.01], &[0, 1]);
        assert!((matrix[0][0] - 2.0 / 3.0).abs() < 1e-12 && matrix[0][1] == 1.0 && matrix[1][0].is_nan());

        assert!((image_loss(&predictions, 4) - (-(0.7f64.ln()) - 0.95f64.ln()) / 2.0).abs() < 1e-6);
    }

    #[test]
    fn calibration_ignores_probabilities_that_are_not_finite() {
        let mut predictions = predictions();
        let expected = calibration(&predictions);
        predictions.probs.push(vec![f32::NAN; 2]);
        predictions.truth.push(vec![true; 2]);
        assert_eq!(calibration(&predictions), expected);
    }
}
