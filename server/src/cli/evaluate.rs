//! `selvedge evaluate`: evaluation of one or several bundles on a split of a dataset.

use super::bundles::read_bundles;
use super::fold_runs::read_folds;
use super::output::print_report;
use super::predictions::out_of_fold;
use super::search_args::SearchArgs;
use anyhow::Context;
use clap::Args;
use dataset::atomic;
use dataset::bundle;
use dataset::predictions::Table;
use dataset::{Dataset, Images};
use device::DeviceChoice;
use evaluation::classifier::{ClassifierOptions, ThresholdRule, Tuning, evaluate_predictions};
use evaluation::inference::Views;
use evaluation::retrieval::{
    AsymmetricPair, DEPTHS, Direction, Failure, RetrievalOptions, Search, asymmetric_with, evaluate_folds,
};
use evaluation::statistics::PerImage;
use evaluation::{Options, Report, evaluate_with};
use report::failures;
use serde::Serialize;
use shared::bundle::Manifest;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Number of queries on the contact sheet of failures.
const FAILURES: usize = 12;

/// Arguments of `selvedge evaluate`.
#[derive(Debug, Args)]
pub(crate) struct EvaluateArgs {
    /// Folder of the bundle, or of several: probabilities of classifiers are averaged, retrieval networks search together
    #[arg(long, num_args = 1.., required_unless_present_any = ["predictions", "fold_runs"])]
    bundle: Vec<PathBuf>,
    /// Evaluate a predictions table instead of a bundle, such as one of `selvedge ensemble predict`. Without other thresholds,
    /// they are tuned on its out-of-fold rows
    #[arg(long, value_name = "FILE.parquet", conflicts_with_all = ["bundle", "gallery_bundle"])]
    predictions: Option<PathBuf>,
    /// Folder of the retrieval bundle whose gallery the query encoder in --bundle searches. With --fold-runs, the bundles of all
    /// folds
    #[arg(long, value_name = "DIR", num_args = 1..)]
    gallery_bundle: Vec<PathBuf>,
    /// Runs of retrieval networks, one per fold of a cross-validation. Each searches the items of its fold, and the queries of
    /// all folds are pooled. Several runs of one fold search together
    #[arg(long, value_name = "RUN", num_args = 1.., conflicts_with_all = ["bundle", "predictions", "split"])]
    fold_runs: Vec<PathBuf>,
    /// Dataset folder
    #[arg(long, env = "SELVEDGE_DATA")]
    data: PathBuf,
    /// Split to evaluate on
    #[arg(long, default_value = "test")]
    split: String,
    /// Average probabilities or embeddings over views of each image: none, flip, ten-crop, sizes (1/√2, 1 and √2 times the
    /// input), turns (all four rotations), or a list such as '[{ mirrored = true, turns = 1 }]'
    #[arg(long, default_value = "none")]
    views: Views,
    /// Views of the gallery of a retrieval network instead of --views, such as flip for a catalog of `index --views flip`
    #[arg(long)]
    gallery_views: Option<Views>,
    /// Runs of the same model, one per fold: run folders (of which the best epoch is used) or predictions tables. Thresholds
    /// are tuned on their out-of-fold predictions and compared there
    #[arg(long, value_name = "RUN", num_args = 1..)]
    tune_predictions: Vec<PathBuf>,
    /// Thresholds instead of the bundle's: greedy, expected or lbfgsb on --tune-predictions, or one number from 0 to 1 for
    /// all labels
    #[arg(long, value_name = "RULE")]
    thresholds: Option<ThresholdRule>,
    /// Group of labels of a classifier; by default the one whose labels the dataset has
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// Queries and gallery of a retrieval network: worn-to-shop, shop-to-worn, or all (every photo searches all others). With
    /// --fold-runs, several separated by commas
    #[arg(
        long,
        default_value = "worn-to-shop",
        hide_possible_values = true,
        value_delimiter = ','
    )]
    direction: Vec<Direction>,
    #[command(flatten)]
    search: SearchArgs,
    /// Values of K for recall@K of a search
    #[arg(long, value_name = "K", value_delimiter = ',', default_values_t = DEPTHS)]
    recall_at: Vec<usize>,
    /// Rotate every query clockwise by this number of quarter turns, 0 to 3, to measure the effect of rotation
    #[arg(long, value_name = "QUARTERS", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..4))]
    turn_queries: u8,
    /// Crop queries without a box to the proposed box, as `crop=auto` does in the service
    #[arg(long)]
    propose_boxes: bool,
    /// List the twelve queries with the lowest average precision, and write a contact sheet of them. It has per query the
    /// first ten results, correct ones framed in green, and the best photo of the correct item
    #[arg(long, value_name = "FILE.jpg")]
    failures: Option<PathBuf>,
    /// Also write the results per image as JSON, to compare models
    #[arg(long, value_name = "FILE")]
    outcomes: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Kind of predictor, which determines the options that apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    Classifier,
    Retrieval,
    Segmentation,
    Predictions,
    QueryEncoder,
}

impl Subject {
    fn name(self) -> &'static str {
        match self {
            Self::Classifier => "a classifier",
            Self::Retrieval => "a retrieval network",
            Self::Segmentation => "a segmentation network",
            Self::Predictions => "a predictions table",
            Self::QueryEncoder => "a query encoder in another network's gallery",
        }
    }
}

impl EvaluateArgs {
    /// Checks that all options apply to `subject`.
    ///
    /// # Errors
    /// If one does not; the error names it.
    fn check_options(&self, subject: Subject) -> anyhow::Result<()> {
        use Subject::{Classifier, Predictions, QueryEncoder, Retrieval};
        let thresholds: &[Subject] = &[Classifier, Predictions];
        let retrieval: &[Subject] = &[Retrieval];
        let searches: &[Subject] = &[Retrieval, QueryEncoder];
        let flags = [
            (
                "--views",
                self.views != Views::None,
                &[Classifier, Retrieval, QueryEncoder][..],
            ),
            ("--gallery-views", self.gallery_views.is_some(), searches),
            ("--tune-predictions", !self.tune_predictions.is_empty(), thresholds),
            ("--thresholds", self.thresholds.is_some(), thresholds),
            ("--group", self.group.is_some(), &[Classifier]),
            ("--direction", self.direction != [Direction::default()], searches),
            ("--recall-at", self.recall_at != DEPTHS, searches),
            ("--turn-queries", self.turn_queries != 0, retrieval),
            ("--propose-boxes", self.propose_boxes, retrieval),
            ("--failures", self.failures.is_some(), retrieval),
        ];
        let of_search = self.search.flags().map(|(flag, is_given)| {
            let of_several = ["--fusion", "--tune-split", "--category-bundle"].contains(&flag);
            (flag, is_given, if of_several { retrieval } else { searches })
        });
        let refused: Vec<&str> = flags
            .into_iter()
            .chain(of_search)
            .filter(|(_, is_given, subjects)| *is_given && !subjects.contains(&subject))
            .map(|(flag, ..)| flag)
            .collect();
        anyhow::ensure!(
            refused.is_empty(),
            "{} cannot be used with {}",
            refused.join(", "),
            subject.name()
        );
        Ok(())
    }

    /// Options for bundles with the task of `manifest`.
    fn options(&self, manifest: &Manifest) -> anyhow::Result<Options> {
        let default = Options::default_for(manifest)?;
        Ok(match default {
            Options::Classifier(_) => {
                self.check_options(Subject::Classifier)?;
                Options::Classifier(ClassifierOptions {
                    views: self.views.clone(),
                    tuning: self.tuning()?,
                    group: self.group.clone(),
                })
            }
            Options::Retrieval(_) => {
                let direction = self.one_direction()?;
                Options::Retrieval(Box::new(self.retrieval(direction, Subject::Retrieval)?))
            }
            Options::Segmentation => {
                self.check_options(Subject::Segmentation)?;
                Options::Segmentation
            }
        })
    }

    /// The one direction of an evaluation without folds.
    fn one_direction(&self) -> anyhow::Result<Direction> {
        let [direction] = self.direction[..] else {
            anyhow::bail!("several directions need --fold-runs; name one --direction")
        };
        Ok(direction)
    }

    /// Options of retrieval networks, or of a query encoder in the gallery of one.
    fn retrieval(&self, direction: Direction, subject: Subject) -> anyhow::Result<RetrievalOptions> {
        self.check_options(subject)?;
        let options = self.search.options()?;
        Ok(RetrievalOptions {
            views: self.views.clone(),
            gallery_views: self.gallery_views.clone(),
            search: Search {
                direction,
                ..options.search
            },
            recall_at: self.recall_at.clone(),
            turn_queries: self.turn_queries,
            propose_boxes: self.propose_boxes,
            failures: if self.failures.is_some() { FAILURES } else { 0 },
            ..options
        })
    }

    fn tuning(&self) -> anyhow::Result<Tuning> {
        Ok(Tuning {
            on: out_of_fold(&self.tune_predictions)?,
            rule: self.thresholds,
        })
    }
}

pub(super) fn evaluate(args: &EvaluateArgs, choice: DeviceChoice) -> anyhow::Result<()> {
    let bundles = read_bundles(&args.bundle)?;
    let dataset = Dataset::open(&args.data)?;
    if let Some(path) = &args.predictions {
        args.check_options(Subject::Predictions)?;
        let report = evaluate_predictions(&Table::read(path)?, dataset, &args.split, &args.tuning()?)?;
        return answer(&report, &report.summary.per_image, args);
    }
    if !args.fold_runs.is_empty() {
        anyhow::ensure!(args.failures.is_none(), "--failures cannot be used with --fold-runs");
        let folds = read_folds(&args.fold_runs, &args.gallery_bundle, &dataset)?;
        let subject = if args.gallery_bundle.is_empty() {
            Subject::Retrieval
        } else {
            Subject::QueryEncoder
        };
        let options = args.retrieval(Direction::default(), subject)?;
        let report = evaluate_folds(&folds, &dataset, &args.direction, &options, &choice.open()?)?;
        return answer(&report, &report.summary.per_image, args);
    }
    if !args.gallery_bundle.is_empty() {
        let ([small], [gallery]) = (&bundles[..], &args.gallery_bundle[..]) else {
            anyhow::bail!("--gallery-bundle evaluates one query encoder; name one --bundle and one --gallery-bundle")
        };
        let large = &bundle::read(gallery)?;
        let options = args.retrieval(args.one_direction()?, Subject::QueryEncoder)?;
        let pair = AsymmetricPair { small, large };
        let report = asymmetric_with(pair, dataset, &args.split, &options, &choice.open()?)?;
        return answer(&report, &report.per_image, args);
    }
    let (manifest, _) = bundles.first().context("name a bundle to evaluate")?;
    let options = args.options(manifest)?;
    let report = evaluate_with(&bundles, dataset.clone(), &args.split, &options, &choice.open()?)?;
    if let (Some(path), Report::Retrieval(report)) = (&args.failures, &report) {
        write_failures(path, &report.failures, dataset, manifest)?;
    }
    answer(&report, &report.summary().per_image, args)
}

/// Writes the contact sheet of the queries with the lowest average precision.
fn write_failures(path: &Path, failures: &[Failure], mut dataset: Dataset, manifest: &Manifest) -> anyhow::Result<()> {
    for failure in failures {
        dataset.rows[failure.row].bounds = failure.bounds;
    }
    let images = Images::new(Arc::new(dataset)).with_margin_of(&manifest.input);
    atomic::write(path, &failures::sheet(failures, &images)?)
}

/// Prints a report, and writes the results per image if --outcomes is given.
fn answer(
    report: &(impl Serialize + std::fmt::Display),
    per_image: &PerImage,
    args: &EvaluateArgs,
) -> anyhow::Result<()> {
    if let Some(path) = &args.outcomes {
        atomic::write(path, &serde_json::to_vec(per_image)?)?;
    }
    print_report(report, args.json)
}
