//! Comparison of stacking with simpler uses of the same networks and with constant baselines.
//!
//! Thresholds are always tuned on out-of-fold predictions. For out-of-fold metrics, the thresholds of fold f are tuned on the
//! other folds. Splits that no network was trained on use thresholds of all out-of-fold rows. Epochs and models are chosen in
//! the same way, by the filter's decision for each fold.

use super::filter::Choice;
use super::folder::Ensemble;
use super::predict::Bagging;
use super::prediction_set::{PredictionSet, Sample};
use super::score::{Decisions, thresholds};
use super::xgboost::XgBoost;
use anyhow::{Context, ensure};
use dataset::predictions::OOF;
use evaluation::Interval;
use evaluation::statistics::interval;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// Number of labels of the baseline that predicts the most frequent ones.
const TOP: usize = 3;

/// Metrics of one method on one part.
#[derive(Debug, Clone, Serialize)]
pub struct MethodMetrics {
    /// Method of the prediction.
    pub method: String,
    /// `oof`, or the name of a split that no network was trained on.
    pub part: String,
    /// Number of images.
    pub n: usize,
    /// Mean F2 over labels, with a bootstrap interval over images.
    pub macro_f2: Interval,
    /// F2 of all labels together, with a bootstrap interval over images.
    pub micro_f2: Interval,
}

/// Metrics of all methods on all parts.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Metrics, part by part.
    #[serde(rename = "figures")]
    pub metrics: Vec<MethodMetrics>,
    /// Number of images per split with unknown truth, which has no metrics.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unknown: BTreeMap<String, usize>,
    /// Candidates that the filter kept and dropped for each label and fold.
    pub choices: Vec<Choice>,
}

/// Probabilities of a split's rows, and thresholds if they differ from those of the out-of-fold rows.
type SplitPrediction = (Vec<Vec<f32>>, Option<Vec<f32>>);

/// Probabilities `[row][label]` by one method.
struct Method {
    name: &'static str,
    oof: Vec<Vec<f32>>,
    /// Predictions per split, in the order of the set.
    splits: Vec<SplitPrediction>,
}

/// Compares an ensemble with simpler methods on the prediction set that it was fitted to.
///
/// # Errors
/// If the set is another one, or XGBoost fails.
pub fn report(ensemble: &Ensemble, xgboost: &XgBoost, set: &PredictionSet) -> anyhow::Result<Report> {
    ensure!(
        !set.oof.is_empty(),
        "the zoo has no out-of-fold rows, which thresholds are tuned on"
    );
    let methods = methods(ensemble, xgboost, set)?;
    let has_truth = |samples: &[Sample]| samples.iter().any(|sample| sample.truth.iter().any(Option::is_some));
    let unknown: BTreeMap<String, usize> = set
        .splits
        .iter()
        .filter(|(_, split)| !has_truth(&split.samples))
        .map(|(name, split)| (name.clone(), split.samples.len()))
        .collect();
    let mut predicted = most_frequent(set);
    predicted.extend(methods.iter().flat_map(|method| decide(method, set)));
    predicted.retain(|predicted| !unknown.contains_key(predicted.part));
    let mut metrics: Vec<MethodMetrics> = predicted.par_iter().map(Predicted::measure).collect();
    metrics.sort_by(|a, b| (a.part != OOF, &a.part).cmp(&(b.part != OOF, &b.part)));
    Ok(Report {
        metrics,
        unknown,
        choices: ensemble.models.iter().map(|model| model.choice.clone()).collect(),
    })
}

/// Decisions of a method on a part.
struct Predicted<'a> {
    method: &'static str,
    part: &'a str,
    decisions: Decisions,
    n: usize,
}

impl<'a> Predicted<'a> {
    fn new(
        method: &'static str,
        part: &'a str,
        samples: &[Sample],
        is_predicted: impl Fn(usize, usize) -> bool,
    ) -> Self {
        Self {
            method,
            part,
            decisions: Decisions::new(samples, is_predicted),
            n: samples.len(),
        }
    }

    fn measure(&self) -> MethodMetrics {
        MethodMetrics {
            method: self.method.to_owned(),
            part: self.part.to_owned(),
            n: self.n,
            macro_f2: interval(self.n, |rows| self.decisions.macro_f2(rows)),
            micro_f2: interval(self.n, |rows| self.decisions.micro_f2(rows)),
        }
    }
}

/// Predicts all parts with stacking and with the simpler methods.
fn methods(ensemble: &Ensemble, xgboost: &XgBoost, set: &PredictionSet) -> anyhow::Result<Vec<Method>> {
    let mut methods = vec![
        simple("all positive", set, |_, _| Ok(Vec::new()))?,
        simple("best single model", set, |_, fold| {
            Ok(vec![best_overall(ensemble, set, fold)?])
        })?,
        simple("best single model a label", set, |label, fold| {
            kept(ensemble, set, label, fold, 1)
        })?,
        simple("mean of kept models", set, |label, fold| {
            kept(ensemble, set, label, fold, usize::MAX)
        })?,
    ];
    let oof = ensemble.oof(xgboost, set)?;
    let baggings = [
        ("stacking", Bagging::Mean),
        ("stacking, mean of pairs", Bagging::Pairs),
        ("stacking, vote of pairs", Bagging::Vote),
    ];
    for (name, bagging) in baggings {
        let split = |split: &String| -> anyhow::Result<_> {
            let (probs, thresholds) = ensemble.split(xgboost, set, split, bagging)?;
            Ok((probs, Some(thresholds)))
        };
        let splits = set.splits.keys().map(split).collect::<anyhow::Result<_>>()?;
        methods.push(Method {
            name,
            oof: oof.clone(),
            splits,
        });
    }
    Ok(methods)
}

/// Decides on all parts at thresholds that are tuned on out-of-fold rows.
fn decide<'a>(method: &Method, set: &'a PredictionSet) -> Vec<Predicted<'a>> {
    let mut predicted = Vec::new();
    // All kinds of bagging have the same out-of-fold rows.
    if !method.name.contains(',') {
        let by_fold: Vec<Vec<f32>> = (0..set.folds.len())
            .map(|fold| {
                let others: Vec<usize> = (0..set.oof.len()).filter(|row| set.fold_of[*row] != fold).collect();
                thresholds(&method.oof, &set.oof, &others)
            })
            .collect();
        let is_predicted = |row: usize, label: usize| method.oof[row][label] >= by_fold[set.fold_of[row]][label];
        predicted.push(Predicted::new(method.name, OOF, &set.oof, is_predicted));
    }
    let over_all = thresholds(&method.oof, &set.oof, &(0..set.oof.len()).collect::<Vec<_>>());
    for ((name, split), (probs, own)) in set.splits.iter().zip(&method.splits) {
        let thresholds = own.as_ref().unwrap_or(&over_all);
        let is_predicted = |row: usize, label: usize| probs[row][label] >= thresholds[label];
        predicted.push(Predicted::new(method.name, name, &split.samples, is_predicted));
    }
    predicted
}

/// Predicts the mean of a label's probability over the candidates `choose(label, fold)`, or 1 without candidates.
///
/// Out-of-fold rows use the choice of their fold. Other splits use the mean over the choices of all folds.
fn simple(
    name: &'static str,
    set: &PredictionSet,
    choose: impl Fn(usize, usize) -> anyhow::Result<Vec<usize>>,
) -> anyhow::Result<Method> {
    let n_folds = set.folds.len();
    let chosen = (0..set.labels.len() * n_folds)
        .map(|model| choose(model / n_folds, model % n_folds))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mean = |candidates: &[usize], prob: &dyn Fn(usize) -> f32| match candidates.len() {
        0 => 1.0,
        n => candidates.iter().map(|candidate| prob(*candidate)).sum::<f32>() / n as f32,
    };
    let oof_prob = |row: usize, label: usize| {
        mean(&chosen[label * n_folds + set.fold_of[row]], &|candidate| {
            set.oof_prob(candidate, row, label)
        })
    };
    let labels = || 0..set.labels.len();
    let oof = (0..set.oof.len())
        .map(|row| labels().map(|label| oof_prob(row, label)).collect())
        .collect();
    let splits = set.splits.values().map(|split| {
        let line = |sample: usize| {
            let lines: Vec<Vec<f32>> = (0..set.candidates.len()).map(|c| split.mean_line(c, sample)).collect();
            let fold_mean = |model: usize, label: usize| mean(&chosen[model], &|candidate| lines[candidate][label]);
            let prob = |label: usize| {
                (0..n_folds)
                    .map(|fold| fold_mean(label * n_folds + fold, label))
                    .sum::<f32>()
                    / n_folds as f32
            };
            labels().map(prob).collect()
        };
        ((0..split.samples.len()).map(line).collect(), None)
    });
    Ok(Method {
        name,
        oof,
        splits: splits.collect(),
    })
}

fn choice(ensemble: &Ensemble, label: usize, fold: usize) -> &Choice {
    &ensemble.models[label * ensemble.origin.folds.len() + fold].choice
}

/// Returns the places of the best `n` candidates that the filter kept for a label and fold.
fn kept(ensemble: &Ensemble, set: &PredictionSet, label: usize, fold: usize, n: usize) -> anyhow::Result<Vec<usize>> {
    let places: HashMap<String, usize> = set
        .candidates
        .iter()
        .enumerate()
        .map(|(i, c)| (c.to_string(), i))
        .collect();
    let place = |name: &String| {
        places
            .get(name)
            .copied()
            .with_context(|| format!("the zoo lacks {name}"))
    };
    choice(ensemble, label, fold)
        .kept()
        .take(n)
        .map(|ranked| place(&ranked.candidate))
        .collect()
}

/// Returns the place of the candidate with the highest mean F2 over labels, on the rows outside a fold.
fn best_overall(ensemble: &Ensemble, set: &PredictionSet, fold: usize) -> anyhow::Result<usize> {
    let mut sums: HashMap<&str, f64> = HashMap::new();
    for label in 0..set.labels.len() {
        for ranked in &choice(ensemble, label, fold).ranking {
            *sums.entry(&ranked.candidate).or_default() += ranked.f2;
        }
    }
    let score = |candidate: usize| {
        sums.get(&*set.candidates[candidate].to_string())
            .copied()
            .unwrap_or(0.0)
    };
    // `max_by` returns the last of ties, and the first is wanted.
    (0..set.candidates.len())
        .rev()
        .max_by(|a, b| score(*a).total_cmp(&score(*b)))
        .context("the zoo is empty")
}

/// Predicts the labels that are most frequent out of fold, on all parts.
fn most_frequent(set: &PredictionSet) -> Vec<Predicted<'_>> {
    let frequency = |label: usize| {
        set.oof
            .iter()
            .filter(|sample| sample.truth[label] == Some(true))
            .count()
    };
    let mut order: Vec<usize> = (0..set.labels.len()).collect();
    order.sort_by_key(|label| std::cmp::Reverse(frequency(*label)));
    order.truncate(TOP);
    let splits = set.splits.iter().map(|(name, split)| (name.as_str(), &split.samples));
    std::iter::once((OOF, &set.oof))
        .chain(splits)
        .map(|(part, samples)| Predicted::new("most frequent labels", part, samples, |_, label| order.contains(&label)))
        .collect()
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut part = "";
        for metrics in &self.metrics {
            if metrics.part != part {
                part = &metrics.part;
                writeln!(
                    f,
                    "{part}, {} images{:width$}macro F2 [95 %]           micro F2 [95 %]",
                    metrics.n,
                    "",
                    width = 26usize.saturating_sub(part.len() + metrics.n.to_string().len() + 9)
                )?;
            }
            writeln!(
                f,
                "  {:26}{:25} {}",
                metrics.method,
                metrics.macro_f2.to_string(),
                metrics.micro_f2
            )?;
        }
        for (split, n) in &self.unknown {
            writeln!(
                f,
                "{split}, {n} images: their labels are unknown, so there are no metrics"
            )?;
        }
        writeln!(f, "inputs of the boosters, with their F2 on the other folds")?;
        self.choices.iter().try_for_each(|choice| writeln!(f, "  {choice}"))
    }
}
