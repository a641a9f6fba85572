//! Out-of-fold predictions from the tables of a cross-validation.

use super::multilabel::Predictions;
use anyhow::Context;
use dataset::predictions::{OOF, Row, Table};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

impl Predictions {
    /// Reads out-of-fold predictions from the tables of each fold. Each image appears once, with the probabilities of one
    /// model or the mean of several.
    ///
    /// # Errors
    /// If a table cannot be read, labels differ, a truth is unknown, a model predicted an image twice (in several runs or
    /// epochs) or not at all, or there are no predictions.
    pub fn out_of_fold(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let tables = paths
            .iter()
            .map(|path| Table::read(path))
            .collect::<anyhow::Result<Vec<_>>>()?;
        Self::mean_out_of_fold(&Table::concat(tables)?)
    }

    /// As [`Predictions::out_of_fold`], from one table with the rows of every fold.
    ///
    /// # Errors
    /// As [`Predictions::out_of_fold`].
    pub(super) fn mean_out_of_fold(table: &Table) -> anyhow::Result<Self> {
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
                "{model} predicted {} images out of fold and {first} {}; name every fold of both",
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

#[cfg(test)]
mod tests {
    use super::*;
    use dataset::predictions::{Header, Part};

    #[test]
    fn out_of_fold_predictions_contain_each_image_once() {
        let dir = tempfile::tempdir().expect("a temporary folder is created");
        let write_as = |run: &str, prob: f32, name: &str, part: &str, paths: [&str; 2]| {
            let part = Part {
                name: part.to_owned(),
                paths: paths.map(str::to_owned).to_vec(),
                item_ids: vec![String::new(); 2],
                truth: vec![vec![Some(true)]; 2],
                probs: vec![vec![prob]; 2],
            };
            // The truth of this split is unknown.
            let unseen = Part {
                name: "val".to_owned(),
                truth: vec![vec![None]; 2],
                ..part.clone()
            };
            let header = Header {
                run: run.to_owned(),
                fold: Some(0),
                epoch: 3,
            };
            let path = dir.path().join(name);
            Table::new(&header, &["a".to_owned()], &[part, unseen])
                .expect("the table is consistent")
                .write(&path)
                .expect("the table is written");
            path
        };
        let write = |name: &str, part: &str, paths: [&str; 2]| write_as("net", 0.5, name, part, paths);
        let (one, other) = (write("1", OOF, ["a.jpg", "b.jpg"]), write("2", OOF, ["c.jpg", "d.jpg"]));
        assert_eq!(
            Predictions::out_of_fold(&[one.clone(), other])
                .expect("two folds are read")
                .truth
                .len(),
            4,
            "val is left out"
        );
        let twice = Predictions::out_of_fold(&[one.clone(), one.clone()])
            .expect_err("an image is predicted twice")
            .to_string();
        assert!(
            twice.contains("a.jpg") && twice.contains("one epoch's table"),
            "{twice}"
        );
        let second = |paths: [&str; 2]| write_as("second", 0.25, "4", OOF, paths);
        let mean =
            Predictions::out_of_fold(&[one.clone(), second(["b.jpg", "a.jpg"])]).expect("two models are averaged");
        assert_eq!(mean.probs, [[0.375], [0.375]]);
        let lacks = Predictions::out_of_fold(&[one, second(["b.jpg", "c.jpg"])])
            .expect_err("a model lacks an image")
            .to_string();
        assert!(lacks.contains("second did not"), "{lacks}");
        let none = Predictions::out_of_fold(&[write("3", "test", ["a.jpg", "b.jpg"])])
            .expect_err("there is no out-of-fold row")
            .to_string();
        assert!(none.contains("no prediction out of fold"), "{none}");
    }
}
