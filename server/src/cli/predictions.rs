//! Out-of-fold predictions of runs.

use evaluation::classifier::Predictions;
use report::record::Record;
use std::path::PathBuf;

/// Reads the out-of-fold predictions of runs, which are run folders or predictions tables; `None` without runs.
///
/// # Errors
/// If a run has no predictions or its table cannot be read.
pub(crate) fn out_of_fold(runs: &[PathBuf]) -> anyhow::Result<Option<Predictions>> {
    if runs.is_empty() {
        return Ok(None);
    }
    let table = |path: &PathBuf| {
        if path.is_dir() {
            Record::read(path).best_predictions()
        } else {
            Ok(path.clone())
        }
    };
    let tables = runs.iter().map(table).collect::<anyhow::Result<Vec<_>>>()?;
    Predictions::out_of_fold(&tables).map(Some)
}
