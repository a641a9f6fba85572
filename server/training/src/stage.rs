//! Staged fine-tuning: from one epoch to the next stage's, some parameters are frozen and the learning rate is another.

use super::optimiser::OptimiserRecipe;
use super::schedule::Schedule;
use burn::module::{Flag, Module, ModuleVisitor, Param, ParamGroup, ParamId};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One stage of a training.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StageRecipe {
    /// The epoch it begins with; the first stage's is 0.
    pub from: usize,
    /// Its learning rate instead of the optimiser's; the schedule runs anew in every stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Parts of the network that keep their weights and running statistics, by the beginning of their names, such as
    /// `backbone.stem` or `backbone`.
    pub freeze: Vec<String>,
    /// What it learns from.
    #[serde(skip_serializing_if = "Lessons::is_all")]
    pub learn: Lessons,
}

/// What a stage learns from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lessons {
    /// Everything that the task has.
    #[default]
    All,
    /// The masks alone, and only the rows that have one; needs `task.dense`.
    Masks,
}

impl Lessons {
    fn is_all(&self) -> bool {
        *self == Self::All
    }
}

/// All stages of a training, each with its learning rates.
#[derive(Debug)]
pub struct Stages {
    stages: Vec<(StageRecipe, Schedule)>,
}

impl Stages {
    /// `epochs` of which each has as many steps as `steps` says, equally many throughout a stage; without stages one.
    ///
    /// # Errors
    /// If the stages do not begin at 0 and rise, or begin after the end.
    pub fn new(
        recipes: &[StageRecipe],
        optimiser: &OptimiserRecipe,
        epochs: usize,
        steps: impl Fn(usize) -> usize,
    ) -> anyhow::Result<Self> {
        let recipes = if recipes.is_empty() {
            vec![StageRecipe::default()]
        } else {
            recipes.to_vec()
        };
        let ends: Vec<usize> = recipes.iter().skip(1).map(|stage| stage.from).chain([epochs]).collect();
        anyhow::ensure!(
            recipes[0].from == 0,
            "the first of [[stages]] must begin with `from = 0`"
        );
        anyhow::ensure!(
            recipes.iter().zip(&ends).all(|(stage, end)| stage.from < *end),
            "every one of [[stages]] must begin after the one before and before epoch {epochs}"
        );
        anyhow::ensure!(
            recipes
                .iter()
                .all(|stage| stage.rate.is_none_or(|rate| rate.is_finite() && rate > 0.0)),
            "the rate of one of [[stages]] is no positive number; leave it out for optimiser.rate"
        );
        let stages = recipes.into_iter().zip(ends).map(|(stage, end)| {
            let optimiser = OptimiserRecipe {
                rate: stage.rate.unwrap_or(optimiser.rate),
                ..optimiser.clone()
            };
            let schedule = Schedule::new(&optimiser, end - stage.from, steps(stage.from));
            (stage, schedule)
        });
        Ok(Self {
            stages: stages.collect(),
        })
    }

    /// The stage that an epoch belongs to.
    fn at(&self, epoch: usize) -> &(StageRecipe, Schedule) {
        let begun = self.stages.iter().filter(|(stage, _)| stage.from <= epoch).count();
        &self.stages[begun - 1]
    }

    /// The learning rate of a step of an epoch.
    pub fn rate(&self, epoch: usize, step: usize) -> f64 {
        let (stage, schedule) = self.at(epoch);
        schedule.rate(epoch - stage.from, step)
    }

    /// Steps of an epoch.
    pub fn steps(&self, epoch: usize) -> usize {
        self.at(epoch).1.steps()
    }

    /// Whether a stage begins with this epoch.
    pub fn begins(&self, epoch: usize) -> bool {
        self.at(epoch).0.from == epoch
    }

    /// `net` with what the epoch's stage freezes frozen, and everything else free to learn.
    ///
    /// # Errors
    /// If a name to freeze fits nothing; lists what there is.
    pub fn freeze<M: Module>(&self, net: M, epoch: usize) -> anyhow::Result<M> {
        let names = &self.at(epoch).0.freeze;
        if self.stages.iter().all(|(stage, _)| stage.freeze.is_empty()) {
            return Ok(net);
        }
        let mut finder = Finder {
            names,
            path: Vec::new(),
            ids: Vec::new(),
            met: 0,
            found: BTreeSet::new(),
            seen: BTreeSet::new(),
        };
        net.visit(&mut finder);
        let Finder {
            ids, found, seen, met, ..
        } = finder;
        if let Some(name) = names.iter().find(|name| !found.contains(name.as_str())) {
            anyhow::bail!("stages.freeze names '{name}', which the network lacks; it has {seen:?}");
        }
        anyhow::ensure!(ids.len() < met, "stages.freeze {names:?} leaves nothing to learn");
        Ok(net.unfreeze().freeze_group(ParamGroup::from_ids(ids)))
    }
}

/// Finds everything below the given names.
struct Finder<'a> {
    names: &'a [String],
    path: Vec<String>,
    ids: Vec<ParamId>,
    /// How much there is in all.
    met: usize,
    found: BTreeSet<&'a str>,
    /// The first two parts of every name, to choose from.
    seen: BTreeSet<String>,
}

impl Finder<'_> {
    fn meet(&mut self, id: ParamId) {
        self.met += 1;
        // Variants of enums begin with a capital and are no part of a name.
        let fields: Vec<&str> = self
            .path
            .iter()
            .map(String::as_str)
            .filter(|part| !part.starts_with(char::is_uppercase))
            .collect();
        // A name means the part of that name in the networks of all labels.
        let fields = match &fields[..] {
            ["others", _, rest @ ..] => rest,
            all => all,
        };
        let path = fields.join(".");
        self.seen.insert(fields[..fields.len().min(2)].join("."));
        for name in self.names {
            if path == *name
                || path
                    .strip_prefix(name.as_str())
                    .is_some_and(|rest| rest.starts_with('.'))
            {
                self.found.insert(name);
                self.ids.push(id);
            }
        }
    }
}

impl ModuleVisitor for Finder<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.meet(param.id);
    }

    fn visit_flag(&mut self, flag: &Param<Flag>) {
        self.meet(flag.id);
    }

    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }
}
