//! F2 of multi-label predictions, thresholds by greedy search, and the constant guesses to beat.
//!
//! F2 = 5·P·R / (4·P + R) = 5·TP / (5·TP + 4·FN + FP); 0 where nothing is true and nothing predicted.

use serde::Serialize;

/// Counts of one label.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// True positives.
    pub tp: u64,
    /// False positives.
    pub fp: u64,
    /// False negatives.
    pub fn_: u64,
}

impl Counts {
    /// F2 of these counts.
    pub fn f2(self) -> f64 {
        let denominator = 5 * self.tp + 4 * self.fn_ + self.fp;
        if denominator == 0 { 0.0 } else { (5 * self.tp) as f64 / denominator as f64 }
    }

    fn add(&mut self, truth: bool, predicted: bool) {
        match (truth, predicted) {
            (true, true) => self.tp += 1,
            (false, true) => self.fp += 1,
            (true, false) => self.fn_ += 1,
            (false, false) => {}
        }
    }
}

/// Predictions of a split: per image and label a probability and the truth.
#[derive(Debug, Clone)]
pub struct Predictions {
    /// Label identifiers.
    pub labels: Vec<String>,
    /// Probabilities, `[image][label]`.
    pub probs: Vec<Vec<f32>>,
    /// Truth, `[image][label]`.
    pub truth: Vec<Vec<bool>>,
}

/// F2 of one label beside saying yes to every image.
#[derive(Debug, Clone, Serialize)]
pub struct LabelScore {
    /// Label identifier.
    pub id: String,
    /// Images that carry it.
    pub support: usize,
    /// Threshold used.
    pub threshold: f32,
    /// F2.
    pub f2: f64,
    /// F2 of saying yes to every image.
    pub all_positive_f2: f64,
}

impl Predictions {
    /// Counts of each label over the given images.
    pub fn counts(&self, images: &[usize], predict: impl Fn(usize, f32) -> bool) -> Vec<Counts> {
        let mut counts = vec![Counts::default(); self.labels.len()];
        for &image in images {
            for (label, counts) in counts.iter_mut().enumerate() {
                counts.add(self.truth[image][label], predict(label, self.probs[image][label]));
            }
        }
        counts
    }

    /// All images.
    pub fn all(&self) -> Vec<usize> {
        (0..self.truth.len()).collect()
    }

    /// Images that carry a label.
    pub fn support(&self, label: usize) -> usize {
        self.truth.iter().filter(|truth| truth[label]).count()
    }

    /// Per label the threshold of 0–0.99 in steps of .01 with the highest F2 on these predictions, the lowest such.
    ///
    /// A label without a positive image keeps `fallback`: there is nothing to choose by.
    pub fn greedy_thresholds(&self, fallback: f32) -> Vec<f32> {
        let all = self.all();
        (0..self.labels.len())
            .map(|label| {
                if self.support(label) == 0 {
                    return fallback;
                }
                let f2 = |threshold: f32| {
                    let mut counts = Counts::default();
                    for &image in &all {
                        counts.add(self.truth[image][label], self.probs[image][label] >= threshold);
                    }
                    counts.f2()
                };
                let mut best = (0.0, f64::NEG_INFINITY);
                for step in 0..100u8 {
                    let threshold = f32::from(step) / 100.0;
                    let score = f2(threshold);
                    if score > best.1 {
                        best = (threshold, score);
                    }
                }
                best.0
            })
            .collect()
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
        scored.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(1.0, |(temperature, _)| temperature)
    }

    /// Every label's score at the given thresholds.
    pub fn label_scores(&self, thresholds: &[f32]) -> Vec<LabelScore> {
        let all = self.all();
        let ours = self.counts(&all, |label, prob| prob >= thresholds[label]);
        let yes = self.counts(&all, |_, _| true);
        (0..self.labels.len())
            .map(|label| LabelScore {
                id: self.labels[label].clone(),
                support: self.support(label),
                threshold: thresholds[label],
                f2: ours[label].f2(),
                all_positive_f2: yes[label].f2(),
            })
            .collect()
    }

    /// Micro F2 of always saying yes to the `k` labels that are most frequent in `counts_of`.
    pub fn top_k_guess_micro_f2(&self, frequency: &[usize], k: usize) -> f64 {
        let mut order: Vec<usize> = (0..frequency.len()).collect();
        order.sort_by_key(|label| std::cmp::Reverse(frequency[*label]));
        let on = &order[..k.min(order.len())];
        micro_f2(&self.counts(&self.all(), |label, _| on.contains(&label)))
    }
}

/// A probability with its logit divided by the temperature; kept off 0 and 1, where no logit is finite.
fn tempered(prob: f32, temperature: f64) -> f64 {
    let prob = f64::from(prob).clamp(1e-7, 1.0 - 1e-7);
    1.0 / (1.0 + (-(prob / (1.0 - prob)).ln() / temperature).exp())
}

/// Mean F2 over labels from `skip` on; `skip` is 1 for the champions' figure without label 0.
pub fn macro_f2(counts: &[Counts], skip: usize) -> f64 {
    let counted = &counts[skip.min(counts.len())..];
    counted.iter().map(|counts| counts.f2()).sum::<f64>() / counted.len().max(1) as f64
}

/// F2 of all labels' counts together.
pub fn micro_f2(counts: &[Counts]) -> f64 {
    counts
        .iter()
        .fold(Counts::default(), |sum, c| Counts { tp: sum.tp + c.tp, fp: sum.fp + c.fp, fn_: sum.fn_ + c.fn_ })
        .f2()
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
    fn expected_thresholds_find_the_best_f2_even_of_overconfident_predictions() {
        for sharpness in [1.0, 2.0] {
            let predictions = predictions(sharpness);
            let f2 = |threshold: f32| predictions.counts(&predictions.all(), |_, p| p >= threshold)[0].f2();
            let best = predictions.greedy_thresholds(0.5)[0];
            let chosen = predictions.expected_thresholds()[0];
            assert!(f2(chosen) > 0.97 * f2(best), "{sharpness}: {chosen} gives {}, {best} {}", f2(chosen), f2(best));
            assert!(f2(0.0) < 0.9 * f2(best) && f2(0.9) < 0.9 * f2(best));
        }
        assert!((predictions(2.0).temperature() - 2.0).abs() < 0.4, "{}", predictions(2.0).temperature());
    }
}
