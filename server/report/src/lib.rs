//! Reports of a run: tables, plots, the worst mistakes, and one page that contains them all.
//!
//! **Invariant:** a report depends on the files of the run and its predictions alone, so it can be written again.

mod chart;
mod contact_sheet;
mod curves;
pub mod failures;
mod heatmap;
mod html;
mod intervals;
mod mistakes;
mod plots;
pub mod record;
pub mod runs;
mod svg;
mod tables;

pub use intervals::{Dot, intervals};
pub use record::Record;

use anyhow::Context;
use dataset::atomic;
use evaluation::classifier::{Classification, Predictions, classify};
use std::path::{Path, PathBuf};

/// Name of the page within a run.
const PAGE: &str = "report.html";

/// Results of a classifier's best epoch.
#[derive(Debug)]
pub struct Classified<'a> {
    /// Predictions on the tuning part.
    pub predictions: &'a Predictions,
    /// Thresholds, `[label]`, 0–1.
    pub thresholds: &'a [f32],
    /// Image files, in the order of the predictions.
    pub photos: &'a [PathBuf],
}

/// A plot and its file name.
struct Plot {
    file: &'static str,
    svg: String,
}

/// Writes `summary.csv`, `plots/` and `report.html` into a run, and for a classifier `labels.csv` and the contact sheet of
/// its worst mistakes. Returns the path of the page. Existing files are replaced.
///
/// # Errors
/// If a file cannot be written. There is no contact sheet if a photo cannot be read.
pub fn write(run: &Path, classified: Option<&Classified<'_>>) -> anyhow::Result<PathBuf> {
    let record = Record::read(run);
    let folder = run.join("plots");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    atomic::write(&run.join("summary.csv"), &tables::summary(&record.epochs)?)?;

    let mut drawn = vec![Plot {
        file: "training.svg",
        svg: plots::training(&record.epochs),
    }];
    let (mut labels, mut metrics) = (Vec::new(), Vec::new());
    let mut worst = html::Worst::default();
    if let Some(classified) = classified {
        let frequency: Vec<usize> = (0..classified.predictions.labels.len())
            .map(|label| classified.predictions.support(label))
            .collect();
        let measured = classify(classified.predictions, classified.thresholds, &frequency);
        metrics = tables::metric_rows(classified.predictions, &measured);
        labels = tables::label_rows(classified.predictions, classified.thresholds, &measured);
        atomic::write(&run.join("labels.csv"), &tables::labels(&labels)?)?;
        drawn.extend(classifier_plots(classified, &measured));
        worst = worst_mistakes(classified, &folder)?;
    }
    for plot in &drawn {
        atomic::write(&folder.join(plot.file), plot.svg.as_bytes())?;
    }
    let page = html::page(&html::Content {
        record: &record,
        metrics,
        plots: drawn.iter().map(|plot| plot.svg.as_str()).collect(),
        labels: &labels,
        worst: &worst,
    });
    let path = run.join(PAGE);
    atomic::write(&path, page.as_bytes())?;
    Ok(path)
}

/// Draws the plots of a classifier.
fn classifier_plots(classified: &Classified<'_>, measured: &Classification) -> [Plot; 4] {
    let (predictions, thresholds) = (classified.predictions, classified.thresholds);
    [
        Plot {
            file: "thresholds.svg",
            svg: plots::thresholds(predictions, thresholds),
        },
        Plot {
            file: "precision-recall.svg",
            svg: plots::precision_recalls(predictions, thresholds, measured),
        },
        Plot {
            file: "confusion.svg",
            svg: plots::confusion(predictions, thresholds),
        },
        Plot {
            file: "calibration.svg",
            svg: plots::calibration(predictions),
        },
    ]
}

/// Lists the worst mistakes and writes their contact sheet to `folder`. A note takes the place of a sheet that cannot be made.
///
/// # Errors
/// If the sheet cannot be written.
fn worst_mistakes(classified: &Classified<'_>, folder: &Path) -> anyhow::Result<html::Worst> {
    let mut worst = html::Worst {
        mistakes: mistakes::worst(classified.predictions, classified.thresholds, classified.photos),
        ..html::Worst::default()
    };
    match mistakes::sheet(&worst.mistakes) {
        Ok(sheet) => {
            atomic::write(&folder.join("mistakes.jpg"), &sheet)?;
            worst.sheet = Some(sheet);
        }
        Err(error) => worst.note = Some(format!("{error:#}")),
    }
    Ok(worst)
}
