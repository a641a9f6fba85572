//! Rules that choose the thresholds of a multi-label classifier.
//!
//! Macro F2 is a mean over labels and each label has its own threshold, so every rule chooses label by label.

use super::lbfgsb::minimise;
use super::multilabel::{Counts, Predictions};
use serde::{Deserialize, Serialize};
use shared::score::{descending, sigmoid};

/// Threshold of a label without a positive image to tune on.
const FALLBACK: f32 = 0.5;
/// Widths of the step in the soft F2, as logits. The first smooths over the steps of single images, the last is close to the
/// exact F2.
const SOFTNESS: [f64; 3] = [0.2, 0.05, 0.01];

/// Rule that chooses thresholds. In a recipe it is `"greedy"`, `"expected"`, `"lbfgsb"`, `{ fixed = 0.4 }` or
/// `{ precise = 0.98 }`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[derive(schemars::JsonSchema)]
pub enum ThresholdRule {
    /// This threshold, 0–1, for every label.
    Fixed(f32),
    /// Per label the threshold of a grid with the highest F2, as published.
    #[default]
    Greedy,
    /// Per label the threshold with the highest expected F2, for many labels on few images.
    Expected,
    /// Per label the threshold that L-BFGS-B finds on a soft F2, from several starts, as published next to the grid.
    Lbfgsb,
    /// For labels that exclude each other: per label the lowest threshold with this precision, 0–1, for a filter that must
    /// seldom be wrong.
    Precise(f32),
}

impl ThresholdRule {
    /// Chooses a threshold per label on `predictions`.
    pub fn choose(self, predictions: &Predictions) -> Vec<f32> {
        match self {
            Self::Fixed(value) => vec![value; predictions.labels.len()],
            Self::Greedy => predictions.greedy_thresholds(FALLBACK),
            Self::Expected => predictions.expected_thresholds(),
            Self::Lbfgsb => predictions.lbfgsb_thresholds(FALLBACK),
            Self::Precise(share) => predictions.confident_thresholds(f64::from(share)),
        }
    }

    /// Checks the rule's number.
    ///
    /// # Errors
    /// If a fixed threshold, or a precision, is not within 0–1.
    pub fn check(self) -> anyhow::Result<()> {
        let (what, value) = match self {
            Self::Fixed(value) => ("a fixed threshold", value),
            Self::Precise(share) => ("the precision of precise thresholds", share),
            Self::Greedy | Self::Expected | Self::Lbfgsb => return Ok(()),
        };
        anyhow::ensure!(
            (0.0..=1.0).contains(&value),
            "{what} must lie between 0 and 1, not at {value}"
        );
        Ok(())
    }
}

impl std::str::FromStr for ThresholdRule {
    type Err = anyhow::Error;

    /// Parses `greedy`, `expected`, `lbfgsb`, `precise:` and a precision, or a threshold of 0–1 for every label.
    fn from_str(text: &str) -> anyhow::Result<Self> {
        let rule = match text {
            "greedy" => Self::Greedy,
            "expected" => Self::Expected,
            "lbfgsb" => Self::Lbfgsb,
            _ => {
                let (kind, number): (fn(f32) -> Self, &str) = match text.strip_prefix("precise:") {
                    Some(share) => (Self::Precise, share),
                    None => (Self::Fixed, text),
                };
                kind(number.parse().map_err(|_| {
                    anyhow::anyhow!(
                        "'{text}' is not greedy, expected, lbfgsb, precise:0.98 or a number between 0 and 1"
                    )
                })?)
            }
        };
        rule.check()?;
        Ok(rule)
    }
}

impl Predictions {
    /// Chooses the threshold per label of 0–0.99 in steps of .01 with the highest F2, the lowest of ties.
    ///
    /// A label without a positive image keeps `fallback`.
    pub fn greedy_thresholds(&self, fallback: f32) -> Vec<f32> {
        let best = |label: usize| {
            if self.support(label) == 0 {
                return fallback;
            }
            let mut best = (0.0, f64::NEG_INFINITY);
            for step in 0..100u8 {
                let threshold = f32::from(step) / 100.0;
                let score = self.counts_at(label, threshold).f2();
                if score > best.1 {
                    best = (threshold, score);
                }
            }
            best.0
        };
        (0..self.labels.len()).map(best).collect()
    }

    /// Chooses the threshold per label with the highest expected F2 if every probability is calibrated (Lipton et al. 2014,
    /// <https://arxiv.org/abs/1402.1892>): the best of predicting the `k` most probable images, for every `k`.
    ///
    /// Probabilities are first calibrated by the temperature with the lowest cross-entropy (Guo et al. 2017). No other step
    /// uses the truth, so the rule does not overfit the few positive images of a rare label.
    fn expected_thresholds(&self) -> Vec<f32> {
        let temperature = self.temperature();
        (0..self.labels.len())
            .map(|label| {
                let mut probs: Vec<f32> = self.probs.iter().map(|line| line[label]).collect();
                probs.sort_by(|a, b| descending(*a, *b));
                let total: f64 = probs.iter().map(|prob| tempered(*prob, temperature)).sum();
                let mut taken = 0.0;
                let mut best = (0.0, f64::NEG_INFINITY);
                for (k, prob) in probs.iter().enumerate() {
                    taken += tempered(*prob, temperature);
                    let f2 = 5.0 * taken / (4.0 * total + (k + 1) as f64);
                    if f2 > best.1 {
                        best = (*prob, f2);
                    }
                }
                best.0
            })
            .collect()
    }

    /// Chooses the threshold per label with L-BFGS-B on [`Predictions::soft_f2`], each label by itself.
    ///
    /// The search starts at quantiles of the label's probabilities, from all images down to the most probable one, halving
    /// the number of images each time. So it reaches the threshold of a rare label as well as that of a frequent one. There
    /// is one search per start and width of [`SOFTNESS`]. Of all ends, the threshold with the highest F2 is chosen. A label without a positive image keeps `fallback`.
    fn lbfgsb_thresholds(&self, fallback: f32) -> Vec<f32> {
        (0..self.labels.len())
            .map(|label| self.lbfgsb_threshold(label).unwrap_or(fallback))
            .collect()
    }

    /// `None` without a positive image.
    fn lbfgsb_threshold(&self, label: usize) -> Option<f32> {
        let logits = self.logits(label);
        if logits.positive.is_empty() {
            return None;
        }
        let mut ranked = [&logits.positive[..], &logits.negative].concat();
        ranked.sort_by(|a, b| b.total_cmp(a));
        // The lower bound is below all images, the upper bound predicts the most probable one.
        let (lower, upper) = (ranked[ranked.len() - 1] - 1.0, ranked[0]);
        let starts = std::iter::successors(Some(ranked.len()), |n| (*n > 1).then_some(n / 2)).map(|n| ranked[n - 1]);
        let mut best: Option<(f32, f64)> = None;
        for start in starts {
            for softness in SOFTNESS {
                let objective = |at: &[f64], gradient: &mut [f64]| {
                    let (value, slope) = logits.soft_f2(at[0], softness);
                    gradient[0] = -slope;
                    -value
                };
                let end = minimise(objective, &[start], &[lower], &[upper]);
                let threshold = sigmoid(end.x[0] as f32);
                let f2 = self.counts_at(label, threshold).f2();
                if best.is_none_or(|(_, known)| f2 > known) {
                    best = Some((threshold, f2));
                }
            }
        }
        best.map(|(threshold, _)| threshold)
    }

    /// Computes the F2 of a label with each image counted as predicted with weight σ((logit(p) − `threshold`) / `softness`),
    /// and its derivative by `threshold`, which is a logit.
    pub fn soft_f2(&self, label: usize, threshold: f64, softness: f64) -> (f64, f64) {
        self.logits(label).soft_f2(threshold, softness)
    }

    fn logits(&self, label: usize) -> Logits {
        let select = |on: bool| {
            self.probs
                .iter()
                .zip(&self.truth)
                .filter(|(_, truth)| truth[label] == on)
                .map(|(probs, _)| logit(probs[label]))
                .collect()
        };
        Logits {
            positive: select(true),
            negative: select(false),
        }
    }

    /// Counts the outcomes of one label over all images at a threshold.
    pub fn counts_at(&self, label: usize, threshold: f32) -> Counts {
        let mut counts = Counts::default();
        for (probs, truth) in self.probs.iter().zip(&self.truth) {
            counts.add(truth[label], probs[label] >= threshold);
        }
        counts
    }

    /// Returns the temperature of 0.5–5 in steps of .1 with the lowest cross-entropy.
    fn temperature(&self) -> f64 {
        let cross_entropy = |temperature: f64| -> f64 {
            let pairs = self.probs.iter().flatten().zip(self.truth.iter().flatten());
            pairs
                .map(|(prob, on)| {
                    let prob = tempered(*prob, temperature);
                    if *on { -prob.ln() } else { -(1.0 - prob).ln() }
                })
                .sum()
        };
        let temperatures = (5..=50u8).map(|tenths| f64::from(tenths) / 10.0);
        let scored = temperatures.map(|temperature| (temperature, cross_entropy(temperature)));
        scored
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .map_or(1.0, |(temperature, _)| temperature)
    }
}

/// Logits of a label's probabilities by truth.
struct Logits {
    positive: Vec<f64>,
    negative: Vec<f64>,
}

impl Logits {
    fn soft_f2(&self, threshold: f64, softness: f64) -> (f64, f64) {
        // Sum of the weights and its derivative by the threshold.
        let predicted = |logits: &[f64]| {
            logits.iter().fold((0.0, 0.0), |(sum, slope), logit| {
                let weight = 1.0 / (1.0 + ((threshold - logit) / softness).exp());
                (sum + weight, slope - weight * (1.0 - weight) / softness)
            })
        };
        let ((tp, tp_slope), (fp, fp_slope)) = (predicted(&self.positive), predicted(&self.negative));
        let denominator = 4.0 * self.positive.len() as f64 + tp + fp;
        if denominator == 0.0 {
            return (0.0, 0.0);
        }
        let slope = 5.0 * (tp_slope * denominator - tp * (tp_slope + fp_slope)) / (denominator * denominator);
        (5.0 * tp / denominator, slope)
    }
}

/// Logit of a probability, which is first limited to 1e-7–(1 − 1e-7) so that the logit is finite.
fn logit(prob: f32) -> f64 {
    let prob = f64::from(prob).clamp(1e-7, 1.0 - 1e-7);
    (prob / (1.0 - prob)).ln()
}

/// Probability with its logit divided by the temperature.
fn tempered(prob: f32, temperature: f64) -> f64 {
    1.0 / (1.0 + (-logit(prob) / temperature).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Calibrated predictions for `sharpness` 1; their logits are multiplied by `sharpness`.
    fn predictions(sharpness: f32) -> Predictions {
        let draw = |i: usize, by: usize| (i * by % 997) as f32 / 997.0;
        let true_prob = |i: usize| 0.02 + 0.6 * draw(i, 37).powi(2);
        let sharpened = |p: f32| 1.0 / (1.0 + ((1.0 - p) / p).powf(sharpness));
        Predictions {
            labels: vec!["a".to_owned()],
            probs: (0..997).map(|i| vec![sharpened(true_prob(i))]).collect(),
            truth: (0..997).map(|i| vec![draw(i, 611) < true_prob(i)]).collect(),
        }
    }

    #[test]
    fn rules_that_use_the_truth_find_nearly_the_best_f2() {
        for (rule, share) in [
            (ThresholdRule::Greedy, 1.0),
            (ThresholdRule::Expected, 0.97),
            (ThresholdRule::Lbfgsb, 0.995),
        ] {
            for sharpness in [1.0, 2.0] {
                let predictions = predictions(sharpness);
                let f2 = |threshold: f32| predictions.counts_at(0, threshold).f2();
                let best = (0..100u8).map(|step| f2(f32::from(step) / 100.0)).fold(0.0, f64::max);
                let chosen = rule.choose(&predictions)[0];
                assert!(
                    f2(chosen) >= share * best,
                    "{rule:?}, {sharpness}: {chosen} gives {} of {best}",
                    f2(chosen)
                );
                assert!(f2(0.0) < 0.9 * best && f2(0.9) < 0.9 * best);
            }
        }
        assert!(
            (predictions(2.0).temperature() - 2.0).abs() < 0.4,
            "{}",
            predictions(2.0).temperature()
        );
        let never = Predictions {
            truth: vec![vec![false]; 997],
            ..predictions(1.0)
        };
        for rule in [ThresholdRule::Greedy, ThresholdRule::Lbfgsb] {
            assert_eq!(rule.choose(&never), [FALLBACK], "there is no positive image");
        }
        assert_eq!(never.soft_f2(0, 0.0, 0.1).0, 0.0);
    }

    /// Images whose logits are normal with the mean −7, or −5 for the one in 500 that carries the label.
    fn rare_label(seed: u64) -> Predictions {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut normal = || (0..12).map(|_| rng.random_range(-0.5f32..0.5)).sum::<f32>();
        let truth: Vec<Vec<bool>> = (0..10_000).map(|image| vec![image % 500 == 0]).collect();
        let logit = |on: bool| if on { -5.0 } else { -7.0 };
        Predictions {
            labels: vec!["rare".to_owned()],
            probs: truth
                .iter()
                .map(|truth| vec![sigmoid(logit(truth[0]) + normal())])
                .collect(),
            truth,
        }
    }

    #[test]
    fn lbfgsb_finds_the_threshold_of_a_rare_label() {
        for seed in 0..8 {
            let predictions = rare_label(seed);
            let f2 = |threshold: f32| predictions.counts_at(0, threshold).f2();
            // The best threshold is the probability of a positive image.
            let positive = predictions.probs.iter().step_by(500);
            let best = positive.map(|probs| f2(probs[0])).fold(0.0, f64::max);
            let chosen = ThresholdRule::Lbfgsb.choose(&predictions)[0];
            assert!(
                f2(chosen) >= 0.95 * best,
                "seed {seed}: {chosen} has F2 {}, the best threshold has {best}",
                f2(chosen)
            );
        }
    }

    #[test]
    fn the_soft_f2_has_the_stated_slope_and_approximates_f2() {
        let predictions = predictions(1.0);
        for threshold in [-6.0, -2.0, -1.0, -0.4, 1.5, 6.0] {
            let (value, slope) = predictions.soft_f2(0, threshold, 0.1);
            let by = 1e-6;
            let (above, below) = (
                predictions.soft_f2(0, threshold + by, 0.1).0,
                predictions.soft_f2(0, threshold - by, 0.1).0,
            );
            assert!(
                (slope - (above - below) / (2.0 * by)).abs() < 1e-6,
                "{threshold}: {slope}"
            );
            assert!(
                (value - predictions.counts_at(0, sigmoid(threshold as f32)).f2()).abs() < 0.05,
                "{threshold}: {value}"
            );
        }
    }

    #[test]
    fn rules_are_parsed_from_recipes_and_from_the_command_line() {
        #[derive(Deserialize)]
        struct Table {
            rule: ThresholdRule,
        }
        let cases = [
            ("\"greedy\"", "greedy", ThresholdRule::Greedy),
            ("\"expected\"", "expected", ThresholdRule::Expected),
            ("\"lbfgsb\"", "lbfgsb", ThresholdRule::Lbfgsb),
            ("{ fixed = 0.25 }", "0.25", ThresholdRule::Fixed(0.25)),
            ("{ precise = 0.75 }", "precise:0.75", ThresholdRule::Precise(0.75)),
        ];
        for (toml, argument, rule) in cases {
            let table: Table = toml::from_str(&format!("rule = {toml}")).expect("the rule is valid");
            assert_eq!(
                (
                    table.rule,
                    argument.parse::<ThresholdRule>().expect("the rule is valid")
                ),
                (rule, rule)
            );
        }
        for wrong in ["1.5", "-0.1", "best", "NaN", "precise:", "precise:2"] {
            assert!(wrong.parse::<ThresholdRule>().is_err(), "{wrong}");
        }
    }
}
