//! Reports of a run for people: tables, plots, the worst mistakes, and one page that contains them all.
//!
//! **Invariant:** everything here is made from a run's files and its predictions alone, and can be made again.

pub mod chart;
pub mod curves;
pub mod failures;
pub mod heatmap;
pub mod html;
pub mod intervals;
pub mod mistakes;
pub mod plots;
pub mod record;
pub mod runs;
pub mod svg;
pub mod tables;

pub use intervals::{Dot, intervals};
pub use record::Record;

use anyhow::Context;
use dataset::atomic;
use evaluation::classifier::{Predictions, classify};
use std::path::{Path, PathBuf};

/// The page's name within a run.
pub const PAGE: &str = "report.html";

/// Results of a classifier's best epoch.
#[derive(Debug)]
pub struct Classified<'a> {
    /// Its predictions on the tuning part.
    pub predictions: &'a Predictions,
    /// One threshold a label, 0–1.
    pub thresholds: &'a [f32],
    /// The files of the predictions' images.
    pub photos: &'a [PathBuf],
}

/// A plot with the name of its file.
struct Plot {
    file: &'static str,
    svg: String,
}

/// Writes `summary.csv`, `plots/` and `report.html` into a run, and for a classifier `labels.csv` and the contact sheet of
/// its worst mistakes; returns the page. What was there before is replaced.
///
/// # Errors
/// If a file cannot be written. Photos that cannot be read only leave the contact sheet out.
pub fn write(run: &Path, classified: Option<&Classified<'_>>) -> anyhow::Result<PathBuf> {
    let record = Record::read(run);
    let folder = run.join("plots");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    atomic::write(&run.join("summary.csv"), &tables::summary(&record.epochs)?)?;

    let mut drawn = vec![Plot {
        file: "training.svg",
        svg: plots::training(&record.epochs),
    }];
    let (mut labels, mut figures) = (Vec::new(), Vec::new());
    let mut worst = html::Worst::default();
    if let Some(Classified {
        predictions,
        thresholds,
        photos,
    }) = classified
    {
        let frequency: Vec<usize> = (0..predictions.labels.len())
            .map(|label| predictions.support(label))
            .collect();
        let measured = classify(predictions, thresholds, &frequency);
        figures = tables::figures(predictions, &measured);
        labels = tables::label_rows(predictions, thresholds, &measured);
        drawn.extend([
            Plot {
                file: "thresholds.svg",
                svg: plots::thresholds(predictions, thresholds),
            },
            Plot {
                file: "precision-recall.svg",
                svg: plots::precision_recalls(predictions, thresholds, &measured),
            },
            Plot {
                file: "confusion.svg",
                svg: plots::confusion(predictions, thresholds),
            },
            Plot {
                file: "calibration.svg",
                svg: plots::calibration(predictions),
            },
        ]);
        atomic::write(&run.join("labels.csv"), &tables::labels(&labels)?)?;
        worst.mistakes = mistakes::worst(predictions, thresholds, photos);
        match mistakes::sheet(&worst.mistakes) {
            Ok(sheet) => {
                atomic::write(&folder.join("mistakes.jpg"), &sheet)?;
                worst.sheet = Some(sheet);
            }
            Err(error) => worst.note = Some(format!("{error:#}")),
        }
    }
    for plot in &drawn {
        atomic::write(&folder.join(plot.file), plot.svg.as_bytes())?;
    }
    let page = html::page(&html::Content {
        record: &record,
        figures,
        plots: drawn.iter().map(|plot| plot.svg.as_str()).collect(),
        labels: &labels,
        worst: &worst,
    });
    let path = run.join(PAGE);
    atomic::write(&path, page.as_bytes())?;
    Ok(path)
}
