//! Report of a run, written at the end of its training and again from its files.

use dataset::bundle;
use dataset::predictions::{OOF, Table};
use dataset::run::{BUNDLE, TUNED};
use evaluation::classifier::Predictions;
use report::record::{Record, Status};
use report::{Classified, write};
use std::path::{Path, PathBuf};

/// Writes the report of a run that has just been trained. A failure is only printed, because the training is finished and
/// its report can be written again.
pub(crate) fn after(run: &Path) {
    match write_again(run, None) {
        Ok(page) => eprintln!("report: {}", page.display()),
        Err(error) => eprintln!(
            "the report could not be written: {error:#}\nhint: `selvedge runs report {}` tries again",
            run.display()
        ),
    }
}

/// Writes a run's report from its files alone; returns the path of the page.
///
/// A classifier's report uses the predictions of its bundle or, without one, of its best epoch. That of a classifier of several
/// datasets has no tables of labels. The photos of the worst
/// mistakes are read from `data`, or from the recipe's dataset.
///
/// # Errors
/// If the folder is not a run, or one of its files is damaged.
pub fn write_again(run: &Path, data: Option<&Path>) -> anyhow::Result<PathBuf> {
    anyhow::ensure!(
        Record::is_run(run),
        "{} is not a run\nhint: `selvedge runs DIR` lists the runs of a folder",
        run.display()
    );
    let record = Record::read(run);
    let tuned = Some(run.join(TUNED)).filter(|table| table.is_file());
    let Some(table) = tuned.or_else(|| record.best_predictions().ok()) else {
        return write(run, None);
    };
    let table = Table::read(&table)?;
    if table
        .rows
        .iter()
        .any(|row| &*row.part == OOF && row.truth.contains(&None))
    {
        // Photos of several datasets have truth for some groups alone, and the tables are for one group.
        return write(run, None);
    }
    let predictions = Predictions::from_table(&table, |row| &*row.part == OOF)?;
    let thresholds = if record.status == Status::Finished {
        bundle::read(&run.join(BUNDLE))?.0.thresholds
    } else {
        predictions.greedy_thresholds(0.5)
    };
    let dir = data
        .map(Path::to_owned)
        .or_else(|| record.text("data.dir").map(PathBuf::from))
        .unwrap_or_default();
    let tuned = table.rows.iter().filter(|row| &*row.part == OOF);
    let photos: Vec<PathBuf> = tuned.map(|row| dir.join(&*row.path)).collect();
    write(
        run,
        Some(&Classified {
            predictions: &predictions,
            thresholds: &thresholds,
            photos: &photos,
        }),
    )
}
