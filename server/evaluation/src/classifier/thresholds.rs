//! Thresholds of a multi-label classifier: how they are chosen.
//!
//! Macro F2 is a mean over labels and each label has its own threshold, so every rule may choose label by label.

use super::lbfgsb::minimise;
use super::multilabel::{Counts, Predictions};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Threshold of a label that no picture to tune on carries, or whose rule finds nothing to choose by.
const FALLBACK: f32 = 0.5;
/// Starts of L-BFGS-B.
const RESTARTS: usize = 12;
/// Widths over which a picture passes from no to yes in the F2 that L-BFGS-B climbs, one search after the other: the first
/// sees past the steps that single pictures make, the last is as fine as the grid.
const SOFTNESS: [f64; 3] = [0.05, 0.01, 0.002];

/// How thresholds are chosen: in a recipe `"greedy"`, `"expected"`, `"lbfgsb"`, `{ fixed = 0.4 }` or
/// `{ precise = 0.98 }`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ThresholdRule {
    /// This one, 0–1, for every label.
    Fixed(f32),
    /// Per label the best of a grid for the F2 that was seen, as published.
    #[default]
    Greedy,
    /// Per label the best for the F2 that the probabilities promise: for many labels on few pictures.
    Expected,
    /// L-BFGS-B with restarts on a softened F2, as published beside the grid.
    Lbfgsb,
    /// Where labels exclude each other: per label the lowest from which on this share, 0–1, of the pictures called so are
    /// so, for a filter that must seldom be wrong.
    Precise(f32),
}

impl ThresholdRule {
    /// A threshold for each label, chosen on `predictions`.
    pub fn choose(self, predictions: &Predictions) -> Vec<f32> {
        match self {
            Self::Fixed(value) => vec![value; predictions.labels.len()],
            Self::Greedy => predictions.greedy_thresholds(FALLBACK),
            Self::Expected => predictions.expected_thresholds(),
            Self::Lbfgsb => predictions.lbfgsb_thresholds(FALLBACK),
            Self::Precise(share) => predictions.confident_thresholds(f64::from(share)),
        }
    }

    /// Whether the rule makes sense.
    ///
    /// # Errors
    /// If a fixed threshold, or a share, is not within 0–1.
    pub fn check(self) -> anyhow::Result<()> {
        let (what, value) = match self {
            Self::Fixed(value) => ("a fixed threshold", value),
            Self::Precise(share) => ("the share that a precise threshold keeps right", share),
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

    /// `greedy`, `expected`, `lbfgsb`, `precise:` and a share, or a number of 0–1 for every label.
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
                        "'{text}' is none of greedy, expected, lbfgsb, precise:0.98 or a number between 0 and 1"
                    )
                })?)
            }
        };
        rule.check()?;
        Ok(rule)
    }
}

impl Predictions {
    /// Per label the threshold of 0–0.99 in steps of .01 with the highest F2 on these predictions, the lowest such.
    ///
    /// A label without a positive image keeps `fallback`: there is nothing to choose by.
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

    /// Per label the threshold with the highest expected F2 if every probability is true (Lipton et al. 2014,
    /// <https://arxiv.org/abs/1402.1892>): the best of taking the `k` most probable images, for every `k`.
    ///
    /// Probabilities are first tempered by the one temperature that fits the truth best (Guo et al. 2017). Nothing else
    /// looks at a label, so the few positive images of a rare one cannot be overfitted.
    pub fn expected_thresholds(&self) -> Vec<f32> {
        let temperature = self.temperature();
        (0..self.labels.len())
            .map(|label| {
                let mut probs: Vec<f32> = self.probs.iter().map(|line| line[label]).collect();
                probs.sort_by(|a, b| shared::score::descending(*a, *b));
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

    /// Per label the threshold that L-BFGS-B finds within 0–1 from several starts on [`Predictions::soft_f2`], all labels
    /// at once; of the ends the one with the highest F2 as it is, the lowest such.
    ///
    /// A label without a positive image keeps `fallback`.
    pub fn lbfgsb_thresholds(&self, fallback: f32) -> Vec<f32> {
        let n = self.labels.len();
        let columns: Vec<Column> = (0..n).map(|label| self.column(label)).collect();
        let search = |start: Vec<f64>, softness: f64| {
            let objective = |at: &[f64], gradient: &mut [f64]| {
                let mut sum = 0.0;
                for (label, column) in columns.iter().enumerate() {
                    let (value, slope) = column.soft_f2(at[label], softness);
                    sum -= value / n as f64;
                    gradient[label] = -slope / n as f64;
                }
                sum
            };
            minimise(objective, &start, &vec![0.0; n], &vec![1.0; n]).x
        };
        let mut best: Vec<(f32, f64)> = vec![(fallback, f64::NEG_INFINITY); n];
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..RESTARTS {
            let start: Vec<f64> = (0..n).map(|_| rng.random_range(0.0..1.0)).collect();
            let end = SOFTNESS.into_iter().fold(start, search);
            for (label, threshold) in end.into_iter().enumerate() {
                let threshold = threshold as f32;
                let f2 = self.counts_at(label, threshold).f2();
                let better = f2 > best[label].1 || (f2 == best[label].1 && threshold < best[label].0);
                if !columns[label].positive.is_empty() && better {
                    best[label] = (threshold, f2);
                }
            }
        }
        best.into_iter().map(|(threshold, _)| threshold).collect()
    }

    /// F2 of a label where a picture counts as σ((p − threshold) / softness) of a yes, and its derivative by the threshold.
    pub fn soft_f2(&self, label: usize, threshold: f64, softness: f64) -> (f64, f64) {
        self.column(label).soft_f2(threshold, softness)
    }

    fn column(&self, label: usize) -> Column {
        let pairs = self.probs.iter().zip(&self.truth);
        let of = |on: bool| {
            pairs
                .clone()
                .filter(|(_, t)| t[label] == on)
                .map(|(p, _)| f64::from(p[label]))
                .collect()
        };
        Column {
            positive: of(true),
            negative: of(false),
        }
    }

    /// Counts of one label over all images.
    pub fn counts_at(&self, label: usize, threshold: f32) -> Counts {
        let mut counts = Counts::default();
        for (probs, truth) in self.probs.iter().zip(&self.truth) {
            counts.add(truth[label], probs[label] >= threshold);
        }
        counts
    }

    /// The temperature of 0.5–5 in steps of .1 with the lowest cross-entropy.
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

/// A label's probabilities by truth.
struct Column {
    positive: Vec<f64>,
    negative: Vec<f64>,
}

impl Column {
    fn soft_f2(&self, threshold: f64, softness: f64) -> (f64, f64) {
        // Yes votes and their derivative by the threshold.
        let votes = |probs: &[f64]| {
            probs.iter().fold((0.0, 0.0), |(sum, slope), prob| {
                let yes = 1.0 / (1.0 + ((threshold - prob) / softness).exp());
                (sum + yes, slope - yes * (1.0 - yes) / softness)
            })
        };
        let ((tp, tp_slope), (fp, fp_slope)) = (votes(&self.positive), votes(&self.negative));
        let denominator = 4.0 * self.positive.len() as f64 + tp + fp;
        if denominator == 0.0 {
            return (0.0, 0.0);
        }
        let slope = 5.0 * (tp_slope * denominator - tp * (tp_slope + fp_slope)) / (denominator * denominator);
        (5.0 * tp / denominator, slope)
    }
}

/// A probability with its logit divided by the temperature; kept off 0 and 1, where no logit is finite.
fn tempered(prob: f32, temperature: f64) -> f64 {
    let prob = f64::from(prob).clamp(1e-7, 1.0 - 1e-7);
    1.0 / (1.0 + (-(prob / (1.0 - prob)).ln() / temperature).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Predictions that are right on average, and the same made twice as sure of themselves.
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
    fn every_rule_that_looks_finds_nearly_the_best_f2() {
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
            assert_eq!(rule.choose(&never), [FALLBACK], "there is nothing to choose by");
        }
        assert_eq!(never.soft_f2(0, 0.5, 0.02).0, 0.0);
    }

    #[test]
    fn the_softened_f2_has_the_slope_it_says_and_tends_to_f2() {
        let predictions = predictions(1.0);
        for threshold in [0.0, 0.1, 0.25, 0.4, 0.8, 1.0] {
            let (value, slope) = predictions.soft_f2(0, threshold, 0.02);
            let by = 1e-6;
            let (above, below) = (
                predictions.soft_f2(0, threshold + by, 0.02).0,
                predictions.soft_f2(0, threshold - by, 0.02).0,
            );
            assert!(
                (slope - (above - below) / (2.0 * by)).abs() < 1e-6,
                "{threshold}: {slope}"
            );
            assert!(
                (value - predictions.counts_at(0, threshold as f32).f2()).abs() < 0.05,
                "{threshold}: {value}"
            );
        }
    }

    #[test]
    fn rules_are_read_from_recipes_and_from_the_command_line() {
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
            let table: Table = toml::from_str(&format!("rule = {toml}")).expect("valid");
            assert_eq!(
                (table.rule, argument.parse::<ThresholdRule>().expect("valid")),
                (rule, rule)
            );
        }
        for wrong in ["1.5", "-0.1", "best", "NaN", "precise:", "precise:2"] {
            assert!(wrong.parse::<ThresholdRule>().is_err(), "{wrong}");
        }
    }
}
