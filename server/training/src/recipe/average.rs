//! Averaging of weights in a recipe.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Average of the weights that is evaluated and kept.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum AverageRecipe {
    /// Exponential moving average over steps, running statistics included (Polyak & Juditsky 1992).
    Ema {
        /// Share of the average that a step keeps. Step `t` keeps at most `(1 + t) / (10 + t)`.
        #[serde(default = "default_decay")]
        decay: f64,
    },
    /// Mean of the weights at the ends of epochs (Izmailov et al. 2018, <https://arxiv.org/abs/1803.05407>).
    Swa {
        /// First epoch, counted from 0, whose final weights are averaged.
        from: usize,
        /// Training batches from which batch norm's statistics are estimated again.
        #[serde(default = "default_batches")]
        batches: usize,
    },
}

fn default_decay() -> f64 {
    0.999
}

fn default_batches() -> usize {
    50
}

impl AverageRecipe {
    /// # Errors
    /// Names the key with a value that is invalid in a training of `epochs` epochs.
    pub(crate) fn check(self, epochs: usize) -> anyhow::Result<()> {
        match self {
            Self::Ema { decay } => {
                anyhow::ensure!((0.0..1.0).contains(&decay), "average.decay must be from 0 to below 1");
            }
            Self::Swa { from, .. } => {
                anyhow::ensure!(
                    from < epochs,
                    "average.from must be below epochs, {epochs}, or nothing is averaged"
                );
            }
        }
        Ok(())
    }
}
