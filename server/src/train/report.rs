//! The report of a run: at the end of its training, and again from its files.

use super::style::Labelled;
use crate::bundle_io;
use crate::evaluate::multilabel::Predictions;
use crate::evaluate::table::{FOLDER, OOF, Table};
use crate::report::record::{BUNDLE, Record, Status};
use crate::report::{Classified, write};
use std::path::{Path, PathBuf};

/// Writes the report of a classifier that has just been trained, from its predictions on the tuning rows.
pub fn after_classifier(run: &Path, data: &Labelled, predictions: &Predictions, thresholds: &[f32]) {
    let dataset = data.images.dataset();
    let photos: Vec<PathBuf> = data.tune.iter().map(|row| dataset.dir.join(&dataset.rows[*row].path)).collect();
    after(run, Some(&Classified { predictions, thresholds, photos: &photos }));
}

/// Writes the report of a run that has just been trained. A report that cannot be written takes nothing from a training
/// that is done, and can be made again.
pub fn after(run: &Path, classified: Option<&Classified<'_>>) {
    match write(run, classified) {
        Ok(page) => eprintln!("report: {}", page.display()),
        Err(error) => eprintln!(
            "the report could not be written: {error:#}\nhint: `selvedge runs report {}` tries again",
            run.display()
        ),
    }
}

/// Writes a run's report once more, from its files alone: of a classifier with the predictions of its best epoch. The
/// photos of the worst mistakes are looked for in `data`, or in the recipe's dataset.
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
    let Some(table) = record.best().map(|best| run.join(FOLDER).join(format!("epoch{:04}.parquet", best.epoch))) else {
        return write(run, None);
    };
    if !table.exists() {
        return write(run, None);
    }
    let table = Table::read(&table)?;
    let predictions = table.predictions(|row| &*row.part == OOF)?;
    let thresholds = if record.status == Status::Finished {
        bundle_io::read(&run.join(BUNDLE))?.0.thresholds
    } else {
        predictions.greedy_thresholds(0.5)
    };
    let dir = data.map(Path::to_owned).or_else(|| record.text("data.dir").map(PathBuf::from)).unwrap_or_default();
    let tuned = table.rows.iter().filter(|row| &*row.part == OOF);
    let photos: Vec<PathBuf> = tuned.map(|row| dir.join(&*row.path)).collect();
    write(run, Some(&Classified { predictions: &predictions, thresholds: &thresholds, photos: &photos }))
}
