//! `selvedge submit`: the submission file for the challenge's style task.

use super::bundles::read_bundles;
use super::output::print_path;
use super::predictions::out_of_fold;
use super::xgboost::XgBoostArgs;
use anyhow::Context;
use clap::Args;
use dataset::atomic;
use dataset::challenge::{Entry, find_images, read, submission};
use dataset::import::{is_image, none_missing};
use dataset::{Dataset, Images, Row};
use device::DeviceChoice;
use ensemble::{Bagging, Ensemble, PredictionSet};
use evaluation::classifier::{ThresholdRule, Tuning};
use evaluation::inference::{Views, mean_probabilities};
use shared::taxonomy::STYLES;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Arguments of `selvedge submit`.
#[derive(Debug, Args)]
pub(crate) struct SubmitArgs {
    /// Folder of a style bundle, or of several whose probabilities are averaged
    #[arg(long, num_args = 1.., required_unless_present = "ensemble", requires = "images", conflicts_with = "ensemble")]
    bundle: Vec<PathBuf>,
    /// Images to predict, in the order of the submission: a CSV file with id and url; with --bundle all images of the
    /// folder by default
    #[arg(long, value_name = "FILE")]
    test: Option<PathBuf>,
    /// Folder of the images, named by their ids or as in their urls
    #[arg(long)]
    images: Option<PathBuf>,
    /// Average each bundle's probabilities over views of each image: none, flip or ten-crop
    #[arg(long, default_value = "none")]
    views: Views,
    /// Runs of the same model, one per fold, to tune thresholds on: run folders or predictions tables
    #[arg(long, value_name = "RUN", num_args = 1..)]
    tune_predictions: Vec<PathBuf>,
    /// Thresholds instead of the bundle's: greedy, expected or lbfgsb on --tune-predictions, or a number from 0 to 1
    #[arg(long, value_name = "RULE")]
    thresholds: Option<ThresholdRule>,
    /// Folder of an ensemble, instead of bundles
    #[arg(long, requires = "zoo")]
    ensemble: Option<PathBuf>,
    /// The zoo with the predictions of the ensemble's networks
    #[arg(long)]
    zoo: Option<PathBuf>,
    /// Split of the zoo to submit
    #[arg(long, default_value = "test")]
    split: String,
    /// Combination of the boosters and networks of all folds
    #[arg(long, value_enum, default_value_t = Bagging::Mean)]
    bagging: Bagging,
    #[command(flatten)]
    xgboost: XgBoostArgs,
    /// Submission file to write; it must not exist
    #[arg(long)]
    out: PathBuf,
}

/// Predicted styles per image id.
type Answers = Vec<(String, [bool; 13])>;

pub(super) fn submit(args: &SubmitArgs, device: DeviceChoice) -> anyhow::Result<()> {
    anyhow::ensure!(
        !args.out.exists(),
        "{} exists already; name another file with --out",
        args.out.display()
    );
    let wanted = args.test.as_deref().map(read).transpose()?;
    let answers = match (&args.ensemble, &args.zoo, &args.images) {
        (Some(ensemble), Some(zoo), _) => predict_with_ensemble(args, ensemble, zoo, wanted.as_deref())?,
        (_, _, Some(images)) => predict_with_bundles(args, images, wanted, device)?,
        _ => anyhow::bail!("name --bundle with --images, or --ensemble with --zoo"),
    };
    let text = submission(answers.iter().map(|(id, styles)| (id.as_str(), *styles)));
    atomic::write(&args.out, text.as_bytes())?;
    let none = answers.iter().filter(|(_, styles)| !styles.contains(&true)).count();
    eprintln!("{} lines, {none} of them without any style", answers.len());
    print_path(&args.out)
}

/// Predicts images with bundles: the `wanted` ones, or all of the folder.
fn predict_with_bundles(
    args: &SubmitArgs,
    folder: &Path,
    wanted: Option<Vec<Entry>>,
    device: DeviceChoice,
) -> anyhow::Result<Answers> {
    let bundles = read_bundles(&args.bundle)?;
    let labels = &bundles.first().context("name a bundle")?.0.labels;
    let entries = wanted.map_or_else(|| all_images(folder), Ok)?;
    let found = find_images(&entries, folder)?;
    let missing = entries
        .iter()
        .zip(&found)
        .filter(|(_, path)| path.is_none())
        .map(|(entry, _)| entry.id.as_str());
    none_missing(
        missing,
        folder,
        "a submission must answer for every image; fetch the missing images",
    )?;
    let row = |path: &PathBuf| Row {
        path: path.display().to_string(),
        split: "test".to_owned(),
        ..Row::default()
    };
    let rows = found.iter().flatten().map(row).collect();
    let dataset = Dataset::from_rows(rows);
    let tuning = Tuning {
        on: out_of_fold(&args.tune_predictions)?,
        rule: args.thresholds,
    };
    let thresholds = tuning.thresholds(&bundles)?;
    let rows: Vec<usize> = (0..entries.len()).collect();
    let images = Arc::new(Images::new(Arc::new(dataset)).with_margin_of(&bundles[0].0.input));
    let probs = mean_probabilities(&bundles, &images, &rows, &args.views, &device.open()?)?;
    let positions = positions(labels)?;
    let answer = |(entry, probs): (Entry, Vec<f32>)| (entry.id, styles(&probs, &thresholds, &positions));
    Ok(entries.into_iter().zip(probs).map(answer).collect())
}

/// All images of a folder, by their names without extensions. Other files are recognised by their content, reported and
/// left out.
///
/// # Errors
/// If there is no image, or two images have the same name.
fn all_images(folder: &Path) -> anyhow::Result<Vec<Entry>> {
    let mut names = BTreeMap::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))? {
        let path = entry?.path();
        let id = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        if let Some(id) = id.filter(|id| path.is_file() && !id.starts_with('.')) {
            if !is_image(&path) {
                eprintln!("left out {}: it is not an image", path.display());
                continue;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let before = names.insert(id.clone(), name);
            anyhow::ensure!(
                before.is_none(),
                "two files in {} have the name {id}; remove one",
                folder.display()
            );
        }
    }
    anyhow::ensure!(
        !names.is_empty(),
        "there is no image in {}; name the folder of the images with --images",
        folder.display()
    );
    Ok(names
        .into_iter()
        .map(|(id, url)| Entry {
            id,
            url,
            split: None,
            styles: None,
        })
        .collect())
}

/// Predicts a split of a zoo with an ensemble: the `wanted` images, or all.
fn predict_with_ensemble(
    args: &SubmitArgs,
    dir: &Path,
    zoo: &Path,
    wanted: Option<&[Entry]>,
) -> anyhow::Result<Answers> {
    let (ensemble, zoo) = (Ensemble::read(dir)?, PredictionSet::read(zoo)?);
    let (probs, thresholds) = ensemble.split(&args.xgboost.load()?, &zoo, &args.split, args.bagging)?;
    let positions = positions(&zoo.labels)?;
    let samples = &zoo.split(&args.split)?.samples;
    let id = |path: &str| {
        Path::new(path)
            .file_stem()
            .map_or_else(String::new, |s| s.to_string_lossy().into_owned())
    };
    // An imported dataset has the id as its item. In other datasets the file's name is the id.
    let ids = samples.iter().map(|s| {
        if s.item_id.is_empty() {
            id(&s.path)
        } else {
            s.item_id.to_string()
        }
    });
    let found: Answers = ids
        .zip(&probs)
        .map(|(id, probs)| (id, styles(probs, &thresholds, &positions)))
        .collect();
    let by_id: BTreeMap<&str, [bool; 13]> = found.iter().map(|(id, styles)| (id.as_str(), *styles)).collect();
    anyhow::ensure!(
        by_id.len() == found.len(),
        "several images of '{}' have one id",
        args.split
    );
    let Some(wanted) = wanted else { return Ok(found) };
    let answer = |entry: &Entry| {
        let styles = by_id.get(entry.id.as_str()).with_context(|| {
            format!(
                "the zoo's split '{}' has no prediction of {}, which the list asks for",
                args.split, entry.id
            )
        })?;
        Ok((entry.id.clone(), *styles))
    };
    wanted.iter().map(answer).collect()
}

/// Positions of the challenge's styles among the labels.
///
/// # Errors
/// If a style is not among the labels.
fn positions(labels: &[String]) -> anyhow::Result<Vec<usize>> {
    let position = |id: &str| labels.iter().position(|label| label == id);
    let positions: Option<Vec<usize>> = STYLES.iter().map(|style| position(style.id)).collect();
    positions.with_context(|| format!("the challenge needs its 13 styles, but these are other labels: {labels:?}"))
}

/// True per style of the challenge if its probability reaches its threshold.
fn styles(probs: &[f32], thresholds: &[f32], positions: &[usize]) -> [bool; 13] {
    std::array::from_fn(|style| probs[positions[style]] >= thresholds[positions[style]])
}
