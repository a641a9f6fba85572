//! Stages of fine-tuning in a recipe.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One stage of a training.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StageRecipe {
    /// First epoch of the stage. The first stage begins at 0.
    pub from: usize,
    /// Learning rate of the stage instead of `optimiser.rate`. The schedule restarts in every stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Parts of the network whose weights and running statistics are frozen, by a prefix of their names such as
    /// `backbone.stem` or `backbone`.
    pub freeze: Vec<String>,
    /// Supervision of the stage.
    #[serde(skip_serializing_if = "Supervision::is_all")]
    pub learn: Supervision,
}

/// Supervision of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Supervision {
    /// All labels and masks that the task uses.
    #[default]
    All,
    /// Masks only, on the rows that have one; needs `task.dense`.
    Masks,
}

impl Supervision {
    fn is_all(&self) -> bool {
        *self == Self::All
    }
}

impl StageRecipe {
    /// Checks the stages of a training of `epochs` epochs; `dense` is true if the network has dense supervision.
    ///
    /// # Errors
    /// If the stages do not begin at 0 and rise, one begins after the last epoch, or one has an invalid value.
    pub(crate) fn check_all(stages: &[Self], epochs: usize, dense: bool) -> anyhow::Result<()> {
        anyhow::ensure!(
            dense || stages.iter().all(|stage| stage.learn == Supervision::All),
            "a stage that learns from masks needs the part of the network that predicts them; add [task.dense]"
        );
        let Some(first) = stages.first() else { return Ok(()) };
        anyhow::ensure!(first.from == 0, "the first of [[stages]] must begin with `from = 0`");
        let ends = stages.iter().skip(1).map(|stage| stage.from).chain([epochs]);
        anyhow::ensure!(
            stages.iter().zip(ends).all(|(stage, end)| stage.from < end),
            "every one of [[stages]] must begin after the one before and before epoch {epochs}"
        );
        anyhow::ensure!(
            stages
                .iter()
                .all(|stage| stage.rate.is_none_or(|rate| rate.is_finite() && rate > 0.0)),
            "the rate of one of [[stages]] is not a positive number; leave it out for optimiser.rate"
        );
        Ok(())
    }
}
