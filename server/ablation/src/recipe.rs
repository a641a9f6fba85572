//! Recipe of an ablation: a TOML file that names a training recipe and the techniques to compare.

use crate::settings::Settings;
use anyhow::Context;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use toml::Table;

/// Complete description of an ablation.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AblationRecipe {
    /// Path of the training recipe, relative to this file.
    pub recipe: PathBuf,
    /// Trainings per variant, at least 1, with the recipe's seed and the seeds after it.
    #[serde(default = "default_seeds")]
    pub seeds: usize,
    /// Folds of the training split, or 0 for the recipe's own hold-out. With folds every variant is trained once per fold
    /// and seed, the networks' probabilities are averaged, and thresholds are tuned on out-of-fold predictions. Networks for
    /// retrieval are each measured on the items of their fold instead of on `split`.
    #[serde(default)]
    pub folds: usize,
    /// Comparisons. Each switch can list its own.
    #[serde(default = "Mode::usual")]
    pub modes: Vec<Mode>,
    /// Split that metrics are measured on. Nothing may be tuned on it.
    #[serde(default = "default_split")]
    pub split: String,
    /// Metric that is compared. If absent, the main metric of the evaluation: macro F2, or mAP@10.
    #[serde(default, rename = "figure")]
    pub metric: Option<String>,
    /// Keys of the training recipe that every variant sets.
    #[serde(default)]
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub set: Table,
    /// Keys of the training recipe that every variant removes, such as `average`, before `set` applies.
    #[serde(default)]
    pub unset: Vec<String>,
    /// Further settings of every variant, from the command line.
    #[serde(skip)]
    pub settings: Vec<String>,
    /// Options of `selvedge train` or `distill` for every variant, such as `init=FILE` or `teacher=BUNDLE`. `{fold}` stands for
    /// the number of the fold. A query encoder is measured in the gallery of its teacher.
    #[serde(default)]
    pub train: Vec<String>,
    /// Options of `selvedge evaluate` for every variant, such as `thresholds=0.5`.
    #[serde(default)]
    pub evaluate: Vec<String>,
    /// Techniques, in the order of a ladder.
    pub switches: Vec<Switch>,
}

/// A technique: the changes that switch it on.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// Name in tables.
    pub name: String,
    /// Keys of the training recipe that the technique sets.
    #[serde(default)]
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub set: Table,
    /// Keys of the training recipe that the technique removes, before `set` applies.
    #[serde(default)]
    pub unset: Vec<String>,
    /// Changes of the training recipe in variants without the technique, if these need any.
    #[serde(default)]
    pub off: Settings,
    /// Options of `selvedge train`.
    #[serde(default)]
    pub train: Vec<String>,
    /// Options of `selvedge evaluate`. A switch with no other changes needs no training of its own.
    #[serde(default)]
    pub evaluate: Vec<String>,
    /// Further networks, whose probabilities are averaged with those of the variant's own network.
    #[serde(default)]
    pub members: Vec<Member>,
    /// Options of `selvedge ensemble fit`, such as `grid=small`. Boosters are stacked on the predictions of all networks
    /// after every epoch, instead of averaging the networks. Needs three folds, and the measured split in `data.predict`.
    #[serde(default)]
    pub stacking: Option<Vec<String>>,
    /// Comparisons of the switch, instead of all. Alternatives that exclude each other cannot all be on.
    #[serde(default)]
    pub modes: Option<Vec<Mode>>,
}

/// Kind of comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// All switches but one, against all.
    Off,
    /// One switch, against none.
    Alone,
    /// Switches one after another, each in addition to those before.
    Ladder,
}

impl Mode {
    fn usual() -> Vec<Self> {
        vec![Self::Off, Self::Alone]
    }
}

fn default_seeds() -> usize {
    3
}

fn default_split() -> String {
    "val".to_owned()
}

impl Switch {
    /// True if the switch takes part in a comparison.
    pub(crate) fn joins(&self, mode: Mode) -> bool {
        self.modes.as_ref().is_none_or(|modes| modes.contains(&mode))
    }

    /// Returns the settings of variants with the technique.
    pub(crate) fn on_settings(&self) -> Vec<String> {
        crate::settings::settings(&self.set, &self.unset)
    }

    fn changes_something(&self) -> bool {
        !self.on_settings().is_empty()
            || !self.off.settings().is_empty()
            || !self.train.is_empty()
            || !self.evaluate.is_empty()
            || !self.members.is_empty()
            || self.stacking.is_some()
    }
}

/// A further network of a variant.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Name of the network and of its runs.
    pub name: String,
    /// Keys of the training recipe that the network sets in addition to the variant, such as another backbone.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub set: Table,
    /// Keys of the training recipe that the network removes, before `set` applies.
    #[serde(default)]
    pub unset: Vec<String>,
}

impl AblationRecipe {
    /// Reads the file and resolves the recipe's path.
    ///
    /// # Errors
    /// Names the file and the problem.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read the ablation {}", path.display()))?;
        let mut ablation: Self = toml::from_str(&text).with_context(|| {
            format!(
                "in the ablation {}\nhint: it names a recipe and lists [[switches]]",
                path.display()
            )
        })?;
        ablation.recipe = path.parent().unwrap_or(Path::new("")).join(&ablation.recipe);
        Ok(ablation)
    }

    /// Returns the JSON Schema of ablation files.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }

    /// Returns the settings of every variant.
    pub(crate) fn common_settings(&self) -> Vec<String> {
        let mut settings = crate::settings::settings(&self.set, &self.unset);
        settings.extend(self.settings.iter().cloned());
        settings
    }

    /// Checks that the switches have different names and change something.
    ///
    /// # Errors
    /// Names the switch.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.seeds > 0, "seeds must be at least 1");
        anyhow::ensure!(!self.switches.is_empty(), "there are no [[switches]] to compare");
        anyhow::ensure!(
            !self.modes.is_empty(),
            "modes is empty; list one or more of off, alone and ladder"
        );
        for (at, switch) in self.switches.iter().enumerate() {
            let name = &switch.name;
            let slugs: Vec<String> = switch.members.iter().map(|member| slug(&member.name)).collect();
            anyhow::ensure!(
                (0..slugs.len()).all(|at| !slugs[at].is_empty() && !slugs[..at].contains(&slugs[at])),
                "the members of the switch '{name}' need names that differ, with letters or digits"
            );
            anyhow::ensure!(
                name.chars().any(char::is_alphanumeric),
                "the name '{name}' of a switch has no letter or digit, and the folders of its runs need one"
            );
            anyhow::ensure!(
                !self.switches[..at].iter().any(|other| slug(&other.name) == slug(name)),
                "two switches are named '{name}'; their runs would share folders"
            );
            anyhow::ensure!(
                switch.changes_something(),
                "the switch '{name}' changes nothing; give it set, unset, off, train, evaluate, members or stacking"
            );
            anyhow::ensure!(
                switch.stacking.is_none() || self.folds > 2,
                "the switch '{name}' stacks boosters, which needs at least three folds (to train on, to stop by, to predict); give folds = 3"
            );
        }
        Ok(())
    }
}

/// Converts a name to a part of a folder's name: lower-case letters and digits, with hyphens between words.
pub(crate) fn slug(name: &str) -> String {
    let words = name
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("-")
}
