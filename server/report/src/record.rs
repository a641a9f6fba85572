//! Record of a run, read from its folder.
//!
//! Reading tolerates folders of other versions and of crashed runs. Notes list the files that cannot be read.

use anyhow::Context;
use dataset::predictions::epoch_table;
use dataset::run::{BUNDLE, METRICS, PROVENANCE, Provenance, RECIPE, is_locked};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One epoch of `metrics.jsonl`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Epoch {
    /// Number of the epoch, from 0.
    pub epoch: usize,
    /// Mean training loss of the epoch.
    pub train_loss: Option<f64>,
    /// Score that selects the epoch; higher is better.
    pub score: Option<f64>,
    /// Learning rate at the epoch's first step.
    pub rate: Option<f64>,
    /// Duration of the epoch, evaluation included.
    pub seconds: Option<f64>,
    /// Throughput of training.
    pub images_per_second: Option<f64>,
    /// Metrics on the tuning part by name.
    #[serde(rename = "figures")]
    pub metrics: BTreeMap<String, f64>,
}

/// State of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The run has a bundle.
    Finished,
    /// A process is training it.
    Running,
    /// The run has no bundle, and no process trains it. `--resume` continues it.
    Interrupted,
    /// The recipe cannot be read.
    Broken,
}

impl Status {
    /// Name of the status.
    pub fn name(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Broken => "broken",
        }
    }
}

/// Content of a run's folder.
#[derive(Debug, Clone)]
pub struct Record {
    /// The folder.
    pub dir: PathBuf,
    /// Text of the recipe; empty if it is missing.
    pub recipe_text: String,
    /// Keys of the recipe, of any version.
    pub recipe: toml::Table,
    /// Origin of the run.
    pub provenance: Option<Provenance>,
    /// Finished epochs, in order.
    pub epochs: Vec<Epoch>,
    /// State of the run.
    pub status: Status,
    /// Files that could not be read, with reasons.
    pub notes: Vec<String>,
}

impl Record {
    /// True if a folder contains a file of a run.
    pub fn is_run(dir: &Path) -> bool {
        [RECIPE, PROVENANCE, METRICS]
            .iter()
            .any(|file| dir.join(file).is_file())
    }

    /// Reads the files of a folder.
    pub fn read(dir: &Path) -> Self {
        let mut notes = Vec::new();
        let mut text = |file: &str| {
            std::fs::read_to_string(dir.join(file))
                .map_err(|error| notes.push(format!("{file}: {error}")))
                .ok()
        };
        let recipe_text = text(RECIPE);
        let provenance = text(PROVENANCE);
        // A run that was interrupted in its first epoch has no metrics.
        let metrics = if dir.join(METRICS).exists() {
            text(METRICS)
        } else {
            None
        };
        let parsed = recipe_text.as_deref().map(toml::from_str::<toml::Table>);
        let recipe = match parsed {
            Some(Ok(table)) => Some(table),
            Some(Err(error)) => {
                notes.push(format!("{RECIPE}: {}", error.message()));
                None
            }
            None => None,
        };
        let provenance = provenance.and_then(|text| {
            serde_json::from_str(&text)
                .map_err(|error| notes.push(format!("{PROVENANCE}: {error}")))
                .ok()
        });
        let (epochs, unread) = epochs(metrics.as_deref().unwrap_or_default());
        if unread > 0 {
            let lines = if unread == 1 { "line" } else { "lines" };
            notes.push(format!("{METRICS}: {unread} {lines} cannot be read"));
        }
        let status = if recipe.is_none() {
            Status::Broken
        } else if dir.join(BUNDLE).join(shared::bundle::MANIFEST_FILE).is_file() {
            Status::Finished
        } else if is_locked(dir) {
            Status::Running
        } else {
            Status::Interrupted
        };
        Self {
            dir: dir.to_owned(),
            recipe_text: recipe_text.unwrap_or_default(),
            recipe: recipe.unwrap_or_default(),
            provenance,
            epochs,
            status,
            notes,
        }
    }

    /// Value of a recipe's key such as `task.backbone`.
    fn key(&self, key: &str) -> Option<&toml::Value> {
        let mut parts = key.split('.');
        let first = self.recipe.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    }

    /// Value of a recipe's key as text, without the quotes of a string.
    pub fn text(&self, key: &str) -> Option<String> {
        self.key(key)
            .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }

    /// Name of the recipe, or of the folder.
    pub(crate) fn name(&self) -> String {
        self.text("name").unwrap_or_else(|| {
            self.dir
                .file_name()
                .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
        })
    }

    /// Kind of the task, such as `style` or `retrieval`.
    pub(crate) fn task(&self) -> Option<String> {
        self.text("task.kind")
    }

    /// Name of the backbone.
    pub(crate) fn backbone(&self) -> Option<String> {
        self.text("task.backbone").or_else(|| self.text("task.model.backbone"))
    }

    /// Number of epochs in the recipe.
    pub(crate) fn epochs_planned(&self) -> Option<u64> {
        self.key("epochs")
            .and_then(toml::Value::as_integer)
            .and_then(|epochs| u64::try_from(epochs).ok())
    }

    /// Path of the predictions table of the best epoch.
    ///
    /// # Errors
    /// If no epoch is finished, or there is no table. Only runs of classifiers have tables.
    pub fn best_predictions(&self) -> anyhow::Result<PathBuf> {
        let run = self.dir.display();
        let best = self.best().with_context(|| format!("{run} has no finished epoch"))?;
        let table = epoch_table(&self.dir, best.epoch as u32);
        anyhow::ensure!(
            table.is_file(),
            "{run} keeps no predictions of its best epoch ({})",
            table.display()
        );
        Ok(table)
    }

    /// Returns the epoch with the highest score.
    pub fn best(&self) -> Option<&Epoch> {
        best(&self.epochs)
    }

    /// Duration of all epochs in seconds.
    pub fn seconds(&self) -> f64 {
        self.epochs.iter().filter_map(|epoch| epoch.seconds).sum()
    }
}

/// Returns the epoch with the highest score, the first of ties, like training.
pub(crate) fn best(epochs: &[Epoch]) -> Option<&Epoch> {
    let mut best: Option<&Epoch> = None;
    for epoch in epochs {
        let Some(score) = epoch.score.filter(|score| score.is_finite()) else {
            continue;
        };
        if best.and_then(|best| best.score).is_none_or(|before| score > before) {
            best = Some(epoch);
        }
    }
    best
}

/// Parses a `metrics.jsonl`; returns the epochs and the number of lines that cannot be read. Lines of one epoch are merged.
fn epochs(text: &str) -> (Vec<Epoch>, usize) {
    let mut by_epoch: BTreeMap<usize, Epoch> = BTreeMap::new();
    let mut unread = 0;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let Ok(value) = serde_json::from_str::<serde_json::Value>(line) else {
            unread += 1;
            continue;
        };
        let Some(number) = value["epoch"].as_u64() else {
            unread += 1;
            continue;
        };
        let epoch = by_epoch.entry(number as usize).or_default();
        epoch.epoch = number as usize;
        let fields = [
            ("train_loss", &mut epoch.train_loss),
            ("score", &mut epoch.score),
            ("rate", &mut epoch.rate),
            ("seconds", &mut epoch.seconds),
            ("images_per_second", &mut epoch.images_per_second),
        ];
        for (name, field) in fields {
            *field = value[name].as_f64().or(*field);
        }
        if let Some(metrics) = value["figures"].as_object() {
            epoch.metrics.extend(
                metrics
                    .iter()
                    .filter_map(|(name, value)| Some((name.clone(), value.as_f64()?))),
            );
        }
    }
    (by_epoch.into_values().collect(), unread)
}
