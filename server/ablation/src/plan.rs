//! Trainings and measurements that an ablation needs; variants that differ only in their evaluation share a training.

#[cfg(test)]
mod tests;

use crate::options::Options;
use crate::recipe::{AblationRecipe, Switch, slug};
use crate::variants::{Comparisons, Group, Variant};
use anyhow::Context;
use shared::model::BackboneConfig;
use std::path::{Path, PathBuf};
use training::Recipe;

/// A run to train.
#[derive(Debug, Clone)]
pub struct Training {
    /// Name of its folder.
    pub name: String,
    /// Recipe with all settings applied.
    pub recipe: Recipe,
    /// Settings, in the order in which they apply to the base recipe.
    pub settings: Vec<String>,
    /// Further options of `selvedge train` or `selvedge distill`.
    pub options: Options,
}

impl Training {
    /// Returns the subcommand that trains the run.
    pub fn command(&self) -> &'static str {
        if self.recipe.task.needs_teacher() {
            "distill"
        } else {
            "train"
        }
    }
}

/// An evaluation of one run, or of several runs together.
#[derive(Debug, Clone)]
pub struct Measurement {
    /// Name of its file, without extension.
    pub name: String,
    /// Indices of the trainings. The first is the variant's own network, of the first fold.
    pub trainings: Vec<usize>,
    /// Options of `selvedge evaluate`.
    pub options: Options,
    /// Options of `selvedge ensemble fit`, if boosters are stacked on the networks instead of averaging them.
    pub stacking: Option<Options>,
}

/// Complete plan of an ablation.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Recipe of the ablation.
    pub ablation: AblationRecipe,
    /// Folder of the dataset instead of the recipe's.
    data: Option<PathBuf>,
    /// True if folds divide items: each network is then measured on the items of its fold, and not on a split.
    pub(crate) measures_folds: bool,
    /// Seeds.
    pub seeds: Vec<u64>,
    /// Variants.
    pub variants: Vec<Variant>,
    /// Comparisons.
    pub groups: Vec<Group>,
    /// Runs to train: those of the first seed, then those of the next.
    pub trainings: Vec<Training>,
    /// Evaluations, in the same order.
    pub measurements: Vec<Measurement>,
}

/// True if the folds of an ablation divide items.
///
/// # Errors
/// If the recipe is invalid with the settings of every variant.
fn folds_items(ablation: &AblationRecipe) -> anyhow::Result<bool> {
    let mut settings = ablation.common_settings();
    settings.extend(["data.holdout=0.0".to_owned(), format!("data.folds={}", ablation.folds)]);
    Ok(Recipe::read(&ablation.recipe, &settings)?.task.folds_items())
}

impl Plan {
    /// Plans an ablation; `data` replaces the recipe's dataset.
    ///
    /// # Errors
    /// If a recipe is invalid with one of the switches, or the measured split is tuned on.
    pub fn new(ablation: AblationRecipe, data: Option<&Path>) -> anyhow::Result<Self> {
        ablation.check()?;
        let Comparisons { variants, groups, .. } = Comparisons::new(&ablation);
        anyhow::ensure!(!groups.is_empty(), "no switch takes part in any of the modes");
        let mut plan = Self {
            measures_folds: ablation.folds > 0 && folds_items(&ablation)?,
            ablation,
            data: data.map(Path::to_owned),
            seeds: Vec::new(),
            variants,
            groups,
            trainings: Vec::new(),
            measurements: Vec::new(),
        };
        let base = plan.recipe(&plan.fold_settings(plan.settings(&[]), 0))?;
        plan.seeds = (0..plan.ablation.seeds as u64).map(|k| base.seed + k).collect();
        for seed in plan.seeds.clone() {
            for variant in 0..plan.variants.len() {
                plan.measure(variant, seed)?;
            }
        }
        Ok(plan)
    }

    /// Returns the settings of a variant with the switches `on`.
    fn settings(&self, on: &[usize]) -> Vec<String> {
        let switches = self.ablation.switches.iter().enumerate();
        // Switches that are off apply first, so that they cannot override one that is on.
        let (on, off): (Vec<_>, Vec<_>) = switches.partition(|(at, _)| on.contains(at));
        let mut settings = self.ablation.common_settings();
        settings.extend(off.into_iter().flat_map(|(_, switch)| switch.off.settings()));
        settings.extend(on.into_iter().flat_map(|(_, switch)| switch.on_settings()));
        settings
    }

    /// Adds the settings of a network that is tuned on `fold`, if there are folds.
    fn fold_settings(&self, mut settings: Vec<String>, fold: usize) -> Vec<String> {
        let folds = self.ablation.folds;
        if folds > 0 {
            // Items held out of the other folds may choose the epoch, and labels out of fold choose both epoch and thresholds.
            if !self.measures_folds {
                settings.push("data.holdout=0.0".to_owned());
            }
            settings.extend([format!("data.folds={folds}"), format!("data.fold={fold}")]);
        }
        settings
    }

    /// Reads the recipe with settings.
    fn recipe(&self, settings: &[String]) -> anyhow::Result<Recipe> {
        let mut recipe = Recipe::read(&self.ablation.recipe, settings)?;
        if let Some(data) = &self.data {
            recipe.data.dir.clone_from(data);
        }
        BackboneConfig::named(recipe.task.backbone())?;
        let split = &self.ablation.split;
        let tunes_on_val = recipe.data.holdout == 0.0 && recipe.data.folds == 0;
        anyhow::ensure!(
            self.measures_folds || (split != "train" && !(split == "val" && tunes_on_val)),
            "the split '{split}' is trained on or tuned on, so its metrics would be too good\nhint: tune on a part of the training split, as with data.holdout = 0.15 under [set], or measure another split"
        );
        Ok(recipe)
    }

    /// Adds the measurement of a variant with a seed, and its trainings.
    fn measure(&mut self, variant: usize, seed: u64) -> anyhow::Result<()> {
        let Variant { name, on, .. } = self.variants[variant].clone();
        let options = self.options(&self.ablation.train, &on, |switch| &switch.train);
        let evaluate = self.options(&self.ablation.evaluate, &on, |switch| &switch.evaluate);
        let stacks = on.iter().any(|at| self.ablation.switches[*at].stacking.is_some());
        let stacking = stacks.then(|| self.options(&[], &on, |switch| switch.stacking.as_deref().unwrap_or_default()));
        // Boosters use the tables of predictions, so views have no effect and only thresholds apply.
        let evaluate = if stacks { evaluate.only("thresholds") } else { evaluate };
        let title = format!("{}-seed{seed}", slug(&name));
        let trainings = self
            .networks(&title, &on, seed)
            .and_then(|networks| self.trainings(networks, &options))
            .with_context(|| format!("the variant '{name}'"))?;
        let same = |known: &Measurement| {
            known.trainings == trainings && known.options == evaluate && known.stacking == stacking
        };
        let measurement = self.measurements.iter().position(same).unwrap_or_else(|| {
            self.measurements.push(Measurement {
                name: title,
                trainings,
                options: evaluate,
                stacking: stacking.clone(),
            });
            self.measurements.len() - 1
        });
        self.variants[variant].measurements.push(measurement);
        Ok(())
    }

    /// Describes the measured images.
    pub fn measured(&self) -> String {
        if self.measures_folds {
            format!("{} folds of the items", self.ablation.folds)
        } else {
            format!("the split `{}`", self.ablation.split)
        }
    }

    /// Returns shared options with those of the switches `on` applied.
    fn options(&self, shared: &[String], on: &[usize], select: fn(&Switch) -> &[String]) -> Options {
        let mut options = Options::default();
        options.set(shared);
        on.iter()
            .for_each(|at| options.set(select(&self.ablation.switches[*at])));
        options
    }

    /// Returns the names and settings of a variant's networks: its own, and the members of its switches.
    fn networks(&self, title: &str, on: &[usize], seed: u64) -> anyhow::Result<Vec<(String, Vec<String>)>> {
        let mut settings = self.settings(on);
        settings.push(format!("seed={seed}"));
        let mut networks = vec![(title.to_owned(), settings.clone())];
        let own = self.recipe(&self.fold_settings(settings.clone(), 0))?.name;
        for member in on.iter().flat_map(|at| &self.ablation.switches[*at].members) {
            let member_slug = slug(&member.name);
            let mut settings = settings.clone();
            settings.extend(crate::settings::settings(&member.set, &member.unset));
            // Predictions are distinguished by the name of the model.
            settings.push(format!("name={own}-{member_slug}"));
            networks.push((format!("{member_slug}-in-{title}"), settings));
        }
        Ok(networks)
    }

    /// Returns the indices of the trainings of networks, one per network and fold; adds those that are new.
    fn trainings(&mut self, networks: Vec<(String, Vec<String>)>, options: &Options) -> anyhow::Result<Vec<usize>> {
        let folds = self.ablation.folds;
        let mut trainings = Vec::new();
        for (network, settings) in networks {
            for fold in 0..folds.max(1) {
                let name = if folds > 0 {
                    format!("{network}-fold{fold}")
                } else {
                    network.clone()
                };
                let settings = self.fold_settings(settings.clone(), fold);
                let recipe = self.recipe(&settings)?;
                let options = &options.of_fold(fold);
                let same = |known: &Training| known.recipe == recipe && known.options == *options;
                let training = self.trainings.iter().position(same);
                trainings.push(training.unwrap_or_else(|| {
                    self.trainings.push(Training {
                        name,
                        recipe,
                        settings,
                        options: options.clone(),
                    });
                    self.trainings.len() - 1
                }));
            }
        }
        Ok(trainings)
    }
}
