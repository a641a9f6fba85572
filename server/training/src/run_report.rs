//! The report of a run: at the end of its training, and again from its files.

use dataset::bundle;
use dataset::predictions::{OOF, Table};
use dataset::run::{BUNDLE, TUNED};
use evaluation::multilabel::Predictions;
use report::record::{Record, Status};
use report::{Classified, write};
use std::path::{Path, PathBuf};

/// Writes the report of a run that has just been trained. A report that cannot be written takes nothing from a training
/// that is done, and can be made again.
pub fn after(run: &Path) {
    match again(run, None) {
        Ok(page) => eprintln!("report: {}", page.display()),
        Err(error) => eprintln!(
            "the report could not be written: {error:#}\nhint: `selvedge runs report {}` tries again",
            run.display()
        ),
    }
}

/// Writes a run's report from its files alone: of a classifier with what its bundle predicts, or while there is none with
/// the predictions of its best epoch. The photos of the worst mistakes are looked for in `data`, or in the recipe's dataset.
///
/// # Errors
/// If it is no run, or one of its files is damaged.
pub fn again(run: &Path, data: Option<&Path>) -> anyhow::Result<PathBuf> {
    anyhow::ensure!(
        Record::is_run(run),
        "{} is no run\nhint: `selvedge runs DIR` lists the runs of a folder",
        run.display()
    );
    let record = Record::read(run);
    let tuned = Some(run.join(TUNED)).filter(|table| table.is_file());
    let Some(table) = tuned.or_else(|| record.best_predictions().ok()) else {
        return write(run, None);
    };
    let table = Table::read(&table)?;
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
