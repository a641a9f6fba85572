//! From switches to trainings: which variants there are, which of them share a training, and what is compared with what.

use super::options::Options;
use super::recipe::{AblationRecipe, Mode, Switch, slug};
use anyhow::Context;
use shared::model::BackboneConfig;
use std::path::{Path, PathBuf};
use training::Recipe;

/// A set of switches that are on.
#[derive(Debug, Clone)]
pub struct Variant {
    /// Its name in tables.
    pub name: String,
    /// Its switches, by place, in order.
    pub on: Vec<usize>,
    /// For each seed the place of its measurement.
    pub measurements: Vec<usize>,
}

/// A row of a table: a variant against another.
#[derive(Debug, Clone)]
pub struct Row {
    /// Name of the difference.
    pub name: String,
    /// The variant, by place.
    pub variant: usize,
    /// The one it is compared with, by place.
    pub reference: usize,
}

/// Rows that belong together.
#[derive(Debug, Clone)]
pub struct Group {
    /// Title of the comparison.
    pub title: String,
    /// The rows.
    pub rows: Vec<Row>,
}

/// A run to train, shared by all variants that differ only in how they are evaluated.
#[derive(Debug, Clone)]
pub struct Training {
    /// Name of its folder.
    pub name: String,
    /// The recipe with all settings.
    pub recipe: Recipe,
    /// The settings, in the order in which they are laid over the recipe.
    pub settings: Vec<String>,
    /// Further options of `selvedge train`.
    pub options: Options,
}

impl Training {
    /// The subcommand that trains it.
    pub fn command(&self) -> &'static str {
        if self.recipe.task.needs_teacher() {
            "distill"
        } else {
            "train"
        }
    }
}

/// An evaluation of a run, or of several together.
#[derive(Debug, Clone)]
pub struct Measurement {
    /// Name of its file, without extension.
    pub name: String,
    /// The trainings, by place; the first is the variant's own, of the first fold.
    pub trainings: Vec<usize>,
    /// Options of `selvedge evaluate`.
    pub options: Options,
    /// Options of `selvedge ensemble fit`, where boosters are stacked on the networks instead of averaging them.
    pub stacking: Option<Options>,
}

/// Everything an ablation does.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Recipe of the ablation.
    pub ablation: AblationRecipe,
    /// Folder of the dataset instead of the recipe's.
    pub data: Option<PathBuf>,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// Switches that are on, per variant.
    pub variants: Vec<Variant>,
    /// Comparisons.
    pub groups: Vec<Group>,
    /// Runs to train: all variants of one seed, then of the next.
    pub trainings: Vec<Training>,
    /// Evaluations, in the same order.
    pub measurements: Vec<Measurement>,
}

impl Plan {
    /// Works out what an ablation takes; `data` replaces the recipe's dataset.
    ///
    /// # Errors
    /// If a recipe is wrong with one of the switches, or the split that is measured is tuned on.
    pub fn new(ablation: AblationRecipe, data: Option<&Path>) -> anyhow::Result<Self> {
        ablation.check()?;
        let mut plan = Self {
            ablation,
            data: data.map(Path::to_owned),
            seeds: Vec::new(),
            variants: Vec::new(),
            groups: Vec::new(),
            trainings: Vec::new(),
            measurements: Vec::new(),
        };
        plan.compare();
        anyhow::ensure!(!plan.groups.is_empty(), "no switch takes part in any of the modes");
        let base = plan.recipe(&plan.fold_settings(plan.settings(&[]), 0))?;
        plan.seeds = (0..plan.ablation.seeds as u64).map(|k| base.seed + k).collect();
        for seed in plan.seeds.clone() {
            for variant in 0..plan.variants.len() {
                plan.measure(variant, seed)?;
            }
        }
        Ok(plan)
    }

    fn compare(&mut self) {
        for mode in self.ablation.modes.clone() {
            let joining = |(at, switch): (usize, &Switch)| switch.joins(mode).then_some(at);
            let on: Vec<usize> = self.ablation.switches.iter().enumerate().filter_map(joining).collect();
            if on.is_empty() {
                continue;
            }
            let name = |at: usize| self.ablation.switches[at].name.clone();
            let names: Vec<String> = on.iter().map(|at| name(*at)).collect();
            let n = on.len();
            match mode {
                Mode::Off => {
                    let all = self.variant(&on);
                    let without = |at: usize| [&on[..at], &on[at + 1..]].concat();
                    let rows = (0..n).map(|at| (format!("without {}", names[at]), self.variant(&without(at)), all));
                    let rows = rows.collect();
                    self.group("Each off: all switches but one, against all", rows);
                }
                Mode::Alone => {
                    let none = self.variant(&[]);
                    let rows = (0..n)
                        .map(|at| (format!("only {}", names[at]), self.variant(&[on[at]]), none))
                        .collect();
                    self.group("Each alone: one switch, against none", rows);
                }
                Mode::Ladder => {
                    let rungs: Vec<usize> = (0..=n).map(|rung| self.variant(&on[..rung])).collect();
                    let steps = |from: &dyn Fn(usize) -> usize| -> Vec<(String, usize, usize)> {
                        (0..n)
                            .map(|at| (format!("+ {}", names[at]), rungs[at + 1], rungs[from(at)]))
                            .collect()
                    };
                    let (step, start) = (steps(&|at| at), steps(&|_| 0));
                    self.group("Ladder: one switch more, against the rung before", step);
                    self.group("Ladder: against its foot, without any switch", start);
                }
            }
        }
    }

    fn group(&mut self, title: &str, rows: Vec<(String, usize, usize)>) {
        let row = |(name, variant, reference)| Row {
            name,
            variant,
            reference,
        };
        self.groups.push(Group {
            title: title.to_owned(),
            rows: rows.into_iter().map(row).collect(),
        });
    }

    /// The place of the variant with these switches.
    fn variant(&mut self, on: &[usize]) -> usize {
        if let Some(at) = self.variants.iter().position(|variant| variant.on == on) {
            return at;
        }
        let switches = &self.ablation.switches;
        let names: Vec<&str> = on.iter().map(|at| switches[*at].name.as_str()).collect();
        let off: Vec<usize> = (0..switches.len())
            .filter(|at| !on.contains(at) && switches[*at].joins(Mode::Off))
            .collect();
        let name = match (&names[..], &off[..]) {
            ([], _) => "baseline".to_owned(),
            ([one], _) => format!("only {one}"),
            (_, []) => "all".to_owned(),
            (_, [one]) => format!("without {}", switches[*one].name),
            (several, _) => {
                // A rung of the ladder has all switches up to its own; the names of all would not fit a folder's name.
                let joins = |mode| (0..switches.len()).filter(move |at| switches[*at].joins(mode));
                let rung = joins(Mode::Ladder).take(on.len()).eq(on.iter().copied());
                if rung {
                    format!("up to {}", several[several.len() - 1])
                } else {
                    several.join(" + ")
                }
            }
        };
        self.variants.push(Variant {
            name,
            on: on.to_vec(),
            measurements: Vec::new(),
        });
        self.variants.len() - 1
    }

    fn settings(&self, on: &[usize]) -> Vec<String> {
        let switches = self.ablation.switches.iter().enumerate();
        let of = |(at, switch): (usize, &Switch)| {
            if on.contains(&at) {
                switch.set.clone()
            } else {
                switch.off.clone()
            }
        };
        // What is off comes first: nothing that is on is undone by it.
        let (on, off): (Vec<_>, Vec<_>) = switches.partition(|(at, _)| on.contains(at));
        self.ablation
            .set
            .iter()
            .cloned()
            .chain(off.into_iter().chain(on).flat_map(of))
            .collect()
    }

    /// Settings of a network that keeps a fold out, if there are folds.
    fn fold_settings(&self, mut settings: Vec<String>, fold: usize) -> Vec<String> {
        let folds = self.ablation.folds;
        if folds > 0 {
            settings.extend([
                "data.holdout=0.0".to_owned(),
                format!("data.folds={folds}"),
                format!("data.fold={fold}"),
            ]);
        }
        settings
    }

    /// The recipe with settings.
    fn recipe(&self, settings: &[String]) -> anyhow::Result<Recipe> {
        let mut recipe = Recipe::read(&self.ablation.recipe, settings)?;
        if let Some(data) = &self.data {
            recipe.data.dir.clone_from(data);
        }
        BackboneConfig::named(recipe.task.backbone())?;
        let split = &self.ablation.split;
        let chooses = recipe.data.holdout == 0.0 && recipe.data.folds == 0;
        anyhow::ensure!(
            split != "train" && !(split == "val" && chooses),
            "the split '{split}' is what the recipe trains on or chooses by, so figures on it flatter\nhint: choose by a part of the training split, as with set = [\"data.holdout=0.15\"], or measure on another split"
        );
        Ok(recipe)
    }

    fn measure(&mut self, variant: usize, seed: u64) -> anyhow::Result<()> {
        let Variant { name, on, .. } = self.variants[variant].clone();
        let layered = |shared: &[String], of: fn(&Switch) -> &[String]| {
            let mut options = Options::default();
            options.set(shared);
            on.iter().for_each(|at| options.set(of(&self.ablation.switches[*at])));
            options
        };
        let options = layered(&self.ablation.train, |switch| &switch.train);
        let evaluate = layered(&self.ablation.evaluate, |switch| &switch.evaluate);
        let stacks = on.iter().any(|at| self.ablation.switches[*at].stacking.is_some());
        let stacking = stacks.then(|| layered(&[], |switch| switch.stacking.as_deref().unwrap_or_default()));
        // What networks see of a picture is in their tables already; only thresholds are left to choose.
        let evaluate = if stacks { evaluate.only("thresholds") } else { evaluate };
        let whose = || format!("the variant '{name}'");
        let mut settings = self.settings(&on);
        settings.push(format!("seed={seed}"));
        let title = format!("{}-seed{seed}", slug(&name));
        let mut networks = vec![(title.clone(), settings.clone())];
        let own = self
            .recipe(&self.fold_settings(settings.clone(), 0))
            .with_context(whose)?
            .name;
        for member in on.iter().flat_map(|at| &self.ablation.switches[*at].members) {
            let member_slug = slug(&member.name);
            // Predictions are told apart by the name of the run.
            let renamed = format!("name={own}-{member_slug}");
            let settings = settings.iter().chain(&member.set).cloned().chain([renamed]).collect();
            networks.push((format!("{member_slug}-in-{title}"), settings));
        }
        let folds = self.ablation.folds;
        let trainings = networks
            .into_iter()
            .flat_map(|(name, settings)| (0..folds.max(1)).map(move |fold| (fold, name.clone(), settings.clone())))
            .map(|(fold, mut name, settings)| {
                if folds > 0 {
                    name += &format!("-fold{fold}");
                }
                let settings = self.fold_settings(settings, fold);
                let recipe = self.recipe(&settings).with_context(whose)?;
                let same = |known: &Training| known.recipe == recipe && known.options == options;
                Ok(self.trainings.iter().position(same).unwrap_or_else(|| {
                    self.trainings.push(Training {
                        name,
                        recipe,
                        settings,
                        options: options.clone(),
                    });
                    self.trainings.len() - 1
                }))
            })
            .collect::<anyhow::Result<Vec<usize>>>()?;
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
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECIPE: &str = "name = 'a'\nseed = 7\nepochs = 1\n[data]\ndir = 'a'\nholdout = 0.2\n[input]\nwidth = 80\n\
                          height = 80\n[optimiser]\nbatch = 2\nrate = 0.1\n[average]\nkind = 'ema'\n\
                          [task]\nkind = 'style'\nbackbone = 'resnet18'\n";

    fn plan(text: &str) -> anyhow::Result<Plan> {
        let dir = tempfile::tempdir()?;
        std::fs::write(dir.path().join("recipe.toml"), RECIPE)?;
        let path = dir.path().join("ablation.toml");
        std::fs::write(&path, format!("recipe = 'recipe.toml'\n{text}"))?;
        Plan::new(AblationRecipe::read(&path)?, None)
    }

    const SWITCHES: &str = "set = ['average=null']\nevaluate = ['thresholds=0.5']\n\
        [[switches]]\nname = 'mixup'\nset = ['mixup=0.2']\n\
        [[switches]]\nname = 'EMA'\nset = ['average.kind=ema']\n\
        [[switches]]\nname = 'tuned'\nevaluate = ['thresholds=null']\n\
        [[switches]]\nname = 'focal'\nset = ['loss.kind=focal']\nmodes = ['alone']\n";

    #[test]
    fn every_mode_has_its_variants_and_equal_recipes_share_a_training() {
        let plan = plan(&format!("seeds = 2\nmodes = ['off', 'alone', 'ladder']\n{SWITCHES}")).expect("a plan");
        let rows: Vec<String> = plan
            .groups
            .iter()
            .flat_map(|group| &group.rows)
            .map(|row| {
                format!(
                    "{}: {} - {}",
                    row.name, plan.variants[row.variant].name, plan.variants[row.reference].name
                )
            })
            .collect();
        assert_eq!(
            rows,
            [
                "without mixup: without mixup - all",
                "without EMA: without EMA - all",
                "without tuned: without tuned - all",
                "only mixup: only mixup - baseline",
                "only EMA: only EMA - baseline",
                "only tuned: only tuned - baseline",
                "only focal: only focal - baseline",
                "+ mixup: only mixup - baseline",
                "+ EMA: without tuned - only mixup",
                "+ tuned: all - without tuned",
                "+ mixup: only mixup - baseline",
                "+ EMA: without tuned - baseline",
                "+ tuned: all - baseline",
            ]
        );
        assert_eq!(plan.seeds, [7, 8]);
        // Of a seed: mixup × EMA, and focal; each evaluated in both ways but focal.
        assert_eq!(
            (plan.variants.len(), plan.trainings.len(), plan.measurements.len()),
            (9, 10, 18)
        );
        for variant in &plan.variants {
            for (measurement, seed) in variant.measurements.iter().zip(&plan.seeds) {
                let measurement = &plan.measurements[*measurement];
                let recipe = &plan.trainings[measurement.trainings[0]].recipe;
                let is_on = |at: usize| variant.on.contains(&at);
                assert_eq!(recipe.seed, *seed);
                assert_eq!(
                    (recipe.mixup > 0.0, recipe.average.is_some()),
                    (is_on(0), is_on(1)),
                    "{}",
                    variant.name
                );
                assert_eq!(measurement.options.arguments().is_empty(), is_on(2), "{}", variant.name);
            }
        }
    }

    #[test]
    fn folds_and_members_are_measured_together() {
        let switches = "[[switches]]\nname = 'flip'\nevaluate = ['views=flip']\n[[switches]]\nname = 'backbones'\n\
            members = [{ name = 'Dense Net', set = ['task.backbone=densenet121'] }]\n";
        let plan = plan(&format!("seeds = 1\nfolds = 2\nmodes = ['ladder']\n{switches}")).expect("a plan");
        let names: Vec<&str> = plan.trainings.iter().map(|training| training.name.as_str()).collect();
        let member = "dense-net-in-all-seed7";
        let of_member = [format!("{member}-fold0"), format!("{member}-fold1")];
        assert_eq!(
            names,
            [
                "baseline-seed7-fold0",
                "baseline-seed7-fold1",
                &of_member[0],
                &of_member[1]
            ]
        );
        let taken: Vec<&[usize]> = plan
            .measurements
            .iter()
            .map(|measurement| &measurement.trainings[..])
            .collect();
        assert_eq!(taken, [&[0, 1][..], &[0, 1], &[0, 1, 2, 3]]);
        for (training, (name, fold, backbone)) in plan.trainings.iter().zip([
            ("a", 0, "resnet18"),
            ("a", 1, "resnet18"),
            ("a-dense-net", 0, "densenet121"),
            ("a-dense-net", 1, "densenet121"),
        ]) {
            let recipe = &training.recipe;
            assert_eq!(
                (&recipe.name[..], recipe.data.fold, recipe.task.backbone()),
                (name, fold, backbone)
            );
            assert_eq!((recipe.data.folds, recipe.data.holdout), (2, 0.0));
        }
    }

    #[test]
    fn what_cannot_be_compared_is_refused_with_a_reason() {
        for (text, said) in [
            (
                "seeds = 0\n[[switches]]\nname = 'a'\nset = ['mixup=1']",
                "seeds must be",
            ),
            (
                "[[switches]]\nname = 'a'\nmembers = [{ name = '-', set = [] }]",
                "members of the switch 'a'",
            ),
            ("switches = []", "no [[switches]]"),
            ("[[switches]]\nname = 'a'", "'a' changes nothing"),
            ("[[switches]]\nname = '-'\nset = ['mixup=1']", "no letter"),
            (
                "[[switches]]\nname = 'a b'\nset = ['mixup=1']\n[[switches]]\nname = 'A-b'\noff = ['mixup=1']",
                "two switches",
            ),
            ("[[switches]]\nname = 'a'\nset = ['mixup=-1']", "the variant 'only a'"),
            (
                "set = ['data.holdout=0']\n[[switches]]\nname = 'a'\nset = ['mixup=1']",
                "data.holdout=0.15",
            ),
            (
                "split = 'train'\n[[switches]]\nname = 'a'\nset = ['mixup=1']",
                "flatter",
            ),
            ("[[switches]]\nname = 'a'\nst = ['mixup=1']", "unknown field"),
        ] {
            let error = format!("{:#}", plan(text).expect_err(text));
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
