//! Stacking (Wolpert 1992): one booster per label and fold that is trained on the probabilities of the networks.
//!
//! The inputs of the booster of a label and fold f are the probabilities of all labels by each candidate that the filter kept.
//! It is trained on the rows outside f, whose probabilities are out of fold, and predicts the rows of f. Cross-validation over
//! the *other* folds with early stopping chooses its parameters and the number of rounds. Then it is trained again on all of
//! these folds.
//!
//! **Invariant:** the truth of a row does not influence the booster that predicts it: not by training, early stopping, the grid
//! or the filter. As in all stacking, the networks that predicted the rows of the *other* folds were trained on the truth of
//! fold f. Only a training of all networks within each fold avoids that.

use super::filter::{Choice, FilterOptions, filter, rounded};
use super::grid::{Grid, Params};
use super::prediction_set::{Candidate, PredictionSet, Split};
use super::xgboost::XgBoost;
use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

/// Options of the fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FitOptions {
    /// The model filter.
    pub filter: FilterOptions,
    /// Parameters tried.
    pub grid: Grid,
    /// Maximum number of rounds.
    pub rounds: u32,
    /// Number of rounds without a better score after which training stops.
    pub patience: u32,
    /// Number of folds that are held out in turn to choose parameters and rounds.
    pub inner_folds: usize,
}

/// Predictor of a label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Predictor {
    /// A booster.
    Booster {
        /// The chosen parameters.
        params: Params,
        /// Number of trees.
        rounds: u32,
        /// Mean cross-entropy of the held-out rows after that many trees.
        inner_logloss: f64,
    },
    /// The frequency of the label in the other folds, if too few rows or all rows carry it.
    Constant {
        /// The probability.
        prob: f32,
    },
}

/// Model of a label that predicts the rows of one fold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelModel {
    /// The label.
    pub label: String,
    /// The fold that it predicts.
    pub fold: u32,
    /// Candidates whose probabilities are the inputs, in this order.
    pub inputs: Vec<Candidate>,
    /// Predictor of the label.
    #[serde(rename = "model")]
    pub predictor: Predictor,
    /// The booster in UBJSON; empty for a constant.
    #[serde(skip)]
    pub booster: Vec<u8>,
    /// Candidates that the filter kept and dropped.
    #[serde(skip)]
    pub choice: Choice,
}

/// Rows of features with their targets and folds.
struct Rows {
    features: Vec<f32>,
    targets: Vec<f32>,
    folds: Vec<usize>,
    width: usize,
}

impl Rows {
    /// Selects the rows whose fold satisfies `keep`.
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

/// Fits the model of the label and the fold at these indices.
///
/// # Errors
/// If there are fewer than three folds or no known truth, or XGBoost fails.
pub(crate) fn fit_label_model(
    xgboost: &XgBoost,
    set: &PredictionSet,
    label: usize,
    fold: usize,
    options: &FitOptions,
) -> anyhow::Result<LabelModel> {
    ensure!(
        set.folds.len() >= 3,
        "stacking takes three folds or more (to train on, to stop by, to predict), and the zoo has {:?}",
        set.folds
    );
    let choice = filter(set, label, fold, options.filter);
    let kept: Vec<usize> = choice.kept().map(|ranked| ranked.index).collect();
    let known: Vec<usize> = (0..set.oof.len())
        .filter(|&row| set.fold_of[row] != fold && set.oof[row].truth[label].is_some())
        .collect();
    ensure!(
        !known.is_empty(),
        "no row outside fold {} has a known truth of {}",
        set.folds[fold],
        set.labels[label]
    );
    let rows = Rows {
        features: known.iter().flat_map(|&row| oof_features(set, &kept, row)).collect(),
        targets: known
            .iter()
            .map(|&row| f32::from(u8::from(set.oof[row].truth[label] == Some(true))))
            .collect(),
        folds: known.iter().map(|&row| set.fold_of[row]).collect(),
        width: kept.len() * set.labels.len(),
    };
    let (predictor, booster) = match search(xgboost, &rows, set.folds.len(), fold, options)? {
        Some((params, rounds, inner_logloss)) => {
            let booster = train(xgboost, &rows, params, rounds)?;
            (
                Predictor::Booster {
                    params,
                    rounds,
                    inner_logloss: rounded(inner_logloss),
                },
                booster,
            )
        }
        None => (
            Predictor::Constant {
                prob: rows.positives() as f32 / rows.targets.len() as f32,
            },
            Vec::new(),
        ),
    };
    Ok(LabelModel {
        label: set.labels[label].clone(),
        fold: set.folds[fold],
        inputs: kept.iter().map(|c| set.candidates[*c].clone()).collect(),
        predictor,
        booster,
        choice,
    })
}

/// Returns the best parameters, their number of rounds and their score; `None` if no held-out fold leaves positive and
/// negative rows in both parts.
fn search(
    xgboost: &XgBoost,
    rows: &Rows,
    n_folds: usize,
    fold: usize,
    options: &FitOptions,
) -> anyhow::Result<Option<(Params, u32, f64)>> {
    // Starting after the booster's own fold holds out each fold equally often.
    let others = (1..n_folds).map(|step| (fold + step) % n_folds);
    let splits: Vec<(Rows, Rows)> = others
        .map(|inner| (rows.select(|fold| fold != inner), rows.select(|fold| fold == inner)))
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

/// Returns the number of rounds with the lowest mean cross-entropy of held-out rows, and that cross-entropy.
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

/// Features of a row: the probabilities of all labels by each candidate.
fn oof_features<'a>(set: &'a PredictionSet, candidates: &'a [usize], row: usize) -> impl Iterator<Item = f32> + 'a {
    candidates
        .iter()
        .flat_map(move |&candidate| set.oof_line(candidate, row).iter().copied())
}

/// Networks whose predictions of a split are the inputs of a booster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Networks {
    /// The mean over the networks of all folds.
    Mean,
    /// The networks of the fold at this index.
    OfFold(usize),
}

impl LabelModel {
    /// Predicts the probability of the label for each row of the fold.
    ///
    /// # Errors
    /// If the set lacks an input, or XGBoost fails.
    pub(crate) fn predict_oof(&self, xgboost: &XgBoost, set: &PredictionSet) -> anyhow::Result<Vec<(usize, f32)>> {
        let fold = set
            .folds
            .iter()
            .position(|fold| *fold == self.fold)
            .context("the zoo lacks a fold")?;
        let inputs = self
            .inputs
            .iter()
            .map(|input| set.candidate(input))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let rows: Vec<usize> = (0..set.oof.len()).filter(|&row| set.fold_of[row] == fold).collect();
        let features: Vec<f32> = rows.iter().flat_map(|&row| oof_features(set, &inputs, row)).collect();
        let probs = self.apply(xgboost, &features, inputs.len() * set.labels.len(), rows.len())?;
        Ok(rows.into_iter().zip(probs).collect())
    }

    /// Predicts the probability of the label for each image of a split.
    ///
    /// # Errors
    /// If the set lacks an input, or XGBoost fails.
    pub(crate) fn predict_split(
        &self,
        xgboost: &XgBoost,
        set: &PredictionSet,
        split: &Split,
        networks: Networks,
    ) -> anyhow::Result<Vec<f32>> {
        let inputs = self
            .inputs
            .iter()
            .map(|input| set.candidate(input))
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
        self.apply(xgboost, &features, inputs.len() * set.labels.len(), split.samples.len())
    }

    fn apply(&self, xgboost: &XgBoost, features: &[f32], width: usize, rows: usize) -> anyhow::Result<Vec<f32>> {
        match self.predictor {
            Predictor::Constant { prob } => Ok(vec![prob; rows]),
            Predictor::Booster { .. } if rows == 0 => Ok(Vec::new()),
            Predictor::Booster { .. } => {
                let mut booster = xgboost.load_booster(&self.booster)?;
                booster.predict(&xgboost.matrix(features, width)?)
            }
        }
    }
}
