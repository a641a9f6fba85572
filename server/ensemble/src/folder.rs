//! Folder of an ensemble, or of a part that one of several machines fitted.
//!
//! ```text
//! ensemble.json       labels, folds, options, models, thresholds     (part.json in a part)
//! filter.json         per label and fold: every candidate, and the reason if it was dropped
//! boosters/003-1.ubj  label 3, fold 1, in XGBoost's UBJSON
//! ```
//!
//! **Invariant:** a folder appears in one step, by a rename. A fit that is killed leaves no folder of that name.

use super::filter::Choice;
use super::prediction_set::PredictionSet;
use super::score;
use super::shard::Shard;
use super::stack::{FitOptions, LabelModel, Predictor, fit_label_model};
use super::xgboost::XgBoost;
use anyhow::{Context, bail, ensure};
use dataset::atomic;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use shared::bundle::sha256_hex;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const ENSEMBLE: &str = "ensemble.json";
const PART: &str = "part.json";
const FILTER: &str = "filter.json";
const BOOSTERS: &str = "boosters";

/// Inputs of an ensemble. Parts must agree on all of them to be merged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// SHA-256 of the prediction set.
    pub zoo_sha256: String,
    /// SHA-256 of the assignment of images to folds.
    pub folds_sha256: String,
    /// Label identifiers.
    pub labels: Vec<String>,
    /// Folds.
    pub folds: Vec<u32>,
    /// Options of the fit.
    pub options: FitOptions,
    /// Version of XGBoost.
    pub xgboost: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct PartManifest {
    shard: Shard,
    zoo: PathBuf,
    origin: Origin,
    #[serde(rename = "units")]
    models: Vec<LabelModel>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    origin: Origin,
    thresholds: Vec<f32>,
    #[serde(rename = "units")]
    models: Vec<LabelModel>,
}

/// A fitted ensemble.
#[derive(Debug, Clone, PartialEq)]
pub struct Ensemble {
    /// Inputs of the ensemble.
    pub origin: Origin,
    /// Threshold per label, tuned on the out-of-fold predictions of the models.
    pub thresholds: Vec<f32>,
    /// Models in the order of labels, and of folds within a label.
    pub models: Vec<LabelModel>,
}

/// File of a prediction set with its content.
#[derive(Debug)]
pub struct PredictionSetFile {
    /// Path of the file.
    pub path: PathBuf,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Predictions of all networks.
    pub set: PredictionSet,
}

impl PredictionSetFile {
    /// Reads and checks a prediction set.
    ///
    /// # Errors
    /// As [`PredictionSet::read`].
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let bytes = std::fs::read(path).with_context(|| {
            format!(
                "cannot read the zoo {}\nhint: `selvedge ensemble collect` makes one",
                path.display()
            )
        })?;
        Ok(Self {
            path: path.to_owned(),
            sha256: sha256_hex(&bytes),
            set: PredictionSet::read(path)?,
        })
    }
}

impl Origin {
    /// Describes a fit of this prediction set with these options.
    ///
    /// # Errors
    /// If the set has no out-of-fold rows.
    pub fn new(file: &PredictionSetFile, options: &FitOptions, xgboost: &XgBoost) -> anyhow::Result<Self> {
        ensure!(
            !file.set.oof.is_empty(),
            "{} has no out-of-fold predictions to fit to",
            file.path.display()
        );
        Ok(Self {
            zoo_sha256: file.sha256.clone(),
            folds_sha256: sha256_hex(file.set.fold_assignment().as_bytes()),
            labels: file.set.labels.clone(),
            folds: file.set.folds.clone(),
            options: options.clone(),
            xgboost: xgboost.version.clone(),
        })
    }

    fn ensure_same(&self, other: &Self, what: &Path) -> anyhow::Result<()> {
        let differs = [
            ("another zoo", self.zoo_sha256 != other.zoo_sha256),
            ("other options", self.options != other.options),
            ("another version of XGBoost", self.xgboost != other.xgboost),
        ];
        match differs.iter().find(|(_, differs)| *differs) {
            Some((name, _)) => bail!(
                "{} was fitted with {name}, not with that of the other parts\nhint: fit all shards with the same zoo, options and library",
                what.display()
            ),
            // The other fields depend on the prediction set.
            None => Ok(()),
        }
    }
}

/// Returns the indices of label and fold of every model that a shard fits, in round-robin order.
pub fn shard_indices(origin: &Origin, shard: Shard) -> Vec<(usize, usize)> {
    let folds = origin.folds.len();
    let models = (0..origin.labels.len() * folds).filter(|model| model % shard.of == shard.index - 1);
    models.map(|model| (model / folds, model % folds)).collect()
}

/// Fits the models of a shard on all threads of the current pool. `done` is called after each.
///
/// # Errors
/// If there are fewer than three folds, a label has no known truth, or XGBoost fails.
pub fn fit(
    xgboost: &XgBoost,
    set: &PredictionSet,
    origin: &Origin,
    shard: Shard,
    done: &(dyn Fn() + Sync),
) -> anyhow::Result<Vec<LabelModel>> {
    let fit = |(label, fold)| {
        let model = fit_label_model(xgboost, set, label, fold, &origin.options);
        done();
        model
    };
    shard_indices(origin, shard).into_par_iter().map(fit).collect()
}

impl Ensemble {
    /// Combines all models and tunes the thresholds on their out-of-fold predictions.
    ///
    /// # Errors
    /// If XGBoost fails.
    pub fn new(
        xgboost: &XgBoost,
        set: &PredictionSet,
        origin: Origin,
        models: Vec<LabelModel>,
    ) -> anyhow::Result<Self> {
        let mut ensemble = Self {
            origin,
            thresholds: Vec::new(),
            models,
        };
        let probs = ensemble.oof(xgboost, set)?;
        let rows: Vec<usize> = (0..set.oof.len()).collect();
        ensemble.thresholds = score::thresholds(&probs, &set.oof, &rows);
        Ok(ensemble)
    }

    /// Writes the folder in one step.
    ///
    /// # Errors
    /// If the folder exists already, or it cannot be written.
    pub fn write(&self, dir: &Path) -> anyhow::Result<()> {
        ensure!(
            !dir.exists(),
            "{} exists already, and an ensemble is never overwritten",
            dir.display()
        );
        let manifest = Manifest {
            origin: self.origin.clone(),
            thresholds: self.thresholds.clone(),
            models: self.models.clone(),
        };
        write_folder(
            dir,
            ENSEMBLE,
            &serde_json::to_vec_pretty(&manifest)?,
            &self.origin,
            &self.models,
        )
    }

    /// Reads a folder.
    ///
    /// # Errors
    /// If a file is missing or damaged.
    pub fn read(dir: &Path) -> anyhow::Result<Self> {
        let manifest: Manifest = read_json(&dir.join(ENSEMBLE)).with_context(|| {
            format!(
                "{} is not an ensemble\nhint: `selvedge ensemble fit` makes one",
                dir.display()
            )
        })?;
        let models = read_models(dir, &manifest.origin, manifest.models)?;
        Ok(Self {
            origin: manifest.origin,
            thresholds: manifest.thresholds,
            models,
        })
    }

    /// Merges the parts of all shards into the ensemble that one process would have fitted.
    ///
    /// The prediction set is read from the path in the first part unless `zoo` is given.
    ///
    /// # Errors
    /// If a shard is missing or duplicate, or the parts do not belong together.
    pub fn merge(xgboost: &XgBoost, parts: &[PathBuf], zoo: Option<&Path>) -> anyhow::Result<Self> {
        let mut read = Vec::new();
        for dir in parts {
            let part: PartManifest = read_json(&dir.join(PART)).with_context(|| {
                format!(
                    "{} is not a finished part\nhint: run its shard again with `selvedge ensemble fit --shard`",
                    dir.display()
                )
            })?;
            read.push((dir, part));
        }
        read.sort_by_key(|(_, part)| part.shard.index);
        let (_, first) = read.first().context("name the parts to merge")?;
        let (origin, zoo_path, of) = (first.origin.clone(), first.zoo.clone(), first.shard.of);
        for (dir, part) in &read {
            ensure!(
                part.shard.of == of,
                "{} is shard {}, the other parts are shards of {of}",
                dir.display(),
                part.shard
            );
            part.origin.ensure_same(&origin, dir)?;
        }
        let indices: Vec<usize> = read.iter().map(|(_, part)| part.shard.index).collect();
        if let Some(twice) = indices.windows(2).find(|pair| pair[0] == pair[1]) {
            bail!("shard {}/{of} is given twice", twice[0]);
        }
        let missing: Vec<String> = (1..=of)
            .filter(|index| !indices.contains(index))
            .map(|index| format!("{index}/{of}"))
            .collect();
        ensure!(
            missing.is_empty(),
            "shard {} is missing\nhint: run `selvedge ensemble fit --shard {}` with the options of the others",
            missing.join(", "),
            missing[0]
        );
        let file = PredictionSetFile::open(zoo.unwrap_or(&zoo_path))
            .context("merging needs the zoo\nhint: name it with --zoo if it has moved")?;
        ensure!(
            file.sha256 == origin.zoo_sha256,
            "{} is not the zoo that the parts were fitted to",
            file.path.display()
        );

        let mut by_index = BTreeMap::new();
        for (dir, part) in read {
            let indices = shard_indices(&origin, part.shard);
            ensure!(indices.len() == part.models.len(), "{} lacks models", dir.display());
            by_index.extend(indices.into_iter().zip(read_models(dir, &origin, part.models)?));
        }
        Self::new(xgboost, &file.set, origin, by_index.into_values().collect())
    }
}

/// Writes the part of a shard in one step.
///
/// # Errors
/// If the folder exists, or it cannot be written.
pub fn write_part(
    dir: &Path,
    shard: Shard,
    file: &PredictionSetFile,
    origin: &Origin,
    models: &[LabelModel],
) -> anyhow::Result<()> {
    let manifest = PartManifest {
        shard,
        zoo: std::path::absolute(&file.path)?,
        origin: origin.clone(),
        models: models.to_vec(),
    };
    write_folder(dir, PART, &serde_json::to_vec_pretty(&manifest)?, origin, models)
}

/// True if the part of a shard exists, finished.
///
/// # Errors
/// If another folder of that name exists.
pub fn part_is_done(dir: &Path, shard: Shard, origin: &Origin) -> anyhow::Result<bool> {
    if !dir.exists() {
        return Ok(false);
    }
    let part: PartManifest =
        read_json(&dir.join(PART)).with_context(|| format!("{} exists and is not a part", dir.display()))?;
    ensure!(
        part.shard == shard,
        "{} is shard {} of another fit",
        dir.display(),
        part.shard
    );
    part.origin.ensure_same(origin, dir)?;
    Ok(true)
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", path.display()))
}

fn booster_path(dir: &Path, origin: &Origin, model: &LabelModel) -> PathBuf {
    let label = origin
        .labels
        .iter()
        .position(|label| *label == model.label)
        .unwrap_or(usize::MAX);
    dir.join(BOOSTERS).join(format!("{label:03}-{}.ubj", model.fold))
}

/// Reads the boosters and the filter's decisions of models from their manifest.
fn read_models(dir: &Path, origin: &Origin, models: Vec<LabelModel>) -> anyhow::Result<Vec<LabelModel>> {
    let choices: Vec<Choice> = read_json(&dir.join(FILTER))?;
    ensure!(
        choices.len() == models.len(),
        "{} is damaged",
        dir.join(FILTER).display()
    );
    let read = |(model, choice): (LabelModel, Choice)| -> anyhow::Result<LabelModel> {
        let path = booster_path(dir, origin, &model);
        let booster = match model.predictor {
            Predictor::Constant { .. } => Vec::new(),
            Predictor::Booster { .. } => {
                std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?
            }
        };
        Ok(LabelModel {
            booster,
            choice,
            ..model
        })
    };
    models.into_iter().zip(choices).map(read).collect()
}

fn write_folder(dir: &Path, name: &str, manifest: &[u8], origin: &Origin, models: &[LabelModel]) -> anyhow::Result<()> {
    atomic::create_folder(dir, |folder| {
        std::fs::create_dir(folder.join(BOOSTERS))?;
        for model in models.iter().filter(|model| !model.booster.is_empty()) {
            atomic::write(&booster_path(folder, origin, model), &model.booster)?;
        }
        let choices: Vec<&Choice> = models.iter().map(|model| &model.choice).collect();
        atomic::write(&folder.join(FILTER), &serde_json::to_vec_pretty(&choices)?)?;
        atomic::write(&folder.join(name), manifest)
    })
}
