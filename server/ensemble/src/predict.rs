//! Predictions of an ensemble for the images of a prediction set.

use super::folder::Ensemble;
use super::prediction_set::{PredictionSet, Sample};
use super::stack::{LabelModel, Networks};
use super::xgboost::XgBoost;
use anyhow::ensure;
use dataset::predictions::{OOF, Row, Table};
use rayon::prelude::*;
use shared::bundle::sha256_hex;

/// Combination of the boosters and networks of all folds for an image that none of them was trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Bagging {
    /// Mean of the boosters, each applied to the mean of the networks.
    Mean,
    /// Mean of every booster applied to every fold's networks.
    Pairs,
    /// Share of those pairs that reach the label's threshold. The label is predicted if half of them do.
    Vote,
}

impl Ensemble {
    /// Predicts stacked out-of-fold probabilities, `[row][label]`, each row by the models of its fold.
    ///
    /// # Errors
    /// If the set assigns images to other folds than the set that the ensemble was fitted to, or XGBoost fails.
    pub fn oof(&self, xgboost: &XgBoost, set: &PredictionSet) -> anyhow::Result<Vec<Vec<f32>>> {
        self.check_labels(set)?;
        ensure!(
            sha256_hex(set.fold_assignment().as_bytes()) == self.origin.folds_sha256,
            "leak: the zoo assigns images to other folds than the one that the ensemble was fitted to, so boosters would predict rows that they were trained on\nhint: use that zoo, or one without out-of-fold rows"
        );
        let n_labels = set.labels.len();
        let predict = |model: &LabelModel| model.predict_oof(xgboost, set);
        let predicted = self
            .models
            .par_iter()
            .map(predict)
            .collect::<anyhow::Result<Vec<_>>>()?;
        let mut probs = vec![vec![f32::NAN; n_labels]; set.oof.len()];
        for (model, rows) in predicted.into_iter().enumerate() {
            for (row, prob) in rows {
                probs[row][model / self.origin.folds.len()] = prob;
            }
        }
        Ok(probs)
    }

    /// Predicts probabilities of a split that no network was trained on, `[sample][label]`. Returns them with the thresholds for
    /// this combination.
    ///
    /// # Errors
    /// If the set lacks the split or an input, or XGBoost fails.
    pub fn split(
        &self,
        xgboost: &XgBoost,
        set: &PredictionSet,
        name: &str,
        bagging: Bagging,
    ) -> anyhow::Result<(Vec<Vec<f32>>, Vec<f32>)> {
        self.check_labels(set)?;
        let split = set.split(name)?;
        let networks: Vec<Networks> = match bagging {
            Bagging::Mean => vec![Networks::Mean],
            Bagging::Pairs | Bagging::Vote => (0..set.folds.len()).map(Networks::OfFold).collect(),
        };
        let n_folds = self.origin.folds.len();
        let share = 1.0 / (n_folds * networks.len()) as f32;
        let predict = |(at, model): (usize, &LabelModel)| -> anyhow::Result<Vec<f32>> {
            let mut sums = vec![0.0; split.samples.len()];
            for networks in &networks {
                let probs = model.predict_split(xgboost, set, split, *networks)?;
                for (sum, prob) in sums.iter_mut().zip(probs) {
                    *sum += match bagging {
                        Bagging::Vote => f32::from(u8::from(prob >= self.thresholds[at / n_folds])),
                        Bagging::Mean | Bagging::Pairs => prob,
                    };
                }
            }
            Ok(sums)
        };
        let predicted = self
            .models
            .par_iter()
            .enumerate()
            .map(predict)
            .collect::<anyhow::Result<Vec<_>>>()?;
        let mut probs = vec![vec![0.0; set.labels.len()]; split.samples.len()];
        for (model, sums) in predicted.iter().enumerate() {
            for (line, sum) in probs.iter_mut().zip(sums) {
                line[model / n_folds] += sum * share;
            }
        }
        let thresholds = match bagging {
            // The threshold is below half, because rounding can make a sum of shares smaller than half.
            Bagging::Vote => vec![0.5 - share / 2.0; set.labels.len()],
            Bagging::Mean | Bagging::Pairs => self.thresholds.clone(),
        };
        // Rounding can also make a sum of shares exceed 1.
        probs.iter_mut().flatten().for_each(|prob| *prob = prob.clamp(0.0, 1.0));
        Ok((probs, thresholds))
    }

    /// Predicts all images of a prediction set, under the name `run`.
    ///
    /// # Errors
    /// As [`Self::oof`] and [`Self::split`].
    pub fn predict(
        &self,
        xgboost: &XgBoost,
        set: &PredictionSet,
        run: &str,
        bagging: Bagging,
    ) -> anyhow::Result<Table> {
        let mut table = Table {
            labels: set.labels.clone(),
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
        if !set.oof.is_empty() {
            let rows = self.oof(xgboost, set)?.into_iter().zip(&set.oof).zip(&set.fold_of);
            table
                .rows
                .extend(rows.map(|((probs, sample), fold)| row(OOF, Some(set.folds[*fold]), sample, probs)));
        }
        for (name, split) in &set.splits {
            let (probs, _) = self.split(xgboost, set, name, bagging)?;
            table.rows.extend(
                probs
                    .into_iter()
                    .zip(&split.samples)
                    .map(|(probs, s)| row(name, None, s, probs)),
            );
        }
        Ok(table)
    }

    fn check_labels(&self, set: &PredictionSet) -> anyhow::Result<()> {
        ensure!(
            set.labels == self.origin.labels && set.folds == self.origin.folds,
            "the ensemble was fitted to labels {:?} and folds {:?}, the zoo has {:?} and {:?}",
            self.origin.labels,
            self.origin.folds,
            set.labels,
            set.folds
        );
        Ok(())
    }
}
