//! Prediction sets: the predictions of many networks at every epoch, checked for stacking. The command line calls them zoos.
//!
//! A prediction set is one predictions table ([`dataset::predictions`]) of many runs.
//!
//! **Invariant:** an out-of-fold row was predicted only by networks that were not trained on its fold. All runs agree on folds
//! and truth. No image or item is in two folds, or in a fold and in another split.

use anyhow::{Context, bail, ensure};
use dataset::predictions::{OOF, Row, Table};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

/// A model after a number of epochs.
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

/// An image.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Path within its dataset.
    pub path: Arc<str>,
    /// Item of the image.
    pub item_id: Arc<str>,
    /// Truth per label; `None` if unknown.
    pub truth: Vec<Option<bool>>,
}

/// A split that no network was trained on.
#[derive(Debug, Clone)]
pub struct Split {
    /// Images, by path.
    pub samples: Vec<Sample>,
    /// Probabilities by the network of each fold, `[candidate][fold][sample × label]`.
    probs: Vec<Vec<Vec<f32>>>,
}

/// Predictions of many networks for the same images.
#[derive(Debug, Clone)]
pub struct PredictionSet {
    /// Label identifiers.
    pub labels: Vec<String>,
    /// Folds in ascending order.
    pub folds: Vec<u32>,
    /// Models and epochs that predicted all rows, by name and epoch.
    pub candidates: Vec<Candidate>,
    /// Models and epochs that lack whole folds, with a description of these folds.
    pub incomplete: Vec<(Candidate, String)>,
    /// Images predicted out of fold, by fold and path.
    pub oof: Vec<Sample>,
    /// Index in `folds` per image of `oof`.
    pub fold_of: Vec<usize>,
    /// Splits that no network was trained on, by name.
    pub splits: BTreeMap<String, Split>,
    /// `[candidate][row × label]`.
    oof_probs: Vec<Vec<f32>>,
}

/// Rows of one network and part, by path.
type ByPath<'a> = HashMap<&'a str, &'a Row>;

/// Rows by candidate, fold of the network, and part.
type Networks<'a> = HashMap<(Candidate, u32, &'a str), ByPath<'a>>;

impl PredictionSet {
    /// Reads and checks a table.
    ///
    /// # Errors
    /// As [`PredictionSet::new`].
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        Self::new(&Table::read(path)?).with_context(|| format!("{} cannot be ensembled", path.display()))
    }

    /// Checks a table and orders it by candidate and image.
    ///
    /// # Errors
    /// If a network has no fold, predicted a row twice or not at all, or predicted a number outside 0–1. If runs disagree on
    /// the fold, item or truth of an image. If an image or item is in two folds, or in a fold and in another split.
    pub fn new(table: &Table) -> anyhow::Result<Self> {
        ensure!(
            !table.rows.is_empty() && !table.labels.is_empty(),
            "there are no predictions"
        );
        let networks = group(table)?;
        let images = Samples::check(table)?;
        let folds: BTreeSet<u32> = table.rows.iter().filter_map(|row| row.fold).collect();
        let parts: BTreeSet<&str> = images.part_of.keys().map(|(part, _)| *part).collect();
        let mut expected: BTreeMap<(&str, Option<u32>), Vec<&Row>> = BTreeMap::new();
        for ((part, _), row) in &images.part_of {
            expected
                .entry((part, row.fold.filter(|_| *part == OOF)))
                .or_default()
                .push(row);
        }
        let mut set = Self {
            labels: table.labels.clone(),
            candidates: Vec::new(),
            incomplete: Vec::new(),
            oof: Vec::new(),
            fold_of: Vec::new(),
            splits: BTreeMap::new(),
            oof_probs: Vec::new(),
            folds: folds.into_iter().collect(),
        };
        let names: BTreeSet<Candidate> = networks.keys().map(|(candidate, ..)| candidate.clone()).collect();
        for candidate in names {
            match missing(&set.folds, &networks, &candidate, &expected)? {
                None => set.candidates.push(candidate),
                Some(what) => set.incomplete.push((candidate, what)),
            }
        }
        for (run, what) in set.incomplete.iter().map(|(candidate, what)| (&candidate.run, what)) {
            ensure!(
                set.candidates.iter().any(|candidate| candidate.run == *run),
                "{run} has no epoch that all its folds predicted: {what}\nhint: train the missing fold, or collect without {run}"
            );
        }
        if parts.contains(OOF) {
            set.add_oof(&networks, &expected);
        }
        for part in parts.into_iter().filter(|part| *part != OOF) {
            let samples = expected[&(part, None)].iter().map(|row| sample(row)).collect();
            set.add_split(part, samples, &networks);
        }
        Ok(set)
    }

    /// Adds the out-of-fold rows, and their probabilities by the network of each row's fold.
    fn add_oof(&mut self, networks: &Networks<'_>, expected: &BTreeMap<(&str, Option<u32>), Vec<&Row>>) {
        for (at, fold) in self.folds.iter().enumerate() {
            let rows = expected.get(&(OOF, Some(*fold))).cloned().unwrap_or_default();
            self.fold_of.extend(std::iter::repeat_n(at, rows.len()));
            self.oof.extend(rows.into_iter().map(sample));
        }
        let lines = self.candidates.iter().map(|candidate| {
            let rows = self.oof.iter().zip(&self.fold_of);
            let line = rows.flat_map(|(sample, fold)| {
                networks[&(candidate.clone(), self.folds[*fold], OOF)][&*sample.path]
                    .probs
                    .iter()
                    .copied()
            });
            line.collect()
        });
        self.oof_probs = lines.collect();
    }

    /// Adds a split, and its probabilities by the networks of all folds.
    fn add_split(&mut self, part: &str, samples: Vec<Sample>, networks: &Networks<'_>) {
        let network_probs = |candidate: &Candidate, fold: u32| -> Vec<f32> {
            let rows = &networks[&(candidate.clone(), fold, part)];
            samples
                .iter()
                .flat_map(|sample| rows[&*sample.path].probs.iter().copied())
                .collect()
        };
        let candidate_probs = |c: &Candidate| self.folds.iter().map(|fold| network_probs(c, *fold)).collect();
        let probs = self.candidates.iter().map(candidate_probs).collect();
        self.splits.insert(part.to_owned(), Split { samples, probs });
    }

    /// Out-of-fold probability of a candidate, predicted by the network of the row's fold.
    pub fn oof_prob(&self, candidate: usize, row: usize, label: usize) -> f32 {
        self.oof_probs[candidate][row * self.labels.len() + label]
    }

    /// Out-of-fold probabilities of a candidate for all labels.
    pub fn oof_line(&self, candidate: usize, row: usize) -> &[f32] {
        let n = self.labels.len();
        &self.oof_probs[candidate][row * n..][..n]
    }

    /// Returns the place of a candidate.
    ///
    /// # Errors
    /// If it is not in the set.
    pub fn candidate(&self, wanted: &Candidate) -> anyhow::Result<usize> {
        let at = self.candidates.iter().position(|candidate| candidate == wanted);
        at.with_context(|| format!("{wanted} is needed and the zoo lacks it\nhint: collect that run too"))
    }

    /// Returns the split of this name.
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

    /// Text that is equal for two sets only if the same images are in the same folds.
    pub(crate) fn fold_assignment(&self) -> String {
        let rows = self.oof.iter().zip(&self.fold_of);
        rows.map(|(sample, fold)| format!("{}\t{}\n", sample.path, self.folds[*fold]))
            .collect()
    }
}

impl Split {
    /// Probabilities of a fold's network for an image, `[label]`.
    pub(crate) fn line(&self, candidate: usize, fold: usize, sample: usize) -> &[f32] {
        let n = self.samples[sample].truth.len();
        &self.probs[candidate][fold][sample * n..][..n]
    }

    /// Mean of the probabilities over the networks of all folds, `[label]`.
    pub(crate) fn mean_line(&self, candidate: usize, sample: usize) -> Vec<f32> {
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

/// Groups rows by network and part.
fn group(table: &Table) -> anyhow::Result<Networks<'_>> {
    let mut networks: Networks<'_> = HashMap::new();
    for row in &table.rows {
        let fold = row.fold.with_context(|| {
            format!(
                "{} was trained without folds, so it has no out-of-fold predictions\nhint: train it with folds",
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

/// Images of a table.
struct Samples<'a> {
    /// One row per image, by part and path.
    part_of: BTreeMap<(&'a str, &'a str), &'a Row>,
}

impl<'a> Samples<'a> {
    fn check(table: &'a Table) -> anyhow::Result<Self> {
        let mut part_of: BTreeMap<(&str, &str), &Row> = BTreeMap::new();
        // A row per image and per item, which states its fold or split.
        let mut first_rows: HashMap<(&str, &str), &Row> = HashMap::new();
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
            for (kind, id) in [("image", &row.path), ("item", &row.item_id)] {
                if id.is_empty() {
                    continue;
                }
                let first = *first_rows.entry((kind, id)).or_insert(row);
                let is_same = first.part == row.part && (&*row.part != OOF || first.fold == row.fold);
                ensure!(
                    is_same,
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

/// Describes the folds that a candidate lacks; `None` if it lacks none.
///
/// # Errors
/// If the candidate lacks single rows of a fold.
fn missing(
    folds: &[u32],
    networks: &Networks<'_>,
    candidate: &Candidate,
    expected: &BTreeMap<(&str, Option<u32>), Vec<&Row>>,
) -> anyhow::Result<Option<String>> {
    let mut lacks = Vec::new();
    for ((part, only), rows) in expected {
        for fold in folds.iter().filter(|fold| only.is_none_or(|only| only == **fold)) {
            let Some(predicted) = networks.get(&(candidate.clone(), *fold, part)) else {
                lacks.push(format!("fold {fold} has no {part} rows"));
                continue;
            };
            if let Some(row) = rows.iter().find(|row| !predicted.contains_key(&*row.path)) {
                bail!(
                    "{candidate} of fold {fold} predicts {} of {} images of {part}; {} is missing, which {} predicts",
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
