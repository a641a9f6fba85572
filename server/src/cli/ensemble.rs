//! `selvedge ensemble …`: combines the predictions of many networks.

use super::output::{print, print_path, print_report, progress_bar};
use super::xgboost::XgBoostArgs;
use clap::{Args, Subcommand};
use ensemble::filter::Choice;
use ensemble::folder::{fit as fit_models, part_is_done, shard_indices, write_part};
use ensemble::{
    self, Bagging, Ensemble, FilterOptions, FitOptions, Grid, LabelModel, Origin, PredictionSet, PredictionSetFile,
    Shard,
};
use std::path::{Path, PathBuf};

/// Subcommands of `selvedge ensemble`.
#[derive(Debug, Subcommand)]
pub(crate) enum EnsembleCommand {
    /// Collect the predictions of many runs in one file, the zoo, and check that they fit together
    Collect(CollectArgs),
    /// List the networks that the filter keeps per label and fold
    Filter(FilterArgs),
    /// Fit stacking boosters to a zoo
    Fit(FitArgs),
    /// Merge the parts that `fit --shard` made on several machines
    Merge(MergeArgs),
    /// Predict all images of a zoo with an ensemble
    Predict(PredictArgs),
    /// Compare an ensemble with simpler ensembles and with constant baselines
    Report(ReportArgs),
}

/// Arguments of `selvedge ensemble collect`.
#[derive(Debug, Args)]
pub(crate) struct CollectArgs {
    /// Run folders, folders of run folders, or predictions tables
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Parquet file to write
    #[arg(long)]
    out: PathBuf,
}

/// Options of the filter.
#[derive(Debug, Args)]
struct FilterOptionArgs {
    /// Maximum number of networks per label and fold
    #[arg(long, default_value_t = 10)]
    keep: usize,
    /// Maximum correlation of a network's out-of-fold probabilities with those of a better network
    #[arg(long, default_value_t = 0.9)]
    correlation: f64,
}

impl FilterOptionArgs {
    fn options(&self) -> anyhow::Result<FilterOptions> {
        anyhow::ensure!(self.keep > 0, "--keep must be at least 1");
        Ok(FilterOptions {
            keep: self.keep,
            correlation: self.correlation,
        })
    }
}

/// Arguments of `selvedge ensemble filter`.
#[derive(Debug, Args)]
pub(crate) struct FilterArgs {
    /// The zoo
    zoo: PathBuf,
    #[command(flatten)]
    filter: FilterOptionArgs,
    /// Print JSON, with every dropped candidate and the reason
    #[arg(long)]
    json: bool,
}

/// Arguments of `selvedge ensemble fit`.
#[derive(Debug, Args)]
pub(crate) struct FitArgs {
    /// The zoo
    zoo: PathBuf,
    /// Folder of the new ensemble, or with --shard of a part of it
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    filter: FilterOptionArgs,
    /// Grid of parameters: small (2 combinations), full (180), or lists: eta=0.1,0.2;max_depth=3,6;min_child_weight=1,5
    #[arg(long, default_value = "small")]
    grid: Grid,
    /// Maximum number of boosting rounds
    #[arg(long, default_value_t = 1000)]
    rounds: u32,
    /// Stop after this number of rounds without a better score
    #[arg(long, default_value_t = 10)]
    patience: u32,
    /// Number of inner folds for choosing parameters and rounds
    #[arg(long, default_value_t = 2)]
    inner_folds: usize,
    /// Fit only the I-th of N parts, for `ensemble merge`
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    #[command(flatten)]
    xgboost: XgBoostArgs,
}

/// Arguments of `selvedge ensemble merge`.
#[derive(Debug, Args)]
pub(crate) struct MergeArgs {
    /// Parts of all shards, in any order
    #[arg(required = true)]
    parts: Vec<PathBuf>,
    /// Folder of the new ensemble
    #[arg(long)]
    out: PathBuf,
    /// The zoo, if it has moved
    #[arg(long)]
    zoo: Option<PathBuf>,
    #[command(flatten)]
    xgboost: XgBoostArgs,
}

/// Arguments of `selvedge ensemble predict`.
#[derive(Debug, Args)]
pub(crate) struct PredictArgs {
    /// Folder of the ensemble
    ensemble: PathBuf,
    /// The zoo
    zoo: PathBuf,
    /// Predictions table to write
    #[arg(long)]
    out: PathBuf,
    /// Name of the ensemble in the table
    #[arg(long, default_value = "stacking")]
    name: String,
    /// Combination of the boosters and networks of all folds
    #[arg(long, value_enum, default_value_t = Bagging::Mean)]
    bagging: Bagging,
    #[command(flatten)]
    xgboost: XgBoostArgs,
}

/// Arguments of `selvedge ensemble report`.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Folder of the ensemble
    ensemble: PathBuf,
    /// The zoo that the ensemble was fitted to
    zoo: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    xgboost: XgBoostArgs,
}

pub(super) fn run(command: &EnsembleCommand) -> anyhow::Result<()> {
    match command {
        EnsembleCommand::Collect(args) => collect(args),
        EnsembleCommand::Filter(args) => filter(args),
        EnsembleCommand::Fit(args) => fit(args),
        EnsembleCommand::Merge(args) => {
            let ensemble = Ensemble::merge(&args.xgboost.load()?, &args.parts, args.zoo.as_deref())?;
            finish(&ensemble, &args.out)
        }
        EnsembleCommand::Predict(args) => {
            let (ensemble, zoo) = (Ensemble::read(&args.ensemble)?, PredictionSet::read(&args.zoo)?);
            ensemble
                .predict(&args.xgboost.load()?, &zoo, &args.name, args.bagging)?
                .write(&args.out)?;
            print_path(&args.out)
        }
        EnsembleCommand::Report(args) => {
            let (ensemble, zoo) = (Ensemble::read(&args.ensemble)?, PredictionSet::read(&args.zoo)?);
            let report = ensemble::report(&ensemble, &args.xgboost.load()?, &zoo)?;
            print_report(&report, args.json)
        }
    }
}

fn collect(args: &CollectArgs) -> anyhow::Result<()> {
    let (table, zoo) = ensemble::collect(&args.runs)?;
    table.write(&args.out)?;
    for (candidate, reason) in &zoo.incomplete {
        eprintln!("left {candidate} out of ensembles: {reason}");
    }
    let splits: Vec<String> = zoo
        .splits
        .iter()
        .map(|(name, s)| format!("{name} {}", s.samples.len()))
        .collect();
    eprintln!(
        "collected {} labels, {} candidates (model and epoch), folds {:?}; images: out of fold {}, {}",
        zoo.labels.len(),
        zoo.candidates.len(),
        zoo.folds,
        zoo.oof.len(),
        if splits.is_empty() {
            "no other split".to_owned()
        } else {
            splits.join(", ")
        }
    );
    print_path(&args.out)
}

fn filter(args: &FilterArgs) -> anyhow::Result<()> {
    let (zoo, options) = (PredictionSet::read(&args.zoo)?, args.filter.options()?);
    let units = (0..zoo.labels.len()).flat_map(|label| (0..zoo.folds.len()).map(move |fold| (label, fold)));
    let choices: Vec<Choice> = units
        .map(|(label, fold)| ensemble::filter(&zoo, label, fold, options))
        .collect();
    if args.json {
        return print(&serde_json::to_string_pretty(&choices)?);
    }
    let lines: Vec<String> = choices.iter().map(|choice| format!("{choice}\n")).collect();
    print(&lines.concat())
}

fn fit(args: &FitArgs) -> anyhow::Result<()> {
    let options = FitOptions {
        filter: args.filter.options()?,
        grid: args.grid.clone(),
        rounds: args.rounds,
        patience: args.patience,
        inner_folds: args.inner_folds,
    };
    let xgboost = args.xgboost.load()?;
    let zoo = PredictionSetFile::open(&args.zoo)?;
    let origin = Origin::new(&zoo, &options, &xgboost)?;
    let fit = |shard: Shard| -> anyhow::Result<Vec<LabelModel>> {
        let bar = progress_bar(shard_indices(&origin, shard).len(), "fitting boosters");
        let fitted = fit_models(&xgboost, &zoo.set, &origin, shard, &|| bar.inc(1))?;
        bar.finish_and_clear();
        Ok(fitted)
    };
    match args.shard {
        None => {
            anyhow::ensure!(
                !args.out.exists(),
                "{} exists already; name another folder with --out",
                args.out.display()
            );
            let fitted = fit(Shard { index: 1, of: 1 })?;
            finish(&Ensemble::new(&xgboost, &zoo.set, origin.clone(), fitted)?, &args.out)
        }
        Some(shard) => {
            if part_is_done(&args.out, shard, &origin)? {
                eprintln!("shard {shard} is done already");
            } else {
                write_part(&args.out, shard, &zoo, &origin, &fit(shard)?)?;
            }
            print_path(&args.out)
        }
    }
}

fn finish(ensemble: &Ensemble, out: &Path) -> anyhow::Result<()> {
    ensemble.write(out)?;
    eprintln!(
        "{} boosters of {} labels",
        ensemble.models.len(),
        ensemble.origin.labels.len()
    );
    print_path(out)
}
