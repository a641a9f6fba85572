//! Stacking (Wolpert 1992): for each label and fold one booster that learns from what the networks said.
//!
//! Input of the booster of a label and fold f: all labels' probabilities by each candidate that the filter kept. It is
//! trained on the rows outside f, whose probabilities are out of fold themselves, and predicts the rows of f. How many
//! rounds and which parameters is chosen by cross-validation over the *other* folds, with early stopping; then it is
//! trained once more on all of them.
//!
//! **Invariant:** no label of a row reaches the booster that predicts it: neither by training, nor by early stopping, nor
//! by the grid, nor by the filter. (As in all stacking, labels of fold f were seen by the networks that predicted the
//! *other* folds' rows; only a training of all networks within each fold could avoid that.)

use super::filter::{Choice, FilterOptions, filter, rounded};
use super::grid::{Grid, Params};
use super::xgboost::XgBoost;
use super::zoo::{Candidate, Split, Zoo};
use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

/// Options of the fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FitOptions {
    /// The model filter.
    pub filter: FilterOptions,
    /// Parameters tried.
    pub grid: Grid,
    /// Rounds at most.
    pub rounds: u32,
    /// Rounds without a better score after which to stop.
    pub patience: u32,
    /// Folds held out in turn to choose parameters and rounds; at most those there are besides the booster's own.
    pub inner_folds: usize,
}

/// Predictor of a label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Model {
    /// A booster.
    Booster {
        /// The parameters chosen.
        params: Params,
        /// Its trees.
        rounds: u32,
        /// Mean cross-entropy of the held-out rows at that point.
        inner_logloss: f64,
    },
    /// Too few rows carry the label, or all do: its frequency in the other folds.
    Constant {
        /// The probability.
        prob: f32,
    },
}

/// Result of the fit for a label and a fold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unit {
    /// The label.
    pub label: String,
    /// The fold it predicts.
    pub fold: u32,
    /// Candidates whose probabilities are the booster's inputs, in this order.
    pub inputs: Vec<Candidate>,
    /// The model.
    pub model: Model,
}

/// A unit with its trees and the filter's account.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// The unit.
    pub unit: Unit,
    /// The booster in UBJSON; empty for a constant.
    pub booster: Vec<u8>,
    /// Candidates that the filter kept and dropped.
    pub choice: Choice,
}

/// Rows of features with what is known of them.
struct Rows {
    features: Vec<f32>,
    targets: Vec<f32>,
    folds: Vec<usize>,
    width: usize,
}

impl Rows {
    /// The rows that satisfy `keep`, given their folds.
    fn select(&self, keep: impl Fn(usize) -> bool) -> Self {
        let at: Vec<usize> = (0..self.targets.len()).filter(|i| keep(self.folds[*i])).collect();
        Self {
            features: at
                .iter()
                .flat_map(|i| self.features[i * self.width..][..self.width].iter().copied())
                .collect(),
            targets: at.iter().map(|i| self.targets[*i]).collect(),
            folds: at.iter().map(|i| self.folds[*i]).collect(),
            width: self.width,
        }
    }

    fn positives(&self) -> usize {
        self.targets.iter().filter(|target| **target > 0.5).count()
    }

    fn has_both(&self) -> bool {
        (1..self.targets.len()).contains(&self.positives())
    }
}

/// Fits the unit of the label and the fold at these indices.
///
/// # Errors
/// If the zoo has fewer than three folds, no known truth, or XGBoost fails.
pub fn fit_unit(
    xgboost: &XgBoost,
    zoo: &Zoo,
    label: usize,
    fold: usize,
    options: &FitOptions,
) -> anyhow::Result<Fitted> {
    ensure!(
        zoo.folds.len() >= 3,
        "stacking takes three folds or more (to train on, to stop by, to predict), and the zoo has {:?}",
        zoo.folds
    );
    let choice = filter(zoo, label, fold, options.filter);
    let kept: Vec<usize> = choice.kept().map(|ranked| ranked.index).collect();
    let known: Vec<usize> = (0..zoo.oof.len())
        .filter(|&row| zoo.fold_of[row] != fold && zoo.oof[row].truth[label].is_some())
        .collect();
    ensure!(
        !known.is_empty(),
        "no row outside fold {} has a known truth of {}",
        zoo.folds[fold],
        zoo.labels[label]
    );
    let rows = Rows {
        features: known.iter().flat_map(|&row| oof_features(zoo, &kept, row)).collect(),
        targets: known
            .iter()
            .map(|&row| f32::from(u8::from(zoo.oof[row].truth[label] == Some(true))))
            .collect(),
        folds: known.iter().map(|&row| zoo.fold_of[row]).collect(),
        width: kept.len() * zoo.labels.len(),
    };
    let (model, booster) = match search(xgboost, &rows, zoo.folds.len(), fold, options)? {
        Some((params, rounds, inner_logloss)) => {
            let booster = train(xgboost, &rows, params, rounds)?;
            (
                Model::Booster {
                    params,
                    rounds,
                    inner_logloss: rounded(inner_logloss),
                },
                booster,
            )
        }
        None => (
            Model::Constant {
                prob: rows.positives() as f32 / rows.targets.len() as f32,
            },
            Vec::new(),
        ),
    };
    let unit = Unit {
        label: zoo.labels[label].clone(),
        fold: zoo.folds[fold],
        inputs: kept.iter().map(|c| zoo.candidates[*c].clone()).collect(),
        model,
    };
    Ok(Fitted { unit, booster, choice })
}

/// The best parameters, how many rounds, and their score; `None` if no held-out fold leaves both answers to learn from.
fn search(
    xgboost: &XgBoost,
    rows: &Rows,
    n_folds: usize,
    fold: usize,
    options: &FitOptions,
) -> anyhow::Result<Option<(Params, u32, f64)>> {
    // The folds after the booster's own, in turn, so that each serves as often.
    let others = (1..n_folds).map(|step| (fold + step) % n_folds);
    let splits: Vec<(Rows, Rows)> = others
        .map(|inner| (rows.select(|of| of != inner), rows.select(|of| of == inner)))
        .filter(|(train, held_out)| train.has_both() && held_out.has_both())
        .take(options.inner_folds.max(1))
        .collect();
    if splits.is_empty() {
        return Ok(None);
    }
    let mut best: Option<(Params, u32, f64)> = None;
    for params in options.grid.points() {
        let (rounds, score) = cross_validate(xgboost, &splits, params, options)?;
        if best.is_none_or(|(.., known)| score < known) {
            best = Some((params, rounds, score));
        }
    }
    Ok(best)
}

/// The number of rounds with the lowest mean cross-entropy of held-out rows, and that.
fn cross_validate(
    xgboost: &XgBoost,
    splits: &[(Rows, Rows)],
    params: Params,
    options: &FitOptions,
) -> anyhow::Result<(u32, f64)> {
    let mut matrices = Vec::new();
    for (train, held_out) in splits {
        let train_matrix = xgboost.matrix(&train.features, train.width)?;
        train_matrix.set_targets(&train.targets)?;
        matrices.push((train_matrix, xgboost.matrix(&held_out.features, held_out.width)?));
    }
    let mut boosters = Vec::new();
    for (train, held_out) in &matrices {
        boosters.push(xgboost.booster(params, &[train, held_out])?);
    }
    let n: usize = splits.iter().map(|(_, held_out)| held_out.targets.len()).sum();
    let mut best = (0, f64::INFINITY);
    for round in 0..options.rounds {
        let mut sum = 0.0;
        for ((booster, (train, held_out)), (_, rows)) in boosters.iter_mut().zip(&matrices).zip(splits) {
            booster.update(round, train)?;
            let probs = booster.predict(held_out)?;
            sum += probs
                .iter()
                .zip(&rows.targets)
                .map(|(prob, target)| cross_entropy(*prob, *target))
                .sum::<f64>();
        }
        let score = sum / n as f64;
        if score < best.1 {
            best = (round + 1, score);
        } else if round + 1 >= best.0 + options.patience {
            break;
        }
    }
    Ok(best)
}

fn cross_entropy(prob: f32, target: f32) -> f64 {
    let right = if target > 0.5 {
        f64::from(prob)
    } else {
        1.0 - f64::from(prob)
    };
    -right.max(1e-16).ln()
}

fn train(xgboost: &XgBoost, rows: &Rows, params: Params, rounds: u32) -> anyhow::Result<Vec<u8>> {
    let matrix = xgboost.matrix(&rows.features, rows.width)?;
    matrix.set_targets(&rows.targets)?;
    let mut booster = xgboost.booster(params, &[&matrix])?;
    for round in 0..rounds {
        booster.update(round, &matrix)?;
    }
    booster.save()
}

/// A row's features: all labels' probabilities by each of these candidates.
fn oof_features<'a>(zoo: &'a Zoo, candidates: &'a [usize], row: usize) -> impl Iterator<Item = f32> + 'a {
    candidates
        .iter()
        .flat_map(move |&candidate| zoo.oof_line(candidate, row).iter().copied())
}

/// Choice of a split's predictions as inputs of a booster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Networks {
    /// The mean over the networks of all folds.
    Mean,
    /// Those of the fold at this index.
    OfFold(usize),
}

impl Unit {
    /// Probability of the unit's label for each row of its fold.
    ///
    /// # Errors
    /// If the zoo lacks an input, or XGBoost fails.
    pub fn predict_oof(&self, xgboost: &XgBoost, booster: &[u8], zoo: &Zoo) -> anyhow::Result<Vec<(usize, f32)>> {
        let fold = zoo
            .folds
            .iter()
            .position(|fold| *fold == self.fold)
            .context("the zoo lacks a fold")?;
        let inputs = self
            .inputs
            .iter()
            .map(|input| zoo.candidate(input))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let rows: Vec<usize> = (0..zoo.oof.len()).filter(|&row| zoo.fold_of[row] == fold).collect();
        let features: Vec<f32> = rows.iter().flat_map(|&row| oof_features(zoo, &inputs, row)).collect();
        let probs = self.apply(xgboost, booster, &features, inputs.len() * zoo.labels.len(), rows.len())?;
        Ok(rows.into_iter().zip(probs).collect())
    }

    /// Probability of the unit's label for each picture of a split.
    ///
    /// # Errors
    /// If the zoo lacks an input, or XGBoost fails.
    pub fn predict_split(
        &self,
        xgboost: &XgBoost,
        booster: &[u8],
        zoo: &Zoo,
        split: &Split,
        networks: Networks,
    ) -> anyhow::Result<Vec<f32>> {
        let inputs = self
            .inputs
            .iter()
            .map(|input| zoo.candidate(input))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let mut features = Vec::new();
        for sample in 0..split.samples.len() {
            for &candidate in &inputs {
                match networks {
                    Networks::Mean => features.extend(split.mean_line(candidate, sample)),
                    Networks::OfFold(fold) => features.extend_from_slice(split.line(candidate, fold, sample)),
                }
            }
        }
        self.apply(
            xgboost,
            booster,
            &features,
            inputs.len() * zoo.labels.len(),
            split.samples.len(),
        )
    }

    fn apply(
        &self,
        xgboost: &XgBoost,
        booster: &[u8],
        features: &[f32],
        width: usize,
        rows: usize,
    ) -> anyhow::Result<Vec<f32>> {
        match self.model {
            Model::Constant { prob } => Ok(vec![prob; rows]),
            Model::Booster { .. } if rows == 0 => Ok(Vec::new()),
            Model::Booster { .. } => {
                let mut booster = xgboost.load_booster(booster)?;
                booster.predict(&xgboost.matrix(features, width)?)
            }
        }
    }
}
