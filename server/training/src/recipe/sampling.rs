//! Over- and under-sampling of training rows in a recipe.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Sampling of training rows. If empty, every epoch shows each row once.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SamplingRecipe {
    /// Rules for rows that an epoch shows several times.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub oversample: Vec<Oversample>,
    /// Rule for rows that are left out at random. Every epoch draws them again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undersample: Option<Undersample>,
}

/// Over-sampling of all rows with a rare label.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Oversample {
    /// Labels whose rows are repeated. The style champion repeated `sport`, `japanese`, `british` and `ethnic`.
    pub labels: Vec<String>,
    /// Repeats also the rows of every label with fewer training rows than this.
    pub below: usize,
    /// Repetitions of such a row per epoch; 10, 30 and 50 as published.
    pub factor: usize,
}

/// Under-sampling of the rows whose labels equal one of the given sets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Undersample {
    /// Sets of labels.
    pub sets: Vec<Vec<String>>,
    /// Share of their rows that an epoch leaves out; 0.2, 0.4 and 0.6 as published.
    pub drop: f64,
}
