//! The files of the JD AI Fashion Challenge: label files in, the submission out.

use super::ensemble::XgBoostFlag;
use super::evaluate::out_of_fold;
use super::print;
use anyhow::Context;
use clap::Args;
use dataset::atomic;
use dataset::bundle;
use dataset::challenge::{Allowed, Entry, find_images, import, read, submission};
use dataset::import::{format_of, none_missing};
use dataset::{Dataset, Images, MaxErrors, Row};
use device::DeviceChoice;
use ensemble::{Bagging, Ensemble, Zoo};
use evaluation::classifier::{ThresholdRule, Tuning};
use evaluation::inference::{Views, mean_probabilities};
use shared::taxonomy::STYLES;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// `selvedge dataset import-style`
#[derive(Debug, Args)]
pub struct ImportStyleArgs {
    /// The training labels: id, url and a column of 0 and 1 for each of the 13 styles.
    labels: PathBuf,
    /// Also the images to predict, for the split 'test': id and url.
    #[arg(long, value_name = "FILE")]
    test: Option<PathBuf>,
    /// Folder of the images, named by their ids or as in their urls.
    #[arg(long)]
    images: PathBuf,
    /// The dataset's folder, for its manifest.csv.
    #[arg(long)]
    out: PathBuf,
    /// Images that may be missing; they are counted and left out.
    #[arg(long, default_value_t = 100)]
    max_missing: usize,
    /// Share of the images that may be unreadable; they are named and left out.
    #[arg(long, value_name = "SHARE", default_value_t)]
    max_errors: MaxErrors,
}

/// `selvedge submit`
#[derive(Debug, Args)]
pub struct SubmitArgs {
    /// Folder of a style bundle, or of several whose probabilities are averaged.
    #[arg(long, num_args = 1.., required_unless_present = "ensemble", requires = "images", conflicts_with = "ensemble")]
    bundle: Vec<PathBuf>,
    /// The images to predict: id and url, the submission's ids in its order. Default, with --bundle: all in the folder.
    #[arg(long, value_name = "FILE")]
    test: Option<PathBuf>,
    /// Folder of the images, named by their ids or as in their urls.
    #[arg(long)]
    images: Option<PathBuf>,
    /// Average each bundle's probabilities over views of each picture: none, flip or ten-crop.
    #[arg(long, default_value = "none")]
    views: Views,
    /// Runs of the same model, one a fold, to tune thresholds on: run folders or predictions tables.
    #[arg(long, value_name = "RUN", num_args = 1..)]
    tune_predictions: Vec<PathBuf>,
    /// Thresholds instead of the bundle's own: greedy, expected or lbfgsb on --tune-predictions, or a number from 0 to 1.
    #[arg(long, value_name = "RULE")]
    thresholds: Option<ThresholdRule>,
    /// Folder of an ensemble, instead of bundles.
    #[arg(long, requires = "zoo")]
    ensemble: Option<PathBuf>,
    /// The zoo with the predictions of the ensemble's networks.
    #[arg(long)]
    zoo: Option<PathBuf>,
    /// The zoo's split to submit.
    #[arg(long, default_value = "test")]
    split: String,
    /// How boosters and networks of all folds become one answer.
    #[arg(long, value_enum, default_value_t = Bagging::Mean)]
    bagging: Bagging,
    #[command(flatten)]
    xgboost: XgBoostFlag,
    /// The submission to write; one that is there is not overwritten.
    #[arg(long)]
    out: PathBuf,
}

pub(super) fn import_style(args: &ImportStyleArgs) -> anyhow::Result<()> {
    let labels = read(&args.labels)?;
    anyhow::ensure!(
        labels.iter().all(|entry| entry.styles.is_some()),
        "{} has no labels; a list to predict goes with --test",
        args.labels.display()
    );
    let test = args.test.as_deref().map(read).transpose()?.unwrap_or_default();
    let ids: BTreeSet<&str> = labels.iter().map(|entry| entry.id.as_str()).collect();
    if let Some(both) = test.iter().find(|entry| ids.contains(entry.id.as_str())) {
        anyhow::bail!("{} is among the labels and among the images to predict", both.id);
    }
    let entries: Vec<(Entry, &str)> = labels
        .into_iter()
        .map(|entry| (entry, "train"))
        .chain(test.into_iter().map(|entry| (entry, "test")))
        .collect();
    let allowed = Allowed {
        missing: args.max_missing,
        errors: args.max_errors,
    };
    for (split, n) in import(&entries, &args.images, &args.out, allowed)? {
        eprintln!("{split}: {n} images");
    }
    print(&args.out.display().to_string())
}

/// Tags by id.
type Answers = Vec<(String, [bool; 13])>;

pub(super) fn submit(args: &SubmitArgs, device: DeviceChoice) -> anyhow::Result<()> {
    anyhow::ensure!(
        !args.out.exists(),
        "{} is there already; name another file with --out",
        args.out.display()
    );
    let wanted = args.test.as_deref().map(read).transpose()?;
    let answers = match (&args.ensemble, &args.zoo, &args.images) {
        (Some(ensemble), Some(zoo), _) => by_ensemble(args, ensemble, zoo, wanted.as_deref())?,
        (_, _, Some(images)) => by_bundles(args, images, wanted, device)?,
        _ => anyhow::bail!("name --bundle with --images, or --ensemble with --zoo"),
    };
    let text = submission(answers.iter().map(|(id, styles)| (id.as_str(), *styles)));
    atomic::write(&args.out, text.as_bytes())?;
    let none = answers.iter().filter(|(_, styles)| !styles.contains(&true)).count();
    eprintln!("{} lines, {none} of them without any style", answers.len());
    print(&args.out.display().to_string())
}

fn by_bundles(
    args: &SubmitArgs,
    folder: &Path,
    wanted: Option<Vec<Entry>>,
    device: DeviceChoice,
) -> anyhow::Result<Answers> {
    let bundles: Vec<_> = args
        .bundle
        .iter()
        .map(|dir| bundle::read(dir))
        .collect::<Result<_, _>>()?;
    let labels = &bundles.first().context("name a bundle")?.0.labels;
    let entries = wanted.map_or_else(|| all_in(folder), Ok)?;
    let found = find_images(&entries, folder)?;
    let missing = entries
        .iter()
        .zip(&found)
        .filter(|(_, path)| path.is_none())
        .map(|(entry, _)| entry.id.as_str());
    // A submission without some of its ids is worth nothing.
    none_missing(
        missing,
        folder,
        "a submission must answer for every image; fetch those that are missing",
    )?;
    let row = |path: &PathBuf| Row {
        path: path.display().to_string(),
        split: "test".to_owned(),
        ..Row::default()
    };
    let rows = found.iter().flatten().map(row).collect();
    let dataset = Dataset::of(rows);
    let tuning = Tuning {
        on: out_of_fold(&args.tune_predictions)?,
        rule: args.thresholds,
    };
    let thresholds = tuning.thresholds(&bundles)?;
    let rows: Vec<usize> = (0..entries.len()).collect();
    let images = Arc::new(Images::new(Arc::new(dataset)).with_margin_of(&bundles[0].0.input));
    let probs = mean_probabilities(&bundles, &images, &rows, &args.views, &device.open()?)?;
    let places = places(labels)?;
    let answer = |(entry, probs): (Entry, Vec<f32>)| (entry.id, styles(&probs, &thresholds, &places));
    Ok(entries.into_iter().zip(probs).map(answer).collect())
}

/// Every image of a folder under its name without extension, in the order of names; what is not a picture is told from its bytes,
/// named and left out.
fn all_in(folder: &Path) -> anyhow::Result<Vec<Entry>> {
    let mut names = BTreeMap::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))? {
        let path = entry?.path();
        let id = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        if let Some(id) = id.filter(|id| path.is_file() && !id.starts_with('.')) {
            if format_of(&path).is_none() {
                eprintln!("left out {}: it is not a picture", path.display());
                continue;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let before = names.insert(id.clone(), name);
            anyhow::ensure!(before.is_none(), "two files in {} are named {id}", folder.display());
        }
    }
    anyhow::ensure!(!names.is_empty(), "there is no image in {}", folder.display());
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

fn by_ensemble(args: &SubmitArgs, dir: &Path, zoo: &Path, wanted: Option<&[Entry]>) -> anyhow::Result<Answers> {
    let (ensemble, zoo) = (Ensemble::read(dir)?, Zoo::read(zoo)?);
    let (probs, thresholds) = ensemble.split(&args.xgboost.load()?, &zoo, &args.split, args.bagging)?;
    let places = places(&zoo.labels)?;
    let samples = &zoo.split(&args.split)?.samples;
    let id = |path: &str| {
        Path::new(path)
            .file_stem()
            .map_or_else(String::new, |s| s.to_string_lossy().into_owned())
    };
    // An imported dataset knows the id as its item; elsewhere it is the file's name.
    let ids = samples.iter().map(|s| {
        if s.item_id.is_empty() {
            id(&s.path)
        } else {
            s.item_id.to_string()
        }
    });
    let found: Answers = ids
        .zip(&probs)
        .map(|(id, probs)| (id, styles(probs, &thresholds, &places)))
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

/// Positions of the challenge's styles among labels.
fn places(labels: &[String]) -> anyhow::Result<Vec<usize>> {
    let of = |id: &str| labels.iter().position(|label| label == id);
    let places: Option<Vec<usize>> = STYLES.iter().map(|style| of(style.id)).collect();
    places.with_context(|| format!("the challenge asks for its 13 styles, and these are other labels: {labels:?}"))
}

fn styles(probs: &[f32], thresholds: &[f32], places: &[usize]) -> [bool; 13] {
    std::array::from_fn(|style| probs[places[style]] >= thresholds[places[style]])
}
