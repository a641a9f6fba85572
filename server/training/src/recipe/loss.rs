//! The loss of a classifier in a recipe.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Loss of a multi-label classifier.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum LossRecipe {
    /// Binary cross-entropy.
    #[default]
    Bce,
    /// Binary cross-entropy whose positive terms have the weight negatives / positives of the training rows, per label.
    Weighted {
        /// Uses the square root of that ratio.
        #[serde(default)]
        root: bool,
        /// Maximum weight, after the root; 0 for no limit.
        #[serde(default)]
        cap: f32,
    },
    /// Focal loss (Lin et al. 2017, <https://arxiv.org/abs/1708.02002>).
    Focal {
        /// Weight of positives; negatives have `1 − alpha`. A negative value switches weighting off.
        #[serde(default = "default_alpha")]
        alpha: f64,
        /// Exponent that reduces the loss of easy examples; 0 switches the reduction off.
        #[serde(default = "default_gamma")]
        gamma: f64,
    },
    /// Binary cross-entropy plus `weight · (1 − soft F2)`.
    BceF2 {
        /// Weight of the second term.
        #[serde(default = "default_f2_weight")]
        weight: f64,
    },
}

fn default_alpha() -> f64 {
    0.25
}

fn default_gamma() -> f64 {
    2.0
}

fn default_f2_weight() -> f64 {
    1.0
}

impl LossRecipe {
    /// # Errors
    /// Names the key with an invalid value.
    pub(crate) fn check(self) -> anyhow::Result<()> {
        let is_valid = |value: f64| value.is_finite() && value >= 0.0;
        match self {
            Self::Bce => {}
            Self::Weighted { cap, .. } => {
                anyhow::ensure!(
                    is_valid(cap.into()),
                    "loss.cap must be a positive number, or 0 for none"
                );
            }
            Self::Focal { alpha, gamma } => {
                anyhow::ensure!(
                    alpha <= 1.0,
                    "loss.alpha must lie between 0 and 1, or below 0 for no weighting"
                );
                anyhow::ensure!(is_valid(gamma), "loss.gamma must be 0 or a positive number");
            }
            Self::BceF2 { weight } => anyhow::ensure!(is_valid(weight), "loss.weight must be 0 or a positive number"),
        }
        Ok(())
    }
}
