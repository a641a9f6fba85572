//! `selvedge evaluate`: a bundle, or several together, on a split of a dataset.

use super::print;
use clap::Args;
use dataset::atomic;
use dataset::bundle;
use dataset::predictions::Table;
use dataset::{Dataset, Images};
use device::DeviceChoice;
use evaluation::asymmetric::asymmetric;
use evaluation::fusion::Fusion;
use evaluation::instances::{DEPTHS, Instances};
use evaluation::multilabel::Predictions;
use evaluation::outcomes::Outcomes;
use evaluation::run::{Options, Report, evaluate_predictions, evaluate_with};
use evaluation::search::{Direction, Search};
use evaluation::thresholds::ThresholdRule;
use evaluation::views::Views;
use report::failures;
use report::record::Record;
use search::rerank::Rerank;
use search::storage::Storage;
use serde::Serialize;
use std::path::PathBuf;
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
    pub(super) fn instances(&self) -> anyhow::Result<Instances> {
        let Self {
            augment_gallery,
            storage,
            rerank,
            whiten,
            fusion,
            ..
        } = *self;
        let search = Search {
            augment_gallery,
            storage,
            rerank,
            whiten,
            ..Search::default()
        };
        let category = self.category_bundle.as_deref().map(bundle::read).transpose()?;
        Ok(Instances {
            search,
            fusion,
            tune_split: self.tune_split.clone(),
            category,
            ..Instances::default()
        })
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
    #[arg(long, value_name = "FILE.parquet", conflicts_with_all = ["bundle", "gallery_bundle", "views", "failures"])]
    pub predictions: Option<PathBuf>,
    /// Folder of the retrieval bundle whose gallery the query encoder in --bundle searches.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["tune_predictions", "thresholds"])]
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

pub(super) fn evaluate(args: &EvaluateArgs, choice: DeviceChoice) -> anyhow::Result<()> {
    let bundles: Vec<_> = args
        .bundle
        .iter()
        .map(|dir| bundle::read(dir))
        .collect::<Result<_, _>>()?;
    let dataset = Dataset::open(&args.data)?;
    let options = options(args)?;
    if let Some(path) = &args.predictions {
        anyhow::ensure!(
            options.instances == Instances::default(),
            "a predictions table is a classifier's; leave out --direction, --whiten, --storage, --rerank and what else a search goes through"
        );
        let report = evaluate_predictions(&Table::read(path)?, dataset, &args.split, &options)?;
        return answer_with_outcomes(&report, args);
    }
    if let Some(gallery) = &args.gallery_bundle {
        anyhow::ensure!(
            options.views == Views::None && options.instances == Instances::default(),
            "--gallery-bundle measures three plain searches; leave out views and what a search goes through"
        );
        let [query] = &bundles[..] else {
            anyhow::bail!("--gallery-bundle measures one query encoder; name one --bundle")
        };
        let gallery = bundle::read(gallery)?;
        let report = asymmetric(query, &gallery, dataset, &args.split, &choice.open()?)?;
        write_outcomes(&report.outcomes, args)?;
        return answer(&report, args.json);
    }
    let report = evaluate_with(&bundles, dataset.clone(), &args.split, &options, &choice.open()?)?;
    if let Some(path) = &args.failures {
        let mut seen = dataset;
        for failure in &report.failures {
            seen.rows[failure.row].bounds = failure.bounds;
        }
        let images = Images::new(Arc::new(seen)).with_margin_of(&bundles[0].0.input);
        atomic::write(path, &failures::sheet(&report.failures, &images)?)?;
    }
    answer_with_outcomes(&report, args)
}

fn answer_with_outcomes(report: &Report, args: &EvaluateArgs) -> anyhow::Result<()> {
    write_outcomes(&report.outcomes, args)?;
    answer(report, args.json)
}

fn write_outcomes(outcomes: &Outcomes, args: &EvaluateArgs) -> anyhow::Result<()> {
    let Some(path) = &args.outcomes else { return Ok(()) };
    atomic::write(path, &serde_json::to_vec(outcomes)?)
}

fn options(args: &EvaluateArgs) -> anyhow::Result<Options> {
    let tune = if args.tune_predictions.is_empty() {
        None
    } else {
        Some(Predictions::out_of_fold(&tables(&args.tune_predictions)?)?)
    };
    let plain = args.after.instances()?;
    let instances = Instances {
        search: Search {
            direction: args.direction,
            ..plain.search
        },
        recall_at: args.recall_at.clone(),
        turn_queries: args.turn_queries,
        propose_boxes: args.propose_boxes,
        failures: if args.failures.is_some() { FAILURES } else { 0 },
        ..plain
    };
    Ok(Options {
        views: args.views.clone(),
        tune,
        thresholds: args.thresholds,
        instances,
    })
}

fn answer(report: &(impl Serialize + std::fmt::Display), json: bool) -> anyhow::Result<()> {
    if json {
        print(&serde_json::to_string_pretty(report)?)
    } else {
        print(&report.to_string())
    }
}

/// The predictions table that each path names, of a run folder that of its best epoch.
pub(super) fn tables(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let table = |path: &PathBuf| {
        if path.is_dir() {
            Record::read(path).best_predictions()
        } else {
            Ok(path.clone())
        }
    };
    paths.iter().map(table).collect()
}
