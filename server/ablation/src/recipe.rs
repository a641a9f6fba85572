//! Recipe of an ablation: a TOML file that names a training recipe and the techniques to switch. Unknown keys are
//! refused.

use anyhow::Context;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// An ablation, completely described.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AblationRecipe {
    /// Path of the training recipe, relative to this file.
    pub recipe: PathBuf,
    /// Trainings of each variant, with the recipe's seed and those after it.
    #[serde(default = "default_seeds")]
    pub seeds: usize,
    /// Folds of the training split, or 0 for the recipe's own hold-out. With folds every variant is trained once a fold and
    /// seed, the networks' probabilities are averaged, and thresholds are tuned on what they predict out of fold.
    #[serde(default)]
    pub folds: usize,
    /// Comparisons; each switch can state its own.
    #[serde(default = "Mode::usual")]
    pub modes: Vec<Mode>,
    /// The split that figures are measured on; nothing may be tuned on it.
    #[serde(default = "default_split")]
    pub split: String,
    /// The figure that is compared; the first that the evaluation knows if absent: macro F2, or mAP@10.
    #[serde(default)]
    pub figure: Option<String>,
    /// Settings of the recipe in every variant, as for `selvedge train --set`.
    #[serde(default)]
    pub set: Vec<String>,
    /// Options of `selvedge train` in every variant, such as `init=FILE`.
    #[serde(default)]
    pub train: Vec<String>,
    /// Options of `selvedge evaluate` in every variant, such as `thresholds=0.5`.
    #[serde(default)]
    pub evaluate: Vec<String>,
    /// The techniques, in the order of a ladder.
    pub switches: Vec<Switch>,
}

/// A technique: what is laid over the recipe to have it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// Name in tables.
    pub name: String,
    /// Settings of the recipe.
    #[serde(default)]
    pub set: Vec<String>,
    /// Settings of the recipe where the technique is off, if that takes more than not to set it.
    #[serde(default)]
    pub off: Vec<String>,
    /// Options of `selvedge train`.
    #[serde(default)]
    pub train: Vec<String>,
    /// Options of `selvedge evaluate`; a switch with nothing else needs no training of its own.
    #[serde(default)]
    pub evaluate: Vec<String>,
    /// Further networks, whose probabilities are averaged with those of the variant's own.
    #[serde(default)]
    pub members: Vec<Member>,
    /// Options of `selvedge ensemble fit`, such as `grid=small`: boosters are stacked on what all networks predicted after every
    /// epoch, instead of averaging the networks. It takes three folds, and the measured split among `data.predict`.
    #[serde(default)]
    pub stacking: Option<Vec<String>>,
    /// Comparisons that the switch takes part in, instead of all: alternatives that exclude each other cannot all be on.
    #[serde(default)]
    pub modes: Option<Vec<Mode>>,
}

/// Kind of comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Everything but one switch, with everything.
    Off,
    /// One switch, with none.
    Alone,
    /// One switch after another on top of those before.
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
    pub fn joins(&self, mode: Mode) -> bool {
        self.modes.as_ref().is_none_or(|modes| modes.contains(&mode))
    }
}

/// A network beside a variant's own.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Name of the network and of its runs.
    pub name: String,
    /// Settings laid over the variant's, such as another backbone.
    pub set: Vec<String>,
}

impl AblationRecipe {
    /// Reads the file; the recipe's path becomes relative to the working directory.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
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

    /// Checks that the switches have different names and change something.
    ///
    /// # Errors
    /// Names the switch.
    pub fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.seeds > 0, "seeds must be at least 1");
        anyhow::ensure!(!self.switches.is_empty(), "there are no [[switches]] to try");
        anyhow::ensure!(
            !self.modes.is_empty(),
            "modes is empty; it lists off, alone and ladder as wanted"
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
                "the name '{name}' of a switch has no letter or digit, which its runs' folders are named by"
            );
            anyhow::ensure!(
                !self.switches[..at].iter().any(|other| slug(&other.name) == slug(name)),
                "two switches are named '{name}'; their runs would share folders"
            );
            anyhow::ensure!(
                [&switch.set, &switch.off, &switch.train, &switch.evaluate]
                    .iter()
                    .any(|settings| !settings.is_empty())
                    || !switch.members.is_empty()
                    || switch.stacking.is_some(),
                "the switch '{name}' changes nothing; give it set, off, train, evaluate, members or stacking"
            );
            anyhow::ensure!(
                switch.stacking.is_none() || self.folds > 2,
                "the switch '{name}' stacks boosters, which takes three folds or more (to train on, to stop by, to predict); give folds = 3"
            );
        }
        Ok(())
    }
}

/// A name as part of a folder's: lower-case letters and digits, with hyphens between.
pub fn slug(name: &str) -> String {
    let words = name
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("-")
}
