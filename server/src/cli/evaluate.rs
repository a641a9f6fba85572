//! `selvedge evaluate`: a bundle, or several together, on a split of a dataset.

use super::print;
use anyhow::Context;
use clap::Args;
use dataset::atomic;
use dataset::bundle;
use dataset::predictions::Table;
use dataset::{Dataset, Images};
use device::DeviceChoice;
use evaluation::classifier::{ClassifierOptions, Predictions, ThresholdRule, Tuning, evaluate_predictions};
use evaluation::inference::Views;
use evaluation::retrieval::{DEPTHS, Direction, Failure, Fusion, RetrievalOptions, Search, asymmetric};
use evaluation::statistics::PerImage;
use evaluation::{Options, Report, evaluate_with};
use report::failures;
use report::record::Record;
use search::rerank::Rerank;
use search::storage::Storage;
use serde::Serialize;
use shared::bundle::Manifest;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Queries on the sheet of failures.
const FAILURES: usize = 12;

/// What comes after retrieval networks, in an evaluation as in a submission.
#[derive(Debug, Args)]
pub struct AfterArgs {
    /// Mix each gallery embedding with its nearest ones.
    #[arg(long)]
    augment_gallery: bool,
    /// Keep the gallery's embeddings as f32, f16 or int8.
    #[arg(long, default_value = "f32", hide_possible_values = true)]
    storage: Storage,
    /// Rank the gallery again: none, hop, alpha-qe or k-reciprocal.
    #[arg(long, default_value = "none", hide_possible_values = true)]
    rerank: Rerank,
    /// Where several retrieval networks come together: early (one joined embedding) or late (summed scores).
    #[arg(long, default_value = "early", hide_possible_values = true)]
    fusion: Fusion,
    /// The split that chooses weights of several retrieval networks for each category; without it they are equal.
    #[arg(long, value_name = "SPLIT")]
    pub(super) tune_split: Option<String>,
    /// Whiten a retrieval network's embeddings to this many dimensions, fitted on the dataset's split 'train'.
    #[arg(long, value_name = "DIMS")]
    pub(super) whiten: Option<usize>,
    /// Folder of a bundle that tells categories: queries that it is sure of are looked up among their like, as
    /// `serve --category-bundle` does.
    #[arg(long, value_name = "DIR")]
    pub(super) category_bundle: Option<PathBuf>,
}

impl AfterArgs {
    /// # Errors
    /// If the category bundle cannot be read.
    pub(super) fn options(&self) -> anyhow::Result<RetrievalOptions> {
        Ok(RetrievalOptions {
            search: Search {
                augment_gallery: self.augment_gallery,
                storage: self.storage,
                rerank: self.rerank,
                whiten: self.whiten,
                ..Search::default()
            },
            fusion: self.fusion,
            tune_split: self.tune_split.clone(),
            category: self.category_bundle.as_deref().map(bundle::read).transpose()?,
            ..RetrievalOptions::default()
        })
    }

    /// Names of the flags, each with true if it differs from its default.
    fn flags(&self) -> [(&'static str, bool); 7] {
        [
            ("--augment-gallery", self.augment_gallery),
            ("--storage", self.storage != Storage::default()),
            ("--rerank", self.rerank != Rerank::default()),
            ("--fusion", self.fusion != Fusion::default()),
            ("--tune-split", self.tune_split.is_some()),
            ("--whiten", self.whiten.is_some()),
            ("--category-bundle", self.category_bundle.is_some()),
        ]
    }
}

/// `selvedge evaluate`
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// Folder of the bundle, or of several: classifiers' probabilities are averaged, retrieval networks search together.
    #[arg(long, num_args = 1.., required_unless_present = "predictions")]
    pub bundle: Vec<PathBuf>,
    /// Instead of a bundle, a predictions table, such as `selvedge ensemble predict` writes; its thresholds are tuned on its
    /// out-of-fold rows unless others are given.
    #[arg(long, value_name = "FILE.parquet", conflicts_with_all = ["bundle", "gallery_bundle"])]
    pub predictions: Option<PathBuf>,
    /// Folder of the retrieval bundle whose gallery the query encoder in --bundle searches.
    #[arg(long, value_name = "DIR")]
    pub gallery_bundle: Option<PathBuf>,
    /// Folder of the dataset.
    #[arg(long, env = "SELVEDGE_DATA")]
    pub data: PathBuf,
    /// The split to measure on.
    #[arg(long, default_value = "test")]
    pub split: String,
    /// Average probabilities or embeddings over views of each picture: none, flip, ten-crop, sizes (the input's and 1/√2
    /// and √2 times it), turns (all four quarters), or a list such as '[{ mirrored = true, turns = 1 }]'.
    #[arg(long, default_value = "none")]
    pub views: Views,
    /// Runs of the same model, one a fold, to tune thresholds on what they predicted out of fold, and to set the
    /// thresholds' worth there beside: run folders (their best epoch counts) or predictions tables.
    #[arg(long, value_name = "RUN", num_args = 1..)]
    pub tune_predictions: Vec<PathBuf>,
    /// Thresholds instead of the bundle's own: greedy, expected or lbfgsb on --tune-predictions, or a number from 0 to 1
    /// for every label.
    #[arg(long, value_name = "RULE")]
    pub thresholds: Option<ThresholdRule>,
    /// Who looks for whom with a retrieval network: worn-to-shop, shop-to-worn, or all: every photo among all others.
    #[arg(long, default_value = "worn-to-shop", hide_possible_values = true)]
    pub direction: Direction,
    #[command(flatten)]
    pub after: AfterArgs,
    /// Ranks up to which a search's recall is measured.
    #[arg(long, value_name = "K", value_delimiter = ',', default_values_t = DEPTHS)]
    pub recall_at: Vec<usize>,
    /// Turn every query by this many quarters clockwise, 0 to 3, to see what turning loses.
    #[arg(long, value_name = "QUARTERS", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..4))]
    pub turn_queries: u8,
    /// Cut queries without a box to the one that is proposed, as `crop=auto` does for the service.
    #[arg(long)]
    pub propose_boxes: bool,
    /// Write a picture of the twelve queries that find least: each with its first ten, right ones framed in green, and
    /// the best photo of the right item at the end; and list them.
    #[arg(long, value_name = "FILE.jpg")]
    pub failures: Option<PathBuf>,
    /// Also write what was found picture by picture, as JSON, to compare models with.
    #[arg(long, value_name = "FILE")]
    pub outcomes: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Subject of an evaluation, which decides the options that apply.
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
    /// Refuses options that do not apply to `subject`.
    fn check_options(&self, subject: Subject) -> anyhow::Result<()> {
        use Subject::{Classifier, Predictions, Retrieval};
        let thresholds: &[Subject] = &[Classifier, Predictions];
        let search: &[Subject] = &[Retrieval];
        let flags = [
            ("--views", self.views != Views::None, &[Classifier, Retrieval][..]),
            ("--tune-predictions", !self.tune_predictions.is_empty(), thresholds),
            ("--thresholds", self.thresholds.is_some(), thresholds),
            ("--direction", self.direction != Direction::default(), search),
            ("--recall-at", self.recall_at != DEPTHS, search),
            ("--turn-queries", self.turn_queries != 0, search),
            ("--propose-boxes", self.propose_boxes, search),
            ("--failures", self.failures.is_some(), search),
        ];
        let after = self.after.flags().map(|(flag, is_given)| (flag, is_given, search));
        let refused: Vec<&str> = flags
            .into_iter()
            .chain(after)
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

    /// Options of the evaluation of bundles like `manifest`'s.
    fn options(&self, manifest: &Manifest) -> anyhow::Result<Options> {
        let default = Options::default_for(manifest)?;
        Ok(match default {
            Options::Classifier(_) => {
                self.check_options(Subject::Classifier)?;
                Options::Classifier(ClassifierOptions {
                    views: self.views.clone(),
                    tuning: self.tuning()?,
                })
            }
            Options::Retrieval(_) => {
                self.check_options(Subject::Retrieval)?;
                let after = self.after.options()?;
                Options::Retrieval(Box::new(RetrievalOptions {
                    views: self.views.clone(),
                    search: Search {
                        direction: self.direction,
                        ..after.search
                    },
                    recall_at: self.recall_at.clone(),
                    turn_queries: self.turn_queries,
                    propose_boxes: self.propose_boxes,
                    failures: if self.failures.is_some() { FAILURES } else { 0 },
                    ..after
                }))
            }
            Options::Segmentation => {
                self.check_options(Subject::Segmentation)?;
                Options::Segmentation
            }
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
    let bundles: Vec<_> = args
        .bundle
        .iter()
        .map(|dir| bundle::read(dir))
        .collect::<Result<_, _>>()?;
    let dataset = Dataset::open(&args.data)?;
    if let Some(path) = &args.predictions {
        args.check_options(Subject::Predictions)?;
        let report = evaluate_predictions(&Table::read(path)?, dataset, &args.split, &args.tuning()?)?;
        return answer(&report, &report.summary.per_image, args);
    }
    if let Some(gallery) = &args.gallery_bundle {
        args.check_options(Subject::QueryEncoder)?;
        let [query] = &bundles[..] else {
            anyhow::bail!("--gallery-bundle measures one query encoder; name one --bundle")
        };
        let gallery = bundle::read(gallery)?;
        let report = asymmetric(query, &gallery, dataset, &args.split, &choice.open()?)?;
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

/// Writes the contact sheet of the worst queries.
fn write_failures(path: &Path, failures: &[Failure], mut dataset: Dataset, manifest: &Manifest) -> anyhow::Result<()> {
    for failure in failures {
        dataset.rows[failure.row].bounds = failure.bounds;
    }
    let images = Images::new(Arc::new(dataset)).with_margin_of(&manifest.input);
    atomic::write(path, &failures::sheet(failures, &images)?)
}

/// Prints a report, and writes the results per image where they are wanted.
fn answer(
    report: &(impl Serialize + std::fmt::Display),
    per_image: &PerImage,
    args: &EvaluateArgs,
) -> anyhow::Result<()> {
    if let Some(path) = &args.outcomes {
        atomic::write(path, &serde_json::to_vec(per_image)?)?;
    }
    if args.json {
        print(&serde_json::to_string_pretty(report)?)
    } else {
        print(&report.to_string())
    }
}

/// Reads the out-of-fold predictions of runs, which are run folders or predictions tables; `None` without runs.
pub(super) fn out_of_fold(runs: &[PathBuf]) -> anyhow::Result<Option<Predictions>> {
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
