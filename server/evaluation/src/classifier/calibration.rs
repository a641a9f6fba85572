//! Calibration of probabilities: reliability bins, expected calibration error, Brier score.

use serde::Serialize;

/// Number of bins of equal width over 0–1. A bin excludes its lower end and includes its upper end; the first includes 0.
pub const BINS: usize = 10;

/// One bar of a reliability diagram.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bin {
    /// Predictions in the bin.
    pub n: usize,
    /// Their mean probability.
    pub mean_prob: f64,
    /// Share of them that are true.
    pub share_true: f64,
}

/// Calibration of a set of predictions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibration {
    /// Mean |mean probability − share true| over bins, weighted by their predictions (Naeini, Cooper & Hauskrecht 2015);
    /// 0 is perfect.
    pub expected_calibration_error: f64,
    /// Mean squared distance of probability and truth (Brier 1950); 0 is perfect.
    pub brier: f64,
    /// The [`BINS`] bins from low to high; `None` if empty.
    pub bins: Vec<Option<Bin>>,
}

impl Calibration {
    /// Measures pairs of a probability and the truth. Everything is 0 without pairs.
    pub fn measure(pairs: impl Iterator<Item = (f32, bool)>) -> Self {
        let mut sums = [(0usize, 0.0, 0usize); BINS];
        let (mut squares, mut n) = (0.0, 0usize);
        for (prob, on) in pairs {
            let (n_bin, probs, positive) = &mut sums[bin(f64::from(prob))];
            *n_bin += 1;
            *probs += f64::from(prob);
            *positive += usize::from(on);
            squares += squared_error(prob, on);
            n += 1;
        }
        let bins = sums.map(|(n, probs, positive)| {
            (n > 0).then(|| Bin {
                n,
                mean_prob: probs / n as f64,
                share_true: positive as f64 / n as f64,
            })
        });
        let errors = bins
            .iter()
            .flatten()
            .map(|bin| bin.n as f64 * (bin.mean_prob - bin.share_true).abs());
        let n = n.max(1) as f64;
        Self {
            expected_calibration_error: errors.sum::<f64>() / n,
            brier: squares / n,
            bins: bins.to_vec(),
        }
    }
}

/// Squared distance of a probability and the truth.
pub(super) fn squared_error(prob: f32, on: bool) -> f64 {
    (f64::from(prob) - f64::from(u8::from(on))).powi(2)
}

fn bin(prob: f64) -> usize {
    (1..BINS).filter(|edge| prob > *edge as f64 / BINS as f64).count()
}
