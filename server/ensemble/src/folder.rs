//! An ensemble's folder, whole or in parts fitted on several machines.
//!
//! ```text
//! ensemble.json       labels, folds, options, units, thresholds      (part.json in a part)
//! filter.json         per label and fold: every candidate, and why it was kept or dropped
//! boosters/003-1.ubj  label 3, fold 1, in XGBoost's UBJSON
//! ```
//!
//! **A folder appears in one step, a rename;** a fit that is killed leaves nothing that could be taken for a result.

use super::filter::Choice;
use super::score;
use super::stack::{FitOptions, Fitted, Model, Unit, fit_unit};
use super::xgboost::XgBoost;
use super::zoo::Zoo;
use anyhow::{Context, bail, ensure};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use shared::bundle::sha256_hex;
use std::path::{Path, PathBuf};
use std::str::FromStr;

const ENSEMBLE: &str = "ensemble.json";
const PART: &str = "part.json";
const FILTER: &str = "filter.json";
const BOOSTERS: &str = "boosters";

/// Share of the work of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Counted from 1.
    pub index: usize,
    /// Of how many.
    pub of: usize,
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text
            .split_once('/')
            .and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match parsed {
            Some((index, of)) if index >= 1 && index <= of => Ok(Self { index, of }),
            _ => Err(format!("'{text}' is not I/N with I from 1 to N, such as 3/8")),
        }
    }
}

/// Inputs of an ensemble; parts that are merged must agree on all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// SHA-256 of the zoo.
    pub zoo_sha256: String,
    /// SHA-256 of which picture is in which fold.
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
    units: Vec<Unit>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    origin: Origin,
    thresholds: Vec<f32>,
    units: Vec<Unit>,
}

/// A fitted ensemble.
#[derive(Debug, Clone, PartialEq)]
pub struct Ensemble {
    /// Inputs of the ensemble.
    pub origin: Origin,
    /// Threshold of each label, tuned on the out-of-fold predictions of the boosters.
    pub thresholds: Vec<f32>,
    /// Units in the order of labels, and of folds within.
    pub fitted: Vec<Fitted>,
}

/// A zoo's file with its content.
#[derive(Debug)]
pub struct ZooFile {
    /// Path of the folder.
    pub path: PathBuf,
    /// Its SHA-256.
    pub sha256: String,
    /// Predictions of all networks.
    pub zoo: Zoo,
}

impl ZooFile {
    /// Reads and checks a zoo.
    ///
    /// # Errors
    /// As [`Zoo::read`].
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
            zoo: Zoo::read(path)?,
        })
    }
}

impl Origin {
    /// Of a fit of this zoo with these options.
    ///
    /// # Errors
    /// If the zoo has no out-of-fold rows.
    pub fn new(zoo: &ZooFile, options: &FitOptions, xgboost: &XgBoost) -> anyhow::Result<Self> {
        ensure!(
            !zoo.zoo.oof.is_empty(),
            "{} has no out-of-fold predictions to fit to",
            zoo.path.display()
        );
        Ok(Self {
            zoo_sha256: zoo.sha256.clone(),
            folds_sha256: sha256_hex(zoo.zoo.fold_assignment().as_bytes()),
            labels: zoo.zoo.labels.clone(),
            folds: zoo.zoo.folds.clone(),
            options: options.clone(),
            xgboost: xgboost.version.clone(),
        })
    }

    fn same_as(&self, other: &Self, what: &Path) -> anyhow::Result<()> {
        let differs = [
            ("another zoo", self.zoo_sha256 != other.zoo_sha256),
            ("other options", self.options != other.options),
            ("another version of XGBoost", self.xgboost != other.xgboost),
        ];
        match differs.iter().find(|(_, differs)| *differs) {
            Some((name, _)) => bail!(
                "{} was fitted with {name}, not that of the rest\nhint: fit all shards with the same zoo, options and library",
                what.display()
            ),
            // The rest follows from the zoo.
            None => Ok(()),
        }
    }
}

/// Indices of label and fold of every unit that a shard fits, dealt out in turn.
pub fn units_of(origin: &Origin, shard: Shard) -> Vec<(usize, usize)> {
    let folds = origin.folds.len();
    let all = (0..origin.labels.len() * folds).filter(|unit| unit % shard.of == shard.index - 1);
    all.map(|unit| (unit / folds, unit % folds)).collect()
}

/// Fits a shard's units, on all threads of the current pool; `done` is called after each.
///
/// # Errors
/// As [`fit_unit`].
pub fn fit(
    xgboost: &XgBoost,
    zoo: &Zoo,
    origin: &Origin,
    shard: Shard,
    done: &(dyn Fn() + Sync),
) -> anyhow::Result<Vec<Fitted>> {
    let fit = |(label, fold)| {
        let fitted = fit_unit(xgboost, zoo, label, fold, &origin.options);
        done();
        fitted
    };
    units_of(origin, shard).into_par_iter().map(fit).collect()
}

impl Ensemble {
    /// Puts all fitted units together and tunes the thresholds on what they predict out of fold.
    ///
    /// # Errors
    /// If XGBoost fails.
    pub fn new(xgboost: &XgBoost, zoo: &Zoo, origin: Origin, fitted: Vec<Fitted>) -> anyhow::Result<Self> {
        let mut ensemble = Self {
            origin,
            thresholds: Vec::new(),
            fitted,
        };
        let probs = ensemble.oof(xgboost, zoo)?;
        let rows: Vec<usize> = (0..zoo.oof.len()).collect();
        ensemble.thresholds = score::thresholds(&probs, &zoo.oof, &rows);
        Ok(ensemble)
    }

    /// Writes the folder in one step.
    ///
    /// # Errors
    /// If there is one already, or it cannot be written.
    pub fn write(&self, dir: &Path) -> anyhow::Result<()> {
        ensure!(
            !dir.exists(),
            "{} exists already, and an ensemble is never overwritten",
            dir.display()
        );
        let units = self.fitted.iter().map(|fitted| fitted.unit.clone()).collect();
        let manifest = Manifest {
            origin: self.origin.clone(),
            thresholds: self.thresholds.clone(),
            units,
        };
        write_folder(
            dir,
            ENSEMBLE,
            &serde_json::to_vec_pretty(&manifest)?,
            &self.origin,
            &self.fitted,
        )
    }

    /// Reads a folder.
    ///
    /// # Errors
    /// If a file is missing or damaged.
    pub fn read(dir: &Path) -> anyhow::Result<Self> {
        let manifest: Manifest = read_json(&dir.join(ENSEMBLE)).with_context(|| {
            format!(
                "{} is no ensemble\nhint: `selvedge ensemble fit` makes one",
                dir.display()
            )
        })?;
        let fitted = read_units(dir, &manifest.origin, manifest.units)?;
        Ok(Self {
            origin: manifest.origin,
            thresholds: manifest.thresholds,
            fitted,
        })
    }

    /// Joins the parts of all shards to what one machine would have fitted.
    ///
    /// `zoo` is read from where the first part found it unless another place is given.
    ///
    /// # Errors
    /// If a shard is missing or there twice, or the parts do not belong together.
    pub fn merge(xgboost: &XgBoost, parts: &[PathBuf], zoo: Option<&Path>) -> anyhow::Result<Self> {
        let mut read = Vec::new();
        for dir in parts {
            let part: PartManifest = read_json(&dir.join(PART)).with_context(|| {
                format!(
                    "{} is no finished part\nhint: run its shard again with `selvedge ensemble fit --shard`",
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
                "{} is shard {}, the rest are of {of}",
                dir.display(),
                part.shard
            );
            part.origin.same_as(&origin, dir)?;
        }
        let indices: Vec<usize> = read.iter().map(|(_, part)| part.shard.index).collect();
        if let Some(twice) = indices.windows(2).find(|pair| pair[0] == pair[1]) {
            bail!("shard {}/{of} is there twice", twice[0]);
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
        let zoo = ZooFile::open(zoo.unwrap_or(&zoo_path))
            .context("merging takes the zoo\nhint: name it with --zoo if it has moved")?;
        ensure!(
            zoo.sha256 == origin.zoo_sha256,
            "{} is not the zoo that the parts were fitted to",
            zoo.path.display()
        );

        let mut by_unit = std::collections::BTreeMap::new();
        for (dir, part) in read {
            let of_shard = units_of(&origin, part.shard);
            ensure!(of_shard.len() == part.units.len(), "{} lacks units", dir.display());
            by_unit.extend(of_shard.into_iter().zip(read_units(dir, &origin, part.units)?));
        }
        Self::new(xgboost, &zoo.zoo, origin, by_unit.into_values().collect())
    }
}

/// Writes a shard's part in one step. A part that is there already must be of the same fit, and is kept.
///
/// # Errors
/// If another fit's part is there, or it cannot be written.
pub fn write_part(dir: &Path, shard: Shard, zoo: &ZooFile, origin: &Origin, fitted: &[Fitted]) -> anyhow::Result<()> {
    let manifest = PartManifest {
        shard,
        zoo: std::path::absolute(&zoo.path)?,
        origin: origin.clone(),
        units: fitted.iter().map(|fitted| fitted.unit.clone()).collect(),
    };
    write_folder(dir, PART, &serde_json::to_vec_pretty(&manifest)?, origin, fitted)
}

/// True if a shard's part exists and is finished.
///
/// # Errors
/// If something else is there.
pub fn part_is_done(dir: &Path, shard: Shard, origin: &Origin) -> anyhow::Result<bool> {
    if !dir.exists() {
        return Ok(false);
    }
    let part: PartManifest =
        read_json(&dir.join(PART)).with_context(|| format!("{} exists and is no part", dir.display()))?;
    ensure!(
        part.shard == shard,
        "{} is shard {} of another fit",
        dir.display(),
        part.shard
    );
    part.origin.same_as(origin, dir)?;
    Ok(true)
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", path.display()))
}

fn booster_path(dir: &Path, origin: &Origin, unit: &Unit) -> PathBuf {
    let label = origin
        .labels
        .iter()
        .position(|label| *label == unit.label)
        .unwrap_or(usize::MAX);
    dir.join(BOOSTERS).join(format!("{label:03}-{}.ubj", unit.fold))
}

fn read_units(dir: &Path, origin: &Origin, units: Vec<Unit>) -> anyhow::Result<Vec<Fitted>> {
    let choices: Vec<Choice> = read_json(&dir.join(FILTER))?;
    ensure!(
        choices.len() == units.len(),
        "{} is damaged",
        dir.join(FILTER).display()
    );
    let read = |(unit, choice): (Unit, Choice)| -> anyhow::Result<Fitted> {
        let path = booster_path(dir, origin, &unit);
        let booster = match unit.model {
            Model::Constant { .. } => Vec::new(),
            Model::Booster { .. } => std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?,
        };
        Ok(Fitted { unit, booster, choice })
    };
    units.into_iter().zip(choices).map(read).collect()
}

fn write_folder(dir: &Path, name: &str, manifest: &[u8], origin: &Origin, fitted: &[Fitted]) -> anyhow::Result<()> {
    let file_name = dir
        .file_name()
        .with_context(|| format!("{} names no folder", dir.display()))?;
    let temporary = dir.with_file_name(format!(".{}.partial", file_name.to_string_lossy()));
    let write = || -> anyhow::Result<()> {
        // Left by a fit that was killed.
        if temporary.exists() {
            std::fs::remove_dir_all(&temporary)?;
        }
        std::fs::create_dir_all(temporary.join(BOOSTERS))?;
        for fitted in fitted.iter().filter(|fitted| !fitted.booster.is_empty()) {
            write_synced(&booster_path(&temporary, origin, &fitted.unit), &fitted.booster)?;
        }
        let choices: Vec<&Choice> = fitted.iter().map(|fitted| &fitted.choice).collect();
        write_synced(&temporary.join(FILTER), &serde_json::to_vec_pretty(&choices)?)?;
        write_synced(&temporary.join(name), manifest)?;
        Ok(std::fs::rename(&temporary, dir)?)
    };
    write().with_context(|| format!("cannot write {}", dir.display()))
}

fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let mut file = std::fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
