//! Combination of several retrieval networks: weights per category, and sums of scores.

use super::options::Fusion;
use serde::Serialize;
use std::collections::BTreeMap;

/// Combination of several networks in a search.
#[derive(Debug, Clone, Serialize)]
pub struct Fused {
    /// Stage at which the networks are combined.
    pub fusion: Fusion,
    /// Split that the weights were chosen on; `None` for equal weights.
    pub tuned_on: Option<String>,
    /// Identifiers of the networks.
    pub networks: Vec<String>,
    /// Weights per network, which sum to 1, by category of the query. Missing categories have equal weights.
    pub weights: BTreeMap<String, Vec<f64>>,
    /// mAP@10 of each network alone on the measured split.
    pub alone: BTreeMap<String, f64>,
}

/// Computes the weighted sum of scores `[network][query][gallery]`. The scores of each query are first scaled to mean 0 and
/// variance 1 per network.
pub fn standardised_sum(scores: &[Vec<Vec<f32>>], weights: &[f64]) -> Vec<Vec<f32>> {
    let standardised = |line: &[f32]| -> Vec<f64> {
        let n = line.len().max(1) as f64;
        let mean = line.iter().map(|score| f64::from(*score)).sum::<f64>() / n;
        let variance = line.iter().map(|score| (f64::from(*score) - mean).powi(2)).sum::<f64>() / n;
        let deviation = variance.sqrt().max(f64::MIN_POSITIVE);
        line.iter()
            .map(|score| (f64::from(*score) - mean) / deviation)
            .collect()
    };
    let sum = |q: usize| {
        let mut sum = vec![0.0; scores[0][q].len()];
        for (network, weight) in scores.iter().zip(weights) {
            sum.iter_mut()
                .zip(standardised(&network[q]))
                .for_each(|(sum, score)| *sum += weight * score);
        }
        sum.into_iter().map(|score| score as f32).collect()
    };
    (0..scores[0].len()).map(sum).collect()
}

/// Returns weights of `n` networks that sum to 1, in steps of .1 for two networks and .2 for more, the most equal first. The
/// grid contains equal weights.
pub(super) fn weight_grid(n: usize) -> Vec<Vec<f64>> {
    fn split(n: usize, left: usize) -> Vec<Vec<usize>> {
        if n == 1 {
            return vec![vec![left]];
        }
        let with = |first: usize| {
            split(n - 1, left - first)
                .into_iter()
                .map(move |rest| [vec![first], rest].concat())
        };
        (0..=left).flat_map(with).collect()
    }
    let steps = if n == 2 { 10 } else { 5 };
    let mut all = split(n, steps);
    all.sort_by_key(|parts| parts.iter().map(|part| part * part).sum::<usize>());
    let equal = (steps % n != 0).then(|| vec![1.0 / n as f64; n]);
    let share = |part: usize| part as f64 / steps as f64;
    equal
        .into_iter()
        .chain(all.into_iter().map(|parts| parts.into_iter().map(share).collect()))
        .collect()
}

impl std::fmt::Display for Fused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let how = match self.fusion {
            Fusion::Early => "embeddings joined",
            Fusion::Late => "scores summed",
        };
        match &self.tuned_on {
            Some(split) => writeln!(f, "  {how}, weights chosen on {split}:")?,
            None => writeln!(f, "  {how}, weights equal")?,
        }
        for (category, weights) in &self.weights {
            let describe = |(network, weight): (&String, &f64)| format!("{network} {weight:.1}");
            let weights: Vec<String> = self.networks.iter().zip(weights).map(describe).collect();
            writeln!(
                f,
                "    {:<18} {}",
                if category.is_empty() { "(no category)" } else { category },
                weights.join(", ")
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grid_weights_sum_to_one_and_start_with_equal_weights() {
        for (n, count, first) in [
            (2, 11, vec![0.5; 2]),
            (3, 22, vec![1.0 / 3.0; 3]),
            (5, 126, vec![0.2; 5]),
        ] {
            let grid = weight_grid(n);
            assert_eq!((grid.len(), &grid[0]), (count, &first));
            assert!(
                grid.iter()
                    .all(|weights| (weights.iter().sum::<f64>() - 1.0).abs() < 1e-12)
            );
            assert!(
                (0..n).all(|only| grid.iter().any(|weights| weights[only] == 1.0)),
                "each network is used alone"
            );
        }
    }

    #[test]
    fn late_fusion_does_not_depend_on_the_scale_of_scores() {
        let scores = |scale: f32| vec![vec![vec![0.1, 0.5, 0.3]], vec![vec![3.0 * scale, scale, 2.0 * scale]]];
        let fused = |scale| standardised_sum(&scores(scale), &[0.7, 0.3]);
        for (a, b) in fused(1.0)[0].iter().zip(&fused(1000.0)[0]) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
        assert!(
            fused(1.0)[0][1] > fused(1.0)[0][0],
            "the network with the larger weight decides"
        );
        assert_eq!(
            standardised_sum(&[vec![vec![1.0; 3]], vec![vec![2.0; 3]]], &[0.5, 0.5]),
            [vec![0.0; 3]]
        );
    }
}
