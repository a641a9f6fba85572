//! Staged fine-tuning: each stage has its own frozen parameters and its own learning rate.

use crate::parameters::{self, Found};
use crate::recipe::{OptimiserRecipe, StageRecipe};
use crate::schedule::Schedule;
use burn::module::{Module, ParamGroup};

/// Stages of a training with their learning rates.
#[derive(Debug)]
pub(crate) struct Stages {
    stages: Vec<(StageRecipe, Schedule)>,
}

impl Stages {
    /// Prepares the stages of a checked recipe of `epochs` epochs. `steps` returns an epoch's number of steps, which is
    /// constant within a stage. Without stages there is one.
    pub(crate) fn new(
        recipes: &[StageRecipe],
        optimiser: &OptimiserRecipe,
        epochs: usize,
        steps: impl Fn(usize) -> usize,
    ) -> Self {
        let recipes = if recipes.is_empty() {
            vec![StageRecipe::default()]
        } else {
            recipes.to_vec()
        };
        let ends: Vec<usize> = recipes.iter().skip(1).map(|stage| stage.from).chain([epochs]).collect();
        let stages = recipes.into_iter().zip(ends).map(|(stage, end)| {
            let optimiser = OptimiserRecipe {
                rate: stage.rate.unwrap_or(optimiser.rate),
                ..optimiser.clone()
            };
            let schedule = Schedule::new(&optimiser, end.saturating_sub(stage.from), steps(stage.from));
            (stage, schedule)
        });
        Self {
            stages: stages.collect(),
        }
    }

    /// Returns the stage of an epoch.
    fn stage(&self, epoch: usize) -> &(StageRecipe, Schedule) {
        let begun = self.stages.iter().filter(|(stage, _)| stage.from <= epoch).count();
        &self.stages[begun.saturating_sub(1)]
    }

    /// Returns the learning rate of a step of an epoch.
    pub(crate) fn rate(&self, epoch: usize, step: usize) -> f64 {
        let (stage, schedule) = self.stage(epoch);
        schedule.rate(epoch - stage.from, step)
    }

    /// Returns the number of steps of an epoch.
    pub(crate) fn steps(&self, epoch: usize) -> usize {
        self.stage(epoch).1.steps()
    }

    /// True if a stage begins with this epoch.
    pub(crate) fn begins(&self, epoch: usize) -> bool {
        self.stage(epoch).0.from == epoch
    }

    /// Freezes the parameters that the epoch's stage names, and unfreezes all others.
    ///
    /// # Errors
    /// If no parameter has a name to freeze, or all parameters would be frozen.
    pub(crate) fn freeze<M: Module>(&self, net: M, epoch: usize) -> anyhow::Result<M> {
        let names = &self.stage(epoch).0.freeze;
        if self.stages.iter().all(|(stage, _)| stage.freeze.is_empty()) {
            return Ok(net);
        }
        let Found { ids, all } = parameters::find(&net, names, "stages.freeze")?;
        anyhow::ensure!(!all, "stages.freeze {names:?} leaves nothing to learn");
        Ok(net.unfreeze().freeze_group(ParamGroup::from_ids(ids)))
    }
}
