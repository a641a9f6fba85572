//! Calibration maps, fitted by the cross-entropy of a group's labels.

use super::calibration::Calibration;
use super::multilabel::Predictions;
use serde::{Deserialize, Serialize};
use shared::bundle::{CalibrationMap, GroupKind, PlattScale};
use std::str::FromStr;

/// Positive and negative images that a label needs for a scale of its own.
const MIN_IMAGES: usize = 5;
/// Range of the temperature.
const TEMPERATURES: (f64, f64) = (0.05, 20.0);
/// Steps of the golden section, each of which reduces the range by a factor of 0.62.
const SECTIONS: usize = 60;
/// Newton steps of a label's scale.
const STEPS: usize = 50;
/// Weight of the squared distance of a scale, or of the logarithm of a temperature, from that of no calibration, in images. It
/// keeps the scale of separable labels finite.
const RIDGE: f64 = 1.0;

/// Method of calibration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Method {
    /// One temperature for the group.
    Temperature,
    /// A scale and a bias per label; a temperature for a group of the kind `one`.
    Platt,
}

impl FromStr for Method {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "temperature" => Ok(Self::Temperature),
            "platt" => Ok(Self::Platt),
            _ => Err(format!("'{text}' is neither temperature nor platt")),
        }
    }
}

/// Fits a calibration map to the logits of a group and their truth, both `[image][label]`.
pub(crate) fn fit(method: Method, kind: GroupKind, logits: &[Vec<f32>], truth: &[Vec<bool>]) -> CalibrationMap {
    match (method, kind) {
        (Method::Platt, GroupKind::Several) => CalibrationMap::Platt {
            labels: platt(logits, truth),
        },
        _ => CalibrationMap::Temperature {
            temperature: temperature(kind, logits, truth) as f32,
        },
    }
}

/// Computes the expected calibration error: over all labels for the kind `several`, of the most probable label for the kind
/// `one` (Guo et al. 2017).
pub(crate) fn calibration(kind: GroupKind, predictions: &Predictions) -> Calibration {
    match kind {
        GroupKind::Several => {
            let pairs = predictions.probs.iter().zip(&predictions.truth);
            Calibration::measure(pairs.flat_map(|(probs, truth)| probs.iter().copied().zip(truth.iter().copied())))
        }
        GroupKind::One => Calibration::measure((0..predictions.truth.len()).map(|image| {
            let top = predictions.top(image);
            (predictions.probs[image][top], predictions.truth[image][top])
        })),
    }
}

/// Returns the temperature with the lowest cross-entropy, with a ridge on its logarithm. The cross-entropy is convex in the
/// inverse temperature.
fn temperature(kind: GroupKind, logits: &[Vec<f32>], truth: &[Vec<bool>]) -> f64 {
    let cross_entropy = |temperature: f64| -> f64 {
        let of_image = |(logits, truth): (&Vec<f32>, &Vec<bool>)| -> f64 {
            let scaled: Vec<f64> = logits.iter().map(|logit| f64::from(*logit) / temperature).collect();
            match kind {
                GroupKind::Several => scaled
                    .iter()
                    .zip(truth)
                    .map(|(logit, on)| softplus(if *on { -logit } else { *logit }))
                    .sum(),
                GroupKind::One => {
                    let largest = scaled.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let sum: f64 = scaled.iter().map(|logit| (logit - largest).exp()).sum();
                    let own: f64 = scaled
                        .iter()
                        .zip(truth)
                        .filter(|(_, on)| **on)
                        .map(|(logit, _)| logit)
                        .sum();
                    largest + sum.ln() - own
                }
            }
        };
        logits.iter().zip(truth).map(of_image).sum::<f64>() + RIDGE * temperature.ln().powi(2) / 2.0
    };
    let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (TEMPERATURES.0.ln(), TEMPERATURES.1.ln());
    for _ in 0..SECTIONS {
        let (left, right) = (high - golden * (high - low), low + golden * (high - low));
        if cross_entropy(left.exp()) <= cross_entropy(right.exp()) {
            high = right;
        } else {
            low = left;
        }
    }
    f64::midpoint(low, high).exp()
}

/// Fits a scale and a bias per label. The labels with fewer than [`MIN_IMAGES`] positive or negative images share those that are
/// fitted to all of them together, or to all labels if these have too few positive images as well.
fn platt(logits: &[Vec<f32>], truth: &[Vec<bool>]) -> Vec<PlattScale> {
    let pairs = |label: usize| -> Vec<(f64, bool)> {
        let of_image = |(logits, truth): (&Vec<f32>, &Vec<bool>)| (f64::from(logits[label]), truth[label]);
        logits.iter().zip(truth).map(of_image).collect()
    };
    let labels = logits.first().map_or(0, Vec::len);
    let by_label: Vec<Vec<(f64, bool)>> = (0..labels).map(pairs).collect();
    let has_enough = |pairs: &[(f64, bool)]| {
        let positives = pairs.iter().filter(|(_, on)| *on).count();
        positives >= MIN_IMAGES && pairs.len() - positives >= MIN_IMAGES
    };
    let rare: Vec<(f64, bool)> = by_label
        .iter()
        .filter(|pairs| !has_enough(pairs))
        .flatten()
        .copied()
        .collect();
    let shared = if has_enough(&rare) { rare } else { by_label.concat() };
    let shared = logistic(&shared).unwrap_or(PlattScale { scale: 1.0, bias: 0.0 });
    let of_label = |pairs: &Vec<(f64, bool)>| has_enough(pairs).then(|| logistic(pairs)).flatten().unwrap_or(shared);
    by_label.iter().map(of_label).collect()
}

/// Fits `scale` and `bias` of a logistic regression on the logit by Newton's method, with Platt's smoothed targets (Platt 1999)
/// and a ridge on the distance of the scale from 1. Returns `None` if the scale is not positive.
fn logistic(pairs: &[(f64, bool)]) -> Option<PlattScale> {
    let positives = pairs.iter().filter(|(_, on)| *on).count() as f64;
    let negatives = pairs.len() as f64 - positives;
    let target = |on: bool| {
        if on {
            (positives + 1.0) / (positives + 2.0)
        } else {
            1.0 / (negatives + 2.0)
        }
    };
    let loss = |scale: f64, bias: f64| -> f64 {
        let of_pair = |(logit, on): &(f64, bool)| {
            let (x, target) = (scale * logit + bias, target(*on));
            target * softplus(-x) + (1.0 - target) * softplus(x)
        };
        pairs.iter().map(of_pair).sum::<f64>() + RIDGE * (scale - 1.0).powi(2) / 2.0
    };
    let (mut scale, mut bias) = (1.0, 0.0);
    for _ in 0..STEPS {
        let (mut g, mut h) = ([RIDGE * (scale - 1.0), 0.0], [RIDGE, 0.0, 1e-9]);
        for (logit, on) in pairs {
            let prob = 1.0 / (1.0 + (-(scale * logit + bias)).exp());
            let (slope, curve) = (prob - target(*on), prob * (1.0 - prob));
            g = [g[0] + slope * logit, g[1] + slope];
            h = [h[0] + curve * logit * logit, h[1] + curve * logit, h[2] + curve];
        }
        let determinant = h[0] * h[2] - h[1] * h[1];
        let step = [
            (h[2] * g[0] - h[1] * g[1]) / determinant,
            (h[0] * g[1] - h[1] * g[0]) / determinant,
        ];
        // A step is halved until the loss falls.
        let before = loss(scale, bias);
        let mut share = 1.0;
        while share > 1e-6 && loss(scale - share * step[0], bias - share * step[1]) > before {
            share /= 2.0;
        }
        (scale, bias) = (scale - share * step[0], bias - share * step[1]);
        if step[0].abs() + step[1].abs() < 1e-9 {
            break;
        }
    }
    let fitted = PlattScale {
        scale: scale as f32,
        bias: bias as f32,
    };
    (fitted.scale.is_finite() && fitted.scale > 0.0 && fitted.bias.is_finite()).then_some(fitted)
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Images of one label whose true log odds are `scale · logit + bias`.
    fn images(scale: f64, bias: f64) -> (Vec<Vec<f32>>, Vec<Vec<bool>>) {
        let draw = |i: usize, by: usize| (i * by % 4999) as f64 / 4999.0;
        let logit = |i: usize| 6.0 * draw(i, 37) - 3.0;
        let is_on = |i: usize| draw(i, 1223) < 1.0 / (1.0 + (-(scale * logit(i) + bias)).exp());
        (
            (0..4999).map(|i| vec![logit(i) as f32]).collect(),
            (0..4999).map(|i| vec![is_on(i)]).collect(),
        )
    }

    #[test]
    fn fitted_maps_recover_the_scale_of_the_data() {
        for (scale, bias) in [(1.0, 0.0), (0.5, 0.0), (2.0, -1.0), (0.5, 1.5)] {
            let (logits, truth) = images(scale, bias);
            let CalibrationMap::Platt { labels } = fit(Method::Platt, GroupKind::Several, &logits, &truth) else {
                panic!("Platt's map has labels")
            };
            let found = labels[0];
            assert!(
                (f64::from(found.scale) - scale).abs() < 0.1 * scale.max(1.0),
                "{scale} {bias}: {found:?}"
            );
            assert!((f64::from(found.bias) - bias).abs() < 0.15, "{scale} {bias}: {found:?}");
        }
        let (logits, truth) = images(0.5, 0.0);
        let CalibrationMap::Temperature { temperature } = fit(Method::Temperature, GroupKind::Several, &logits, &truth)
        else {
            panic!("it is a temperature")
        };
        assert!((temperature - 2.0).abs() < 0.15, "{temperature}");
    }

    #[test]
    fn the_temperature_of_labels_that_exclude_each_other_is_that_of_the_softmax() {
        // The first of two labels is true for three of four images, so its log odds are ln 3. The logits say ln 9.
        let logits = vec![vec![9.0_f32.ln(), 0.0]; 400];
        let truth: Vec<Vec<bool>> = (0..400).map(|i| vec![i % 4 != 0, i % 4 == 0]).collect();
        for method in [Method::Temperature, Method::Platt] {
            let map = fit(method, GroupKind::One, &logits, &truth);
            let CalibrationMap::Temperature { temperature } = map else {
                panic!("{map:?}")
            };
            assert!((temperature - 2.0).abs() < 0.05, "{temperature}");
        }
    }

    #[test]
    fn rare_labels_get_the_scale_of_all_labels() {
        let (logits, truth) = images(0.5, 0.0);
        let two: Vec<Vec<f32>> = logits.iter().map(|line| vec![line[0], line[0]]).collect();
        let rare: Vec<Vec<bool>> = truth.iter().enumerate().map(|(i, line)| vec![line[0], i < 2]).collect();
        let scales = platt(&two, &rare);
        let together = two.iter().flatten().zip(rare.iter().flatten());
        let pairs: Vec<(f64, bool)> = together.map(|(logit, on)| (f64::from(*logit), *on)).collect();
        let expected = logistic(&pairs).expect("the scale is positive");
        assert!(
            (scales[1].scale - expected.scale).abs() < 1e-4 && scales[0] != scales[1],
            "{scales:?}"
        );
    }
}
