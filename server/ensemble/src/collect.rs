//! Collection of the predictions tables of runs.

use super::prediction_set::PredictionSet;
use anyhow::{Context, ensure};
use dataset::predictions::{FOLDER, Table};
use std::path::{Path, PathBuf};

/// Concatenates the tables of runs and checks the result.
///
/// Each path is a run folder, a folder of run folders, or a table.
///
/// # Errors
/// If there is no table, or the runs do not fit together, as in [`PredictionSet::new`].
pub fn collect(runs: &[PathBuf]) -> anyhow::Result<(Table, PredictionSet)> {
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
    let set = PredictionSet::new(&table)?;
    Ok((table, set))
}

/// Returns the predictions tables under a path, in the order of their names.
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
