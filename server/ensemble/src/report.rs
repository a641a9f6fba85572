//! Value of stacking: its F2 compared with simpler uses of the same networks and with constant guesses.
//!
//! Thresholds are always tuned on out-of-fold predictions. For out-of-fold figures those of fold f are tuned on the other
//! folds, so that no figure is of rows that chose it; splits that no network saw use thresholds of all out-of-fold rows.
//! Choices of epochs and models are made likewise, by the filter's account of each fold.

use super::filter::Choice;
use super::folder::Ensemble;
use super::predict::Bagging;
use super::score::{Outcomes, thresholds};
use super::xgboost::XgBoost;
use super::zoo::{Sample, Zoo};
use anyhow::{Context, ensure};
use dataset::predictions::OOF;
use evaluation::Interval;
use evaluation::statistics::interval;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// Labels of the guess that says yes to the most frequent ones.
const TOP: usize = 3;

/// Figures of one way to predict one part.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// Method of the prediction.
    pub method: String,
    /// `oof`, or the name of a split that no network saw.
    pub part: String,
    /// Pictures.
    pub n: usize,
    /// Mean F2 over labels, with a bootstrap interval over pictures.
    pub macro_f2: Interval,
    /// F2 of all labels together, likewise.
    pub micro_f2: Interval,
}

/// All methods on all parts.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Part by part.
    pub figures: Vec<Figures>,
    /// Pictures of each split whose truth nobody knows, so that it has no figures.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unknown: BTreeMap<String, usize>,
    /// Candidates that the filter kept for each label and fold, with the reasons for the dropped ones.
    pub choices: Vec<Choice>,
}

/// Probabilities of a split's rows, and thresholds where the predictor brings its own.
type SplitAnswer = (Vec<Vec<f32>>, Option<Vec<f32>>);

/// A way to predict, as probabilities `[row][label]` of a part.
struct Method {
    name: &'static str,
    oof: Vec<Vec<f32>>,
    /// Of each split in the zoo's order, with thresholds if not those of the out-of-fold rows.
    splits: Vec<SplitAnswer>,
}

/// Scores an ensemble on the zoo that it was fitted to.
///
/// # Errors
/// If it is another zoo, or XGBoost fails.
pub fn report(ensemble: &Ensemble, xgboost: &XgBoost, zoo: &Zoo) -> anyhow::Result<Report> {
    ensure!(
        !zoo.oof.is_empty(),
        "the zoo has no out-of-fold rows, which thresholds are tuned on"
    );
    let mut methods = vec![
        simple("all positive", zoo, |_, _| Ok(Vec::new()))?,
        simple("best single model", zoo, |_, fold| {
            Ok(vec![best_overall(ensemble, zoo, fold)?])
        })?,
        simple("best single model a label", zoo, |label, fold| {
            kept(ensemble, zoo, label, fold, 1)
        })?,
        simple("mean of kept models", zoo, |label, fold| {
            kept(ensemble, zoo, label, fold, usize::MAX)
        })?,
    ];
    let oof = ensemble.oof(xgboost, zoo)?;
    let baggings = [
        ("stacking", Bagging::Mean),
        ("stacking, mean of pairs", Bagging::Pairs),
        ("stacking, vote of pairs", Bagging::Vote),
    ];
    for (name, bagging) in baggings {
        let split = |split: &String| -> anyhow::Result<_> {
            let (probs, thresholds) = ensemble.split(xgboost, zoo, split, bagging)?;
            Ok((probs, Some(thresholds)))
        };
        let splits = zoo.splits.keys().map(split).collect::<anyhow::Result<_>>()?;
        methods.push(Method {
            name,
            oof: oof.clone(),
            splits,
        });
    }

    let known = |samples: &[Sample]| samples.iter().any(|sample| sample.truth.iter().any(Option::is_some));
    let unknown: BTreeMap<String, usize> = zoo
        .splits
        .iter()
        .filter(|(_, split)| !known(&split.samples))
        .map(|(name, split)| (name.clone(), split.samples.len()))
        .collect();
    let mut jobs: Vec<(String, String, Outcomes, usize)> = Vec::new();
    let mut add = |method: &str, part: &str, outcomes: Outcomes, n: usize| {
        jobs.push((method.to_owned(), part.to_owned(), outcomes, n));
    };
    add("most frequent labels", OOF, top(zoo, &zoo.oof), zoo.oof.len());
    for (name, split) in &zoo.splits {
        add(
            "most frequent labels",
            name,
            top(zoo, &split.samples),
            split.samples.len(),
        );
    }
    for method in &methods {
        let of_fold: Vec<Vec<f32>> = (0..zoo.folds.len())
            .map(|fold| {
                let others: Vec<usize> = (0..zoo.oof.len()).filter(|row| zoo.fold_of[*row] != fold).collect();
                thresholds(&method.oof, &zoo.oof, &others)
            })
            .collect();
        let on = |row: usize, label: usize| method.oof[row][label] >= of_fold[zoo.fold_of[row]][label];
        // All ways to bag have the same out-of-fold rows.
        if !method.name.contains(',') {
            add(method.name, OOF, Outcomes::new(&zoo.oof, on), zoo.oof.len());
        }
        let of_all = thresholds(&method.oof, &zoo.oof, &(0..zoo.oof.len()).collect::<Vec<_>>());
        for ((name, split), (probs, own)) in zoo.splits.iter().zip(&method.splits) {
            let thresholds = own.as_ref().unwrap_or(&of_all);
            let on = |row: usize, label: usize| probs[row][label] >= thresholds[label];
            add(
                method.name,
                name,
                Outcomes::new(&split.samples, on),
                split.samples.len(),
            );
        }
    }
    jobs.retain(|(_, part, ..)| !unknown.contains_key(part));
    let mut figures: Vec<Figures> = jobs
        .into_par_iter()
        .map(|(method, part, outcomes, n)| Figures {
            macro_f2: interval(n, |rows| outcomes.macro_f2(rows)),
            micro_f2: interval(n, |rows| outcomes.micro_f2(rows)),
            method,
            part,
            n,
        })
        .collect();
    figures.sort_by(|a, b| (a.part != OOF, &a.part).cmp(&(b.part != OOF, &b.part)));
    let choices = ensemble.fitted.iter().map(|fitted| fitted.choice.clone()).collect();
    Ok(Report {
        figures,
        unknown,
        choices,
    })
}

/// Mean of the label's own probability over the candidates that `choose(label, fold)` names; 1 if it names none.
///
/// Rows out of fold use the choice of their fold. Other splits use the mean over folds of the choice of each.
fn simple(
    name: &'static str,
    zoo: &Zoo,
    choose: impl Fn(usize, usize) -> anyhow::Result<Vec<usize>>,
) -> anyhow::Result<Method> {
    let n_folds = zoo.folds.len();
    let chosen = (0..zoo.labels.len() * n_folds)
        .map(|unit| choose(unit / n_folds, unit % n_folds))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mean = |candidates: &[usize], prob: &dyn Fn(usize) -> f32| match candidates.len() {
        0 => 1.0,
        n => candidates.iter().map(|candidate| prob(*candidate)).sum::<f32>() / n as f32,
    };
    let oof_prob = |row: usize, label: usize| {
        mean(&chosen[label * n_folds + zoo.fold_of[row]], &|candidate| {
            zoo.oof_prob(candidate, row, label)
        })
    };
    let labels = || 0..zoo.labels.len();
    let oof = (0..zoo.oof.len())
        .map(|row| labels().map(|label| oof_prob(row, label)).collect())
        .collect();
    let splits = zoo.splits.values().map(|split| {
        let line = |sample: usize| {
            let lines: Vec<Vec<f32>> = (0..zoo.candidates.len()).map(|c| split.mean_line(c, sample)).collect();
            let of_fold = |unit: usize, label: usize| mean(&chosen[unit], &|candidate| lines[candidate][label]);
            let of_label = |label: usize| {
                (0..n_folds)
                    .map(|fold| of_fold(label * n_folds + fold, label))
                    .sum::<f32>()
                    / n_folds as f32
            };
            labels().map(of_label).collect()
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
    &ensemble.fitted[label * ensemble.origin.folds.len() + fold].choice
}

/// Places of the best `n` candidates that the filter kept for a label and fold.
fn kept(ensemble: &Ensemble, zoo: &Zoo, label: usize, fold: usize, n: usize) -> anyhow::Result<Vec<usize>> {
    let places: HashMap<String, usize> = zoo
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

/// Place of the candidate with the highest mean F2 over labels, on the rows outside a fold.
fn best_overall(ensemble: &Ensemble, zoo: &Zoo, fold: usize) -> anyhow::Result<usize> {
    let mut sums: HashMap<&str, f64> = HashMap::new();
    for label in 0..zoo.labels.len() {
        for ranked in &choice(ensemble, label, fold).ranking {
            *sums.entry(&ranked.candidate).or_default() += ranked.f2;
        }
    }
    let score = |candidate: usize| {
        sums.get(&*zoo.candidates[candidate].to_string())
            .copied()
            .unwrap_or(0.0)
    };
    // The first of equals, as everywhere.
    (0..zoo.candidates.len())
        .rev()
        .max_by(|a, b| score(*a).total_cmp(&score(*b)))
        .context("the zoo is empty")
}

/// Says yes to the labels that are most frequent out of fold.
fn top(zoo: &Zoo, samples: &[Sample]) -> Outcomes {
    let frequency = |label: usize| {
        zoo.oof
            .iter()
            .filter(|sample| sample.truth[label] == Some(true))
            .count()
    };
    let mut order: Vec<usize> = (0..zoo.labels.len()).collect();
    order.sort_by_key(|label| std::cmp::Reverse(frequency(*label)));
    order.truncate(TOP);
    Outcomes::new(samples, |_, label| order.contains(&label))
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut part = "";
        for figures in &self.figures {
            if figures.part != part {
                part = &figures.part;
                writeln!(
                    f,
                    "{part}, {} pictures{:width$}macro F2 [95 %]           micro F2 [95 %]",
                    figures.n,
                    "",
                    width = 26usize.saturating_sub(part.len() + figures.n.to_string().len() + 11)
                )?;
            }
            writeln!(
                f,
                "  {:26}{:25} {}",
                figures.method,
                figures.macro_f2.to_string(),
                figures.micro_f2
            )?;
        }
        for (split, n) in &self.unknown {
            writeln!(
                f,
                "{split}, {n} pictures: nobody knows their labels, so there is nothing to compare with"
            )?;
        }
        writeln!(f, "what the boosters look at, with its F2 on the other folds")?;
        self.choices.iter().try_for_each(|choice| writeln!(f, "  {choice}"))
    }
}
