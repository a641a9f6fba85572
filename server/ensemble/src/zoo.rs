//! The zoo: what every network predicted at every epoch, checked to be fit for stacking.
//!
//! A zoo is one predictions table ([`dataset::predictions`]) of many runs. Reading it proves what stacking rests on:
//! **every out-of-fold row was predicted only by networks that had kept its fold out, all runs agree on folds and truth,
//! and no picture or item is in two folds or in a fold and a split that no network may have seen.**

use anyhow::{Context, bail, ensure};
use dataset::predictions::{FOLDER, OOF, Row, Table};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A model after so many epochs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Candidate {
    /// Name of the model.
    pub run: String,
    /// Epochs trained.
    pub epoch: u32,
}

impl std::fmt::Display for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.run, self.epoch)
    }
}

/// A picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Path within its dataset.
    pub path: Arc<str>,
    /// Its item.
    pub item_id: Arc<str>,
    /// Truth by label; `None` where nobody knows.
    pub truth: Vec<Option<bool>>,
}

/// A split that no network saw.
#[derive(Debug, Clone)]
pub struct Split {
    /// Its pictures, by path.
    pub samples: Vec<Sample>,
    /// `[candidate][fold][sample × label]`: what the network of each fold predicts.
    probs: Vec<Vec<Vec<f32>>>,
}

/// Predictions of many networks for the same pictures.
#[derive(Debug, Clone)]
pub struct Zoo {
    /// Label identifiers.
    pub labels: Vec<String>,
    /// Folds, rising.
    pub folds: Vec<u32>,
    /// Models and epochs that predicted all rows, by name and epoch.
    pub candidates: Vec<Candidate>,
    /// Models and epochs that lack whole folds, and which.
    pub incomplete: Vec<(Candidate, String)>,
    /// Pictures predicted out of fold, by fold and path.
    pub oof: Vec<Sample>,
    /// Index of each one's fold in `folds`.
    pub fold_of: Vec<usize>,
    /// Splits that no network saw, by name.
    pub splits: BTreeMap<String, Split>,
    /// `[candidate][row × label]`.
    oof_probs: Vec<Vec<f32>>,
}

/// Gathers the tables of runs into one, and checks it.
///
/// Each path is a run folder, a folder of run folders, or a table.
///
/// # Errors
/// If there is no table, or the runs do not fit together; see [`Zoo::new`].
pub fn collect(runs: &[PathBuf]) -> anyhow::Result<(Table, Zoo)> {
    let mut tables = Vec::new();
    for run in runs {
        let files = tables_of(run)?;
        ensure!(
            !files.is_empty(),
            "{} holds no predictions\nhint: training with folds writes RUN/{FOLDER}/epochNNNN.parquet",
            run.display()
        );
        for file in files {
            tables.push(Table::read(&file)?);
        }
    }
    let table = Table::concat(tables)?;
    let zoo = Zoo::new(&table)?;
    Ok((table, zoo))
}

/// The predictions tables under a path, in the order of their names.
fn tables_of(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let list = |dir: &Path| -> anyhow::Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
        let mut paths = entries
            .map(|entry| Ok(entry?.path()))
            .collect::<anyhow::Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    };
    let mut folders = vec![path.join(FOLDER)];
    folders.extend(list(path)?.into_iter().map(|run| run.join(FOLDER)));
    let mut files = Vec::new();
    for folder in folders.into_iter().filter(|folder| folder.is_dir()) {
        files.extend(
            list(&folder)?
                .into_iter()
                .filter(|file| file.extension().is_some_and(|e| e == "parquet")),
        );
    }
    Ok(files)
}

/// Rows of one network and part, by path.
type ByPath<'a> = HashMap<&'a str, &'a Row>;

impl Zoo {
    /// Reads and checks a collected table.
    ///
    /// # Errors
    /// As [`Zoo::new`].
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        Self::new(&Table::read(path)?).with_context(|| format!("{} cannot be ensembled", path.display()))
    }

    /// Checks a table and orders it by candidate and picture.
    ///
    /// # Errors
    /// If a network has no fold, predicted a row twice or not at all, or not as a probability; if runs disagree on a
    /// picture's fold, item or truth; if a picture or item is in two folds, or both out of fold and in another split.
    pub fn new(table: &Table) -> anyhow::Result<Self> {
        ensure!(
            !table.rows.is_empty() && !table.labels.is_empty(),
            "there are no predictions"
        );
        let networks = group(table)?;
        let pictures = Pictures::of(table)?;
        let folds: Vec<u32> = table
            .rows
            .iter()
            .filter_map(|row| row.fold)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();

        let parts: BTreeSet<&str> = pictures.part_of.keys().map(|(part, _)| *part).collect();
        let mut expected: BTreeMap<(&str, Option<u32>), Vec<&Row>> = BTreeMap::new();
        for ((part, _), row) in &pictures.part_of {
            expected
                .entry((part, row.fold.filter(|_| *part == OOF)))
                .or_default()
                .push(row);
        }
        let has_oof = parts.contains(OOF);
        let mut zoo = Self {
            labels: table.labels.clone(),
            candidates: Vec::new(),
            incomplete: Vec::new(),
            oof: Vec::new(),
            fold_of: Vec::new(),
            splits: BTreeMap::new(),
            oof_probs: Vec::new(),
            folds,
        };
        let names: BTreeSet<Candidate> = networks.keys().map(|(candidate, ..)| candidate.clone()).collect();
        for candidate in names {
            match missing(&zoo.folds, &networks, &candidate, &expected)? {
                None => zoo.candidates.push(candidate),
                Some(what) => zoo.incomplete.push((candidate, what)),
            }
        }
        for (run, what) in zoo.incomplete.iter().map(|(candidate, what)| (&candidate.run, what)) {
            ensure!(
                zoo.candidates.iter().any(|candidate| candidate.run == *run),
                "{run} has no epoch that all its folds predicted: {what}\nhint: train the missing fold, or collect without {run}"
            );
        }
        if has_oof {
            for (fold, rows) in zoo.folds.iter().enumerate() {
                let rows = expected.get(&(OOF, Some(*rows))).cloned().unwrap_or_default();
                zoo.fold_of.extend(std::iter::repeat_n(fold, rows.len()));
                zoo.oof.extend(rows.into_iter().map(sample));
            }
            let lines = zoo.candidates.iter().map(|candidate| {
                let rows = zoo.oof.iter().zip(&zoo.fold_of);
                let line = rows.flat_map(|(sample, fold)| {
                    networks[&(candidate.clone(), zoo.folds[*fold], OOF)][&*sample.path]
                        .probs
                        .iter()
                        .copied()
                });
                line.collect()
            });
            zoo.oof_probs = lines.collect();
        }
        for part in parts.into_iter().filter(|part| *part != OOF) {
            let samples: Vec<Sample> = expected[&(part, None)].iter().map(|row| sample(row)).collect();
            let of_network = |candidate: &Candidate, fold: u32| -> Vec<f32> {
                let rows = &networks[&(candidate.clone(), fold, part)];
                samples
                    .iter()
                    .flat_map(|sample| rows[&*sample.path].probs.iter().copied())
                    .collect()
            };
            let of_candidate = |c: &Candidate| zoo.folds.iter().map(|fold| of_network(c, *fold)).collect();
            let probs = zoo.candidates.iter().map(of_candidate).collect();
            zoo.splits.insert(part.to_owned(), Split { samples, probs });
        }
        Ok(zoo)
    }

    /// Out-of-fold probability of a candidate: the network of the row's fold predicts it.
    pub fn oof_prob(&self, candidate: usize, row: usize, label: usize) -> f32 {
        self.oof_probs[candidate][row * self.labels.len() + label]
    }

    /// Its probabilities of all labels.
    pub fn oof_line(&self, candidate: usize, row: usize) -> &[f32] {
        let n = self.labels.len();
        &self.oof_probs[candidate][row * n..][..n]
    }

    /// Place of a candidate.
    ///
    /// # Errors
    /// If it is not in the zoo.
    pub fn candidate(&self, wanted: &Candidate) -> anyhow::Result<usize> {
        let at = self.candidates.iter().position(|candidate| candidate == wanted);
        at.with_context(|| format!("{wanted} is needed and the zoo lacks it\nhint: collect that run too"))
    }

    /// The split of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn split(&self, name: &str) -> anyhow::Result<&Split> {
        self.splits.get(name).with_context(|| {
            format!(
                "the zoo has no split {name}, but {:?}",
                self.splits.keys().collect::<Vec<_>>()
            )
        })
    }

    /// Text that two zoos share only if they put the same pictures into the same folds.
    pub fn fold_assignment(&self) -> String {
        let rows = self.oof.iter().zip(&self.fold_of);
        rows.map(|(sample, fold)| format!("{}\t{}\n", sample.path, self.folds[*fold]))
            .collect()
    }
}

impl Split {
    /// Probabilities of a fold's network for a picture, by label.
    pub fn line(&self, candidate: usize, fold: usize, sample: usize) -> &[f32] {
        let n = self.samples[sample].truth.len();
        &self.probs[candidate][fold][sample * n..][..n]
    }

    /// The mean over the networks of all folds, by label.
    pub fn mean_line(&self, candidate: usize, sample: usize) -> Vec<f32> {
        let folds = self.probs[candidate].len();
        let mut mean = vec![0.0; self.samples[sample].truth.len()];
        for fold in 0..folds {
            for (sum, prob) in mean.iter_mut().zip(self.line(candidate, fold, sample)) {
                *sum += prob / folds as f32;
            }
        }
        mean
    }
}

fn sample(row: &Row) -> Sample {
    Sample {
        path: row.path.clone(),
        item_id: row.item_id.clone(),
        truth: row.truth.clone(),
    }
}

/// Rows by network and part.
fn group(table: &Table) -> anyhow::Result<HashMap<(Candidate, u32, &str), ByPath<'_>>> {
    let mut networks: HashMap<(Candidate, u32, &str), ByPath<'_>> = HashMap::new();
    for row in &table.rows {
        let fold = row.fold.with_context(|| {
            format!(
                "{} was trained without folds, so nothing of it is out of fold\nhint: train it with folds",
                row.run
            )
        })?;
        if let Some(at) = row.probs.iter().position(|prob| !(0.0..=1.0).contains(prob)) {
            let (label, prob) = (&table.labels[at], row.probs[at]);
            bail!(
                "{}@{} predicts {prob} as the probability of {label} in {}",
                row.run,
                row.epoch,
                row.path
            );
        }
        let candidate = Candidate {
            run: row.run.to_string(),
            epoch: row.epoch,
        };
        let before = networks
            .entry((candidate, fold, &row.part))
            .or_default()
            .insert(&row.path, row);
        ensure!(
            before.is_none(),
            "{}@{} of fold {fold} predicts {} twice\nhint: do two runs share a name, or was a table named twice?",
            row.run,
            row.epoch,
            row.path
        );
    }
    Ok(networks)
}

/// Every picture once, with a row of it.
struct Pictures<'a> {
    /// By part and path.
    part_of: BTreeMap<(&'a str, &'a str), &'a Row>,
}

impl<'a> Pictures<'a> {
    fn of(table: &'a Table) -> anyhow::Result<Self> {
        let mut part_of: BTreeMap<(&str, &str), &Row> = BTreeMap::new();
        // Where each picture and each item belongs: a fold, or a split that no network saw.
        let mut home: HashMap<(&str, &str), &Row> = HashMap::new();
        for row in &table.rows {
            let known = *part_of.entry((&row.part, &row.path)).or_insert(row);
            ensure!(
                known.truth == row.truth && known.item_id == row.item_id,
                "{}@{} and {}@{} disagree on truth or item of {}: they were not trained on the same dataset",
                known.run,
                known.epoch,
                row.run,
                row.epoch,
                row.path
            );
            for (kind, id) in [("picture", &row.path), ("item", &row.item_id)] {
                if id.is_empty() {
                    continue;
                }
                let first = *home.entry((kind, id)).or_insert(row);
                let same = first.part == row.part && (&*row.part != OOF || first.fold == row.fold);
                ensure!(
                    same,
                    "leak: the {kind} {id} is in {} for {} and in {} for {}, so a network that trained on it predicts it\nhint: give all runs the same folds, keep each item in one of them, and out of the other splits",
                    place(first),
                    first.run,
                    place(row),
                    row.run
                );
            }
        }
        Ok(Self { part_of })
    }
}

fn place(row: &Row) -> String {
    match row.fold {
        Some(fold) if &*row.part == OOF => format!("fold {fold}"),
        _ => format!("split {}", row.part),
    }
}

/// Folds that a candidate lacks; a candidate that lacks single rows is an error.
fn missing(
    folds: &[u32],
    networks: &HashMap<(Candidate, u32, &str), ByPath<'_>>,
    candidate: &Candidate,
    expected: &BTreeMap<(&str, Option<u32>), Vec<&Row>>,
) -> anyhow::Result<Option<String>> {
    let mut lacks = Vec::new();
    for ((part, of_fold), rows) in expected {
        for fold in folds.iter().filter(|fold| of_fold.is_none_or(|of| of == **fold)) {
            let Some(predicted) = networks.get(&(candidate.clone(), *fold, part)) else {
                lacks.push(format!("fold {fold} has no {part} rows"));
                continue;
            };
            if let Some(row) = rows.iter().find(|row| !predicted.contains_key(&*row.path)) {
                bail!(
                    "{candidate} of fold {fold} predicts {} of {} pictures of {part}; {} is missing, which {} predicts",
                    predicted.len(),
                    rows.len(),
                    row.path,
                    row.run
                );
            }
        }
    }
    Ok((!lacks.is_empty()).then(|| lacks.join(", ")))
}
