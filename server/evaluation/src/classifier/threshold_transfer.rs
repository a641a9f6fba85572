//! Loss of thresholds that were tuned out of fold, on pictures that were never used for tuning.

use super::multilabel::{Counts, Predictions, macro_f2};
use anyhow::Context;
use dataset::predictions::{OOF, Row, Table};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

impl Predictions {
    /// Out-of-fold predictions from the tables of each fold, each picture once: those of one model, or the mean of several.
    ///
    /// # Errors
    /// If a table cannot be read, they are for other labels, a truth is not known, a model predicted a picture twice (in
    /// several runs or epochs) or not at all, or there is none.
    pub fn out_of_fold(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let tables = paths
            .iter()
            .map(|path| Table::read(path))
            .collect::<anyhow::Result<Vec<_>>>()?;
        Self::mean_out_of_fold(&Table::concat(tables)?)
    }

    /// As [`Predictions::out_of_fold`], from one table that has the rows of every fold.
    ///
    /// # Errors
    /// As [`Predictions::out_of_fold`].
    pub fn mean_out_of_fold(table: &Table) -> anyhow::Result<Self> {
        let rows = table.rows.iter().filter(|row| &*row.part == OOF).cloned().collect();
        let whole = Table {
            labels: table.labels.clone(),
            rows,
        };
        let mut models: BTreeMap<Arc<str>, HashMap<Arc<str>, usize>> = BTreeMap::new();
        for (at, row) in whole.rows.iter().enumerate() {
            anyhow::ensure!(
                models
                    .entry(row.run.clone())
                    .or_default()
                    .insert(row.path.clone(), at)
                    .is_none(),
                "{} was predicted out of fold twice by {} in these tables (again after epoch {}); name one epoch's table for each fold of a model",
                row.path,
                row.run,
                row.epoch
            );
        }
        let mut models = models.into_iter();
        let (first, rows) = models.next().context("there is no prediction out of fold (part 'oof') to tune thresholds on; name tables of runs with data.folds, or give a fixed threshold")?;
        let mut rows: Vec<usize> = rows.into_values().collect();
        rows.sort_unstable();
        let mut mean: Vec<Row> = rows.into_iter().map(|at| whole.rows[at].clone()).collect();
        let n = models.len() + 1;
        for (model, places) in models {
            anyhow::ensure!(
                places.len() == mean.len(),
                "{model} predicted {} pictures out of fold and {first} {}; name every fold of both",
                places.len(),
                mean.len()
            );
            for row in &mut mean {
                let at = places
                    .get(&row.path)
                    .with_context(|| format!("{first} predicted {} out of fold, and {model} did not", row.path))?;
                row.probs
                    .iter_mut()
                    .zip(&whole.rows[*at].probs)
                    .for_each(|(sum, prob)| *sum += prob);
            }
        }
        mean.iter_mut()
            .flat_map(|row| &mut row.probs)
            .for_each(|sum| *sum /= n as f32);
        Self::from_table(&Table { rows: mean, ..whole }, |_| true)
    }
}

/// Value of a label's threshold on the rows it was tuned on and on others.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelGap {
    /// Label identifier.
    pub id: String,
    /// The threshold.
    pub threshold: f32,
    /// Images tuned on that carry the label.
    pub tuned_support: usize,
    /// F2 on the images tuned on.
    pub tuned_f2: f64,
    /// Unseen images that carry the label.
    pub unseen_support: usize,
    /// F2 on unseen images.
    pub unseen_f2: f64,
    /// `tuned_f2 − unseen_f2`: what tuning promised too much.
    pub gap: f64,
}

/// The gap of every label, and of their mean.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GapReport {
    /// Macro F2 on the images tuned on.
    pub tuned_macro_f2: f64,
    /// Macro F2 on unseen images.
    pub unseen_macro_f2: f64,
    /// The first less the second.
    pub gap: f64,
    /// By label.
    pub labels: Vec<LabelGap>,
}

/// F2 at `thresholds` on the predictions they were tuned on (out of fold) and on a split that nothing was tuned on.
///
/// # Errors
/// If the two were made for other labels, or the thresholds are not as many.
pub fn gap_report(tuned: &Predictions, thresholds: &[f32], unseen: &Predictions) -> anyhow::Result<GapReport> {
    anyhow::ensure!(
        tuned.labels == unseen.labels,
        "the predictions to tune on are for the labels {:?}, not for {:?}; use those of the same model",
        tuned.labels,
        unseen.labels
    );
    let n = unseen.labels.len();
    anyhow::ensure!(thresholds.len() == n, "{} thresholds for {n} labels", thresholds.len());
    let counts = |predictions: &Predictions| -> Vec<Counts> {
        (0..n)
            .map(|label| predictions.counts_at(label, thresholds[label]))
            .collect()
    };
    let (on_tuned, on_unseen) = (counts(tuned), counts(unseen));
    let labels = (0..n).map(|label| {
        let (tuned_f2, unseen_f2) = (on_tuned[label].f2(), on_unseen[label].f2());
        LabelGap {
            id: unseen.labels[label].clone(),
            threshold: thresholds[label],
            tuned_support: tuned.support(label),
            tuned_f2,
            unseen_support: unseen.support(label),
            unseen_f2,
            gap: tuned_f2 - unseen_f2,
        }
    });
    let (tuned_macro_f2, unseen_macro_f2) = (macro_f2(&on_tuned, 0), macro_f2(&on_unseen, 0));
    let gap = tuned_macro_f2 - unseen_macro_f2;
    Ok(GapReport {
        tuned_macro_f2,
        unseen_macro_f2,
        gap,
        labels: labels.collect(),
    })
}

impl std::fmt::Display for GapReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "  {:<20} {:>9} {:>15} {:>15} {:>8}",
            "thresholds", "threshold", "tuned F2 (n)", "unseen F2 (n)", "gap"
        )?;
        for label in &self.labels {
            let with = |f2: f64, n: usize| format!("{f2:.4} ({n})");
            let (tuned, unseen) = (
                with(label.tuned_f2, label.tuned_support),
                with(label.unseen_f2, label.unseen_support),
            );
            writeln!(
                f,
                "  {:<20} {:>9.2} {tuned:>15} {unseen:>15} {:>+8.4}",
                label.id, label.threshold, label.gap
            )?;
        }
        let (tuned, unseen) = (self.tuned_macro_f2, self.unseen_macro_f2);
        writeln!(
            f,
            "  {:<20} {:>9} {tuned:>15.4} {unseen:>15.4} {:>+8.4}",
            "macro", "", self.gap
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataset::predictions::{Header, Part};

    #[test]
    fn out_of_fold_predictions_take_each_picture_once() {
        let dir = tempfile::tempdir().expect("a folder");
        let write_as = |run: &str, prob: f32, name: &str, part: &str, paths: [&str; 2]| {
            let part = Part {
                name: part.to_owned(),
                paths: paths.map(str::to_owned).to_vec(),
                item_ids: vec![String::new(); 2],
                truth: vec![Some(vec![true]); 2],
                probs: vec![vec![prob]; 2],
            };
            // Nobody knows the truth of these.
            let unseen = Part {
                name: "val".to_owned(),
                truth: vec![None; 2],
                ..part.clone()
            };
            let header = Header {
                run: run.to_owned(),
                fold: Some(0),
                epoch: 3,
            };
            let path = dir.path().join(name);
            Table::new(&header, &["a".to_owned()], &[part, unseen])
                .expect("consistent")
                .write(&path)
                .expect("writes");
            path
        };
        let write = |name: &str, part: &str, paths: [&str; 2]| write_as("net", 0.5, name, part, paths);
        let (one, other) = (write("1", OOF, ["a.jpg", "b.jpg"]), write("2", OOF, ["c.jpg", "d.jpg"]));
        assert_eq!(
            Predictions::out_of_fold(&[one.clone(), other])
                .expect("two folds")
                .truth
                .len(),
            4,
            "val is left out"
        );
        let twice = Predictions::out_of_fold(&[one.clone(), one.clone()])
            .expect_err("twice")
            .to_string();
        assert!(
            twice.contains("a.jpg") && twice.contains("one epoch's table"),
            "{twice}"
        );
        let second = |paths: [&str; 2]| write_as("second", 0.25, "4", OOF, paths);
        let mean = Predictions::out_of_fold(&[one.clone(), second(["b.jpg", "a.jpg"])]).expect("two models");
        assert_eq!(mean.probs, [[0.375], [0.375]]);
        let lacks = Predictions::out_of_fold(&[one, second(["b.jpg", "c.jpg"])])
            .expect_err("another picture")
            .to_string();
        assert!(lacks.contains("second did not"), "{lacks}");
        let none = Predictions::out_of_fold(&[write("3", "test", ["a.jpg", "b.jpg"])])
            .expect_err("none")
            .to_string();
        assert!(none.contains("no prediction out of fold"), "{none}");
    }
}
