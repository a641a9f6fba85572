//! Percentile bootstrap intervals (Efron & Tibshirani 1993).

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;

/// Resamples of the bootstrap.
pub const RESAMPLES: usize = 1000;
/// Seed of the resamples. Metrics of the same images share their resamples.
const SEED: u64 = 1;
/// Resamples drawn ahead and computed together; bounds memory.
const BLOCK: usize = 50;

/// A metric with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Value on the data without resampling.
    pub value: f64,
    /// 2.5th percentile over resamples.
    pub low: f64,
    /// 97.5th percentile over resamples.
    pub high: f64,
}

impl std::fmt::Display for Interval {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.4} [{:.4}, {:.4}]", self.value, self.low, self.high)
    }
}

/// Returns `statistic` of all `n` samples, and its interval over [`RESAMPLES`] draws of `n` with replacement.
pub fn interval(n: usize, statistic: impl Fn(&[usize]) -> f64 + Sync) -> Interval {
    let listed = |weights: &[u32]| -> Vec<usize> {
        weights
            .iter()
            .enumerate()
            .flat_map(|(at, weight)| std::iter::repeat_n(at, *weight as usize))
            .collect()
    };
    intervals(n, |weights| vec![statistic(&listed(weights))])[0]
}

/// As [`interval`] for several statistics of the same resamples. `statistics` takes the number of draws of each sample, `[n]`.
///
/// A statistic that is NaN in some resamples has the interval of the other resamples.
pub fn intervals(n: usize, statistics: impl Fn(&[u32]) -> Vec<f64> + Sync) -> Vec<Interval> {
    grouped_intervals(&(0..n).collect::<Vec<_>>(), statistics)
}

/// As [`intervals`] of samples in groups, such as photos of one item. Whole groups are drawn, because the samples of a group
/// depend on each other. `groups[sample]` is below the number of groups.
pub fn grouped_intervals(groups: &[usize], statistics: impl Fn(&[u32]) -> Vec<f64> + Sync) -> Vec<Interval> {
    let n_groups = groups.iter().max().map_or(0, |last| last + 1);
    let draw = |rng: &mut ChaCha8Rng| -> Vec<u32> {
        let mut drawn = vec![0; n_groups];
        (0..n_groups).for_each(|_| drawn[rng.random_range(0..n_groups)] += 1);
        groups.iter().map(|group| drawn[*group]).collect()
    };
    let values = statistics(&vec![1; groups.len()]);
    let mut resampled: Vec<Vec<f64>> = vec![Vec::with_capacity(RESAMPLES); values.len()];
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let mut drawn = 0;
    while drawn < RESAMPLES {
        let block: Vec<Vec<u32>> = (0..BLOCK.min(RESAMPLES - drawn)).map(|_| draw(&mut rng)).collect();
        drawn += block.len();
        let block: Vec<Vec<f64>> = block.into_par_iter().map(|weights| statistics(&weights)).collect();
        for line in block {
            for (kept, value) in resampled.iter_mut().zip(line) {
                if !value.is_nan() {
                    kept.push(value);
                }
            }
        }
    }
    let percentiles = |(value, mut resampled): (f64, Vec<f64>)| {
        resampled.sort_by(f64::total_cmp);
        let last = resampled.len().saturating_sub(1) as f64;
        let at = |q: f64| resampled.get((last * q).round() as usize).copied().unwrap_or(value);
        Interval {
            value,
            low: at(0.025),
            high: at(0.975),
        }
    };
    values.into_iter().zip(resampled).map(percentiles).collect()
}
