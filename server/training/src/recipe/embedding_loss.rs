//! Terms of a retrieval network's loss in a recipe.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Vectors that a loss compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LossInput {
    /// Each part by itself; the loss is the mean over the parts.
    Parts,
    /// All parts concatenated, as the search compares them.
    Whole,
}

/// One term of a retrieval network's loss: an entry of `[[task.losses]]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum EmbeddingLoss {
    /// Cross-entropy of a linear identity classifier.
    Softmax {
        /// Vectors that the loss compares.
        #[serde(default = "parts")]
        on: LossInput,
        /// Factor within the sum.
        #[serde(default = "one")]
        weight: f64,
        /// Factor of cosines that replace a linear layer with bias (Wang et al. 2017, <https://arxiv.org/abs/1704.06369>);
        /// 0 keeps the linear layer.
        #[serde(default)]
        scale: f64,
        /// Label smoothing.
        #[serde(default)]
        smoothing: f64,
    },
    /// AM-Softmax: a margin on the true identity's cosine (Wang et al. 2018, <https://arxiv.org/abs/1801.05599>).
    AmSoftmax {
        /// Vectors that the loss compares.
        #[serde(default = "parts")]
        on: LossInput,
        /// Factor within the sum.
        #[serde(default = "one")]
        weight: f64,
        /// Factor of the cosines, 30 as published.
        #[serde(default = "am_scale")]
        scale: f64,
        /// Margin that is subtracted from the true identity's cosine, 0.35 as published.
        #[serde(default = "am_margin")]
        margin: f64,
        /// Directions per identity; the nearest one counts.
        #[serde(default = "single")]
        sub_centres: usize,
        /// Label smoothing.
        #[serde(default)]
        smoothing: f64,
    },
    /// ArcFace: a margin on the true identity's angle (Deng et al. 2019, <https://arxiv.org/abs/1801.07698>), with
    /// sub-centres (Deng et al. 2020).
    Arcface {
        /// Vectors that the loss compares.
        #[serde(default = "parts")]
        on: LossInput,
        /// Factor within the sum.
        #[serde(default = "one")]
        weight: f64,
        /// Factor of the cosines, 64 as published.
        #[serde(default = "arc_scale")]
        scale: f64,
        /// Margin that is added to the true identity's angle, in radians, ½ as published.
        #[serde(default = "arc_margin")]
        margin: f64,
        /// Directions per identity; the nearest one counts. 3 as published for noisy data.
        #[serde(default = "single")]
        sub_centres: usize,
        /// Label smoothing.
        #[serde(default)]
        smoothing: f64,
    },
    /// Batch-hard triplets: anchor, hardest positive, hardest negative (Hermans et al. 2017,
    /// <https://arxiv.org/abs/1703.07737>).
    Triplet {
        /// Vectors that the loss compares.
        #[serde(default = "whole")]
        on: LossInput,
        /// Factor within the sum.
        #[serde(default = "one")]
        weight: f64,
        /// Margin by which the positive must be nearer than the negative. If absent, the paper's soft margin.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        margin: Option<f64>,
        /// Compares unit vectors, as the search does. If false, raw vectors as published.
        #[serde(default = "yes")]
        normalise: bool,
    },
    /// Supervised contrast: every photo of the same identity is a positive (Khosla et al. 2020, their L_out,
    /// <https://arxiv.org/abs/2004.11362>).
    Supcon {
        /// Vectors that the loss compares.
        #[serde(default = "whole")]
        on: LossInput,
        /// Factor within the sum.
        #[serde(default = "one")]
        weight: f64,
        /// Divisor of the cosines, 0.1 as published.
        #[serde(default = "default_temperature")]
        temperature: f64,
    },
    /// Contrast between the user's and the shop's photo of each identity, in both directions (InfoNCE, van den Oord et al.
    /// 2018, <https://arxiv.org/abs/1807.03748>).
    Contrast {
        /// Vectors that the loss compares.
        #[serde(default = "whole")]
        on: LossInput,
        /// Factor within the sum.
        #[serde(default = "one")]
        weight: f64,
        /// Divisor of the cosines.
        #[serde(default = "default_temperature")]
        temperature: f64,
    },
}

fn parts() -> LossInput {
    LossInput::Parts
}

fn whole() -> LossInput {
    LossInput::Whole
}

fn yes() -> bool {
    true
}

fn one() -> f64 {
    1.0
}

fn single() -> usize {
    1
}

fn am_scale() -> f64 {
    30.0
}

fn am_margin() -> f64 {
    0.35
}

fn arc_scale() -> f64 {
    64.0
}

fn arc_margin() -> f64 {
    0.5
}

pub(super) fn default_temperature() -> f64 {
    0.1
}

impl EmbeddingLoss {
    /// Returns the loss of recipes that name none: one identity softmax per part, as published.
    pub fn published() -> Vec<Self> {
        vec![Self::Softmax {
            on: LossInput::Parts,
            weight: 1.0,
            scale: 0.0,
            smoothing: 0.0,
        }]
    }

    /// Vectors that the loss compares.
    pub fn input(&self) -> LossInput {
        match self {
            Self::Softmax { on, .. }
            | Self::AmSoftmax { on, .. }
            | Self::Arcface { on, .. }
            | Self::Triplet { on, .. }
            | Self::Supcon { on, .. }
            | Self::Contrast { on, .. } => *on,
        }
    }

    /// True if the loss compares embeddings with each other.
    pub fn compares(&self) -> bool {
        matches!(self, Self::Triplet { .. } | Self::Supcon { .. } | Self::Contrast { .. })
    }

    /// Factor within the sum.
    pub fn weight(&self) -> f64 {
        match self {
            Self::Softmax { weight, .. }
            | Self::AmSoftmax { weight, .. }
            | Self::Arcface { weight, .. }
            | Self::Triplet { weight, .. }
            | Self::Supcon { weight, .. }
            | Self::Contrast { weight, .. } => *weight,
        }
    }

    /// # Errors
    /// Names the key with an invalid value.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let weight = self.weight();
        anyhow::ensure!(
            weight >= 0.0 && weight.is_finite(),
            "weight must be 0 or a positive number"
        );
        match *self {
            Self::Softmax { scale, smoothing, .. } => {
                anyhow::ensure!(scale >= 0.0, "scale must be positive, or 0 for a plain softmax");
                anyhow::ensure!((0.0..1.0).contains(&smoothing), "smoothing must be from 0 to below 1");
            }
            Self::AmSoftmax {
                scale,
                margin,
                sub_centres,
                smoothing,
                ..
            }
            | Self::Arcface {
                scale,
                margin,
                sub_centres,
                smoothing,
                ..
            } => {
                anyhow::ensure!(scale > 0.0, "scale must be positive");
                anyhow::ensure!((0.0..=1.5).contains(&margin), "margin must lie between 0 and 1.5");
                anyhow::ensure!(sub_centres > 0, "sub_centres must be at least 1");
                anyhow::ensure!((0.0..1.0).contains(&smoothing), "smoothing must be from 0 to below 1");
            }
            Self::Triplet { margin, .. } => {
                anyhow::ensure!(
                    margin.is_none_or(|margin| margin >= 0.0),
                    "margin must be 0 or a positive number"
                );
            }
            Self::Supcon { temperature, .. } | Self::Contrast { temperature, .. } => {
                anyhow::ensure!(temperature > 0.0, "temperature must be positive");
            }
        }
        Ok(())
    }
}
