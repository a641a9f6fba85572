//! Predictions of an ensemble for the pictures of a zoo.

use super::folder::Ensemble;
use super::stack::Networks;
use super::xgboost::XgBoost;
use super::zoo::{Sample, Zoo};
use anyhow::ensure;
use dataset::predictions::{OOF, Row, Table};
use rayon::prelude::*;
use shared::bundle::sha256_hex;

/// Combination of all folds' boosters and networks for a picture that none of them was trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Bagging {
    /// Mean of the boosters, each applied to the mean of the networks.
    Mean,
    /// Mean of every booster applied to every fold's networks.
    Pairs,
    /// Share of those pairs that lie above the label's threshold; half of them is a yes.
    Vote,
}

impl Ensemble {
    /// Stacked out-of-fold probabilities, `[row][label]`: each row by the boosters of its fold.
    ///
    /// # Errors
    /// If the zoo puts pictures into other folds than the one it was fitted to, or XGBoost fails.
    pub fn oof(&self, xgboost: &XgBoost, zoo: &Zoo) -> anyhow::Result<Vec<Vec<f32>>> {
        self.check_labels(zoo)?;
        ensure!(
            sha256_hex(zoo.fold_assignment().as_bytes()) == self.origin.folds_sha256,
            "leak: the zoo puts pictures into other folds than the one that the ensemble was fitted to, so boosters would predict rows that they trained on\nhint: use that zoo, or one without out-of-fold rows"
        );
        let n_labels = zoo.labels.len();
        let predict = |fitted: &super::Fitted| fitted.unit.predict_oof(xgboost, &fitted.booster, zoo);
        let units = self
            .fitted
            .par_iter()
            .map(predict)
            .collect::<anyhow::Result<Vec<_>>>()?;
        let mut probs = vec![vec![f32::NAN; n_labels]; zoo.oof.len()];
        for (unit, rows) in units.into_iter().enumerate() {
            for (row, prob) in rows {
                probs[row][unit / self.origin.folds.len()] = prob;
            }
        }
        Ok(probs)
    }

    /// Probabilities of a split that no network saw, `[sample][label]`, and the thresholds that go with them.
    ///
    /// # Errors
    /// If the zoo lacks the split or an input, or XGBoost fails.
    pub fn split(
        &self,
        xgboost: &XgBoost,
        zoo: &Zoo,
        name: &str,
        bagging: Bagging,
    ) -> anyhow::Result<(Vec<Vec<f32>>, Vec<f32>)> {
        self.check_labels(zoo)?;
        let split = zoo.split(name)?;
        let networks: Vec<Networks> = match bagging {
            Bagging::Mean => vec![Networks::Mean],
            Bagging::Pairs | Bagging::Vote => (0..zoo.folds.len()).map(Networks::OfFold).collect(),
        };
        let n_folds = self.origin.folds.len();
        let share = 1.0 / (n_folds * networks.len()) as f32;
        let predict = |(unit, fitted): (usize, &super::Fitted)| -> anyhow::Result<Vec<f32>> {
            let mut sums = vec![0.0; split.samples.len()];
            for networks in &networks {
                let probs = fitted
                    .unit
                    .predict_split(xgboost, &fitted.booster, zoo, split, *networks)?;
                for (sum, prob) in sums.iter_mut().zip(probs) {
                    *sum += match bagging {
                        Bagging::Vote => f32::from(u8::from(prob >= self.thresholds[unit / n_folds])),
                        Bagging::Mean | Bagging::Pairs => prob,
                    };
                }
            }
            Ok(sums)
        };
        let units = self
            .fitted
            .par_iter()
            .enumerate()
            .map(predict)
            .collect::<anyhow::Result<Vec<_>>>()?;
        let mut probs = vec![vec![0.0; zoo.labels.len()]; split.samples.len()];
        for (unit, sums) in units.iter().enumerate() {
            for (line, sum) in probs.iter_mut().zip(sums) {
                line[unit / n_folds] += sum * share;
            }
        }
        let thresholds = match bagging {
            // Just below half: a sum of shares can miss it by rounding.
            Bagging::Vote => vec![0.5 - share / 2.0; zoo.labels.len()],
            Bagging::Mean | Bagging::Pairs => self.thresholds.clone(),
        };
        // A sum of shares can exceed 1 by rounding too.
        probs.iter_mut().flatten().for_each(|prob| *prob = prob.clamp(0.0, 1.0));
        Ok((probs, thresholds))
    }

    /// Predictions of everything in the zoo, under the name `run`.
    ///
    /// # Errors
    /// As [`Self::oof`] and [`Self::split`].
    pub fn predict(&self, xgboost: &XgBoost, zoo: &Zoo, run: &str, bagging: Bagging) -> anyhow::Result<Table> {
        let mut table = Table {
            labels: zoo.labels.clone(),
            rows: Vec::new(),
        };
        let row = |part: &str, fold: Option<u32>, sample: &Sample, probs: Vec<f32>| Row {
            run: run.into(),
            fold,
            epoch: 0,
            part: part.into(),
            path: sample.path.clone(),
            item_id: sample.item_id.clone(),
            truth: sample.truth.clone(),
            probs,
        };
        if !zoo.oof.is_empty() {
            let rows = self.oof(xgboost, zoo)?.into_iter().zip(&zoo.oof).zip(&zoo.fold_of);
            table
                .rows
                .extend(rows.map(|((probs, sample), fold)| row(OOF, Some(zoo.folds[*fold]), sample, probs)));
        }
        for (name, split) in &zoo.splits {
            let (probs, _) = self.split(xgboost, zoo, name, bagging)?;
            table.rows.extend(
                probs
                    .into_iter()
                    .zip(&split.samples)
                    .map(|(probs, s)| row(name, None, s, probs)),
            );
        }
        Ok(table)
    }

    fn check_labels(&self, zoo: &Zoo) -> anyhow::Result<()> {
        ensure!(
            zoo.labels == self.origin.labels && zoo.folds == self.origin.folds,
            "the ensemble was fitted to labels {:?} and folds {:?}, the zoo has {:?} and {:?}",
            self.origin.labels,
            self.origin.folds,
            zoo.labels,
            zoo.folds
        );
        Ok(())
    }
}
