//! Staged fine-tuning: each stage has its own frozen parameters and its own learning rate.

use crate::recipe::{OptimiserRecipe, StageRecipe};
use crate::schedule::Schedule;
use burn::module::{Flag, Module, ModuleVisitor, Param, ParamGroup, ParamId};
use burn::tensor::Tensor;
use std::collections::BTreeSet;

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
        let mut finder = Finder {
            names,
            path: Vec::new(),
            ids: Vec::new(),
            total: 0,
            matched: BTreeSet::new(),
            prefixes: BTreeSet::new(),
        };
        net.visit(&mut finder);
        let Finder {
            ids,
            matched,
            prefixes,
            total,
            ..
        } = finder;
        if let Some(name) = names.iter().find(|name| !matched.contains(name.as_str())) {
            anyhow::bail!("stages.freeze names '{name}', which the network lacks; it has {prefixes:?}");
        }
        anyhow::ensure!(ids.len() < total, "stages.freeze {names:?} leaves nothing to learn");
        Ok(net.unfreeze().freeze_group(ParamGroup::from_ids(ids)))
    }
}

/// Visitor that collects the parameters below the given names.
struct Finder<'a> {
    names: &'a [String],
    path: Vec<String>,
    ids: Vec<ParamId>,
    /// Number of all parameters.
    total: usize,
    /// Given names that a parameter has.
    matched: BTreeSet<&'a str>,
    /// First two parts of every parameter's name.
    prefixes: BTreeSet<String>,
}

impl Finder<'_> {
    fn visit(&mut self, id: ParamId) {
        self.total += 1;
        // Variants of enums begin with a capital and do not belong to a name.
        let fields: Vec<&str> = self
            .path
            .iter()
            .map(String::as_str)
            .filter(|part| !part.starts_with(char::is_uppercase))
            .collect();
        // A name selects its part in the networks of all labels.
        let fields = match &fields[..] {
            ["nets", _, rest @ ..] | ["style", rest @ ..] => rest,
            all => all,
        };
        let path = fields.join(".");
        self.prefixes.insert(fields[..fields.len().min(2)].join("."));
        for name in self.names {
            if path == *name
                || path
                    .strip_prefix(name.as_str())
                    .is_some_and(|rest| rest.starts_with('.'))
            {
                self.matched.insert(name);
                self.ids.push(id);
            }
        }
    }
}

impl ModuleVisitor for Finder<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.visit(param.id);
    }

    fn visit_flag(&mut self, flag: &Param<Flag>) {
        self.visit(flag.id);
    }

    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }
}
