//! Networks of several folds: predictions out of fold, thresholds tuned on them, and the mean of the networks.

use anyhow::Result;
use dataset::Dataset;
use evaluation::classifier::{self, ClassifierOptions, ClassifierReport, Predictions, ThresholdRule, Tuning};
use evaluation::inference::Views;
use report::record::Record;
use shared::bundle::{Manifest, Weights};
use std::fs;
use std::path::Path;
use tests::tiny::{STYLE, Trainings, assert_error};

/// The networks of two folds, and their predictions out of fold.
struct Folds {
    trainings: Trainings,
    bundles: Vec<(Manifest, Weights)>,
    out_of_fold: Predictions,
}

impl Folds {
    fn train() -> Result<Self> {
        let trainings = Trainings::on_shop()?;
        let (mut bundles, mut tables) = (Vec::new(), Vec::new());
        for fold in 0..2 {
            let settings = [
                "epochs=1",
                "data.folds=2",
                &format!("data.fold={fold}"),
                "evaluate.views=flip",
            ];
            let run = trainings.train(&format!("fold{fold}"), STYLE, &settings)?;
            bundles.push(run.read()?);
            tables.push(Record::read(&run.dir).best_predictions()?);
        }
        Ok(Self {
            trainings,
            bundles,
            out_of_fold: Predictions::out_of_fold(&tables)?,
        })
    }

    /// Options that tune thresholds on the predictions out of fold.
    fn tuned(&self) -> ClassifierOptions {
        ClassifierOptions {
            tuning: Tuning {
                on: Some(self.out_of_fold.clone()),
                rule: Some(ThresholdRule::Greedy),
            },
            ..ClassifierOptions::default()
        }
    }

    /// Evaluates the split `val` of a dataset.
    fn evaluate(
        &self,
        dataset: &Path,
        bundles: &[(Manifest, Weights)],
        options: &ClassifierOptions,
    ) -> Result<ClassifierReport> {
        classifier::evaluate(bundles, Dataset::open(dataset)?, "val", options, &self.trainings.device)
    }
}

#[test]
fn the_folds_together_predict_every_image_once() -> Result<()> {
    let folds = Folds::train()?;
    let images = folds.trainings.dataset()?.split("train", |_| true, "")?;
    assert_eq!(folds.out_of_fold.truth.len(), images.len());
    Ok(())
}

#[test]
fn thresholds_tuned_out_of_fold_are_measured_on_another_split() -> Result<()> {
    let folds = Folds::train()?;
    let (data, second) = (folds.trainings.data(), &folds.bundles[1..]);
    let report = folds.evaluate(&data, second, &folds.tuned())?;
    let gap = report.transfer.expect("predictions were given to tune on");
    assert_eq!(gap.unseen_macro_f2, report.summary.metrics["macro_f2_13"].value);
    assert_eq!(
        gap.labels.iter().map(|label| label.threshold).collect::<Vec<_>>(),
        ThresholdRule::Greedy.choose(&folds.out_of_fold)
    );
    let untuned = ClassifierOptions {
        tuning: Tuning {
            on: None,
            rule: Some(ThresholdRule::Greedy),
        },
        ..ClassifierOptions::default()
    };
    assert_error(folds.evaluate(&data, second, &untuned), "never tuned on the split");
    assert_error(
        folds.evaluate(&data, &folds.bundles, &ClassifierOptions::default()),
        "--thresholds",
    );
    Ok(())
}

#[test]
fn the_mean_of_two_networks_is_no_worse_than_they_are_on_average() -> Result<()> {
    let folds = Folds::train()?;
    let brier = |bundles: &[_]| -> Result<f64> {
        let report = folds.evaluate(&folds.trainings.data(), bundles, &folds.tuned())?;
        Ok(report.summary.metrics["brier"].value)
    };
    let (first, second, mean) = (
        brier(&folds.bundles[..1])?,
        brier(&folds.bundles[1..])?,
        brier(&folds.bundles)?,
    );
    // The Brier score is convex.
    assert!(
        mean != second && mean <= (first + second) / 2.0 + 1e-9,
        "{first}, {second}, together {mean}"
    );
    Ok(())
}

/// Copies a dataset with all images mirrored.
pub(super) fn mirror(data: &Path, mirrored: &Path) -> Result<()> {
    fs::create_dir(mirrored)?;
    for row in Dataset::open(data)?.rows {
        let path = mirrored.join(Path::new(&row.path).with_extension("png"));
        fs::create_dir_all(path.parent().expect("the path has a folder"))?;
        image::open(data.join(&row.path))?.fliph().save(&path)?;
    }
    let manifest = fs::read_to_string(data.join("manifest.csv"))?;
    let manifest = manifest.replace(".jpg", ".png").replace(".jpeg", ".png");
    Ok(fs::write(mirrored.join("manifest.csv"), manifest)?)
}

#[test]
fn views_that_mirror_predict_the_same_for_a_mirrored_image() -> Result<()> {
    let folds = Folds::train()?;
    let mirrored = folds.trainings.path("mirrored");
    mirror(&folds.trainings.data(), &mirrored)?;
    let brier = |dataset: &Path, views: Views| -> Result<f64> {
        let options = ClassifierOptions {
            views,
            ..ClassifierOptions::default()
        };
        let report = folds.evaluate(dataset, &folds.bundles[1..], &options)?;
        Ok(report.summary.metrics["brier"].value)
    };
    let difference = |views: Views| -> Result<f64> {
        Ok((brier(&folds.trainings.data(), views.clone())? - brier(&mirrored, views)?).abs())
    };
    let (one, flip, ten_crop) = (
        difference(Views::None)?,
        difference(Views::Flip)?,
        difference(Views::TenCrop)?,
    );
    assert!(flip < 1e-5 && ten_crop < 1e-5, "flip {flip}, ten-crop {ten_crop}");
    assert!(one > 10.0 * flip.max(ten_crop), "one view differs by {one} only");
    Ok(())
}
