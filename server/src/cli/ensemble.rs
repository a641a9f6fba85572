//! `selvedge ensemble`: from many networks' predictions to one.

use super::print;
use super::shop::bar;
use clap::{Args, Subcommand};
use ensemble::filter::Choice;
use ensemble::folder::{fit as fit_units, part_is_done, units_of, write_part};
use ensemble::{
    self, Bagging, Ensemble, FilterOptions, FitOptions, Fitted, Grid, Origin, Shard, XgBoost, Zoo, ZooFile,
};
use std::path::{Path, PathBuf};

/// `selvedge ensemble …`
#[derive(Debug, Subcommand)]
pub enum EnsembleCommand {
    /// Gather the predictions of many runs into one file, the zoo, and check that they fit together.
    Collect(CollectArgs),
    /// Show which networks the filter keeps for each label and fold.
    Filter(FilterArgs),
    /// Stack boosters on a zoo.
    Fit(FitArgs),
    /// Join the parts that `fit --shard` made on several machines.
    Merge(MergeArgs),
    /// Predict everything in a zoo with an ensemble.
    Predict(PredictArgs),
    /// Compare an ensemble with simpler ones, and with constant guesses.
    Report(ReportArgs),
}

/// `selvedge ensemble collect`
#[derive(Debug, Args)]
pub struct CollectArgs {
    /// Run folders, folders of them, or predictions tables.
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// The Parquet file to write.
    #[arg(long)]
    out: PathBuf,
}

#[derive(Debug, Args)]
struct FilterFlags {
    /// Networks kept a label and fold, at most.
    #[arg(long, default_value_t = 10)]
    keep: usize,
    /// Drop a network whose out-of-fold probabilities correlate more than this with a better one's.
    #[arg(long, default_value_t = 0.9)]
    correlation: f64,
}

impl FilterFlags {
    fn options(&self) -> anyhow::Result<FilterOptions> {
        anyhow::ensure!(self.keep > 0, "--keep must be at least 1");
        Ok(FilterOptions {
            keep: self.keep,
            correlation: self.correlation,
        })
    }
}

/// `selvedge ensemble filter`
#[derive(Debug, Args)]
pub struct FilterArgs {
    /// The zoo.
    zoo: PathBuf,
    #[command(flatten)]
    filter: FilterFlags,
    /// Print JSON, with every candidate that was dropped, and why.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct XgBoostFlag {
    /// XGBoost's shared library, libxgboost.so; by default looked for where pip puts it.
    #[arg(long, value_name = "FILE", env = "SELVEDGE_XGBOOST")]
    xgboost: Option<PathBuf>,
}

impl XgBoostFlag {
    pub(super) fn load(&self) -> anyhow::Result<XgBoost> {
        XgBoost::load(self.xgboost.as_deref())
    }
}

/// `selvedge ensemble fit`
#[derive(Debug, Args)]
pub struct FitArgs {
    /// The zoo.
    zoo: PathBuf,
    /// The folder to make: the ensemble, or with --shard a part of it.
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    filter: FilterFlags,
    /// Parameters to try: small (2 combinations), full (180), or lists: eta=0.1,0.2;max_depth=3,6;min_child_weight=1,5
    #[arg(long, default_value = "small")]
    grid: Grid,
    /// Rounds of boosting at most.
    #[arg(long, default_value_t = 1000)]
    rounds: u32,
    /// Stop after so many rounds without a better score.
    #[arg(long, default_value_t = 10)]
    patience: u32,
    /// Folds held out in turn to choose parameters and rounds by.
    #[arg(long, default_value_t = 2)]
    inner_folds: usize,
    /// Fit only the I-th of N shares, for `ensemble merge` to join.
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    #[command(flatten)]
    xgboost: XgBoostFlag,
}

/// `selvedge ensemble merge`
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// The parts of all shards, in any order.
    #[arg(required = true)]
    parts: Vec<PathBuf>,
    /// The ensemble's folder to make.
    #[arg(long)]
    out: PathBuf,
    /// The zoo, if it has moved since.
    #[arg(long)]
    zoo: Option<PathBuf>,
    #[command(flatten)]
    xgboost: XgBoostFlag,
}

/// `selvedge ensemble predict`
#[derive(Debug, Args)]
pub struct PredictArgs {
    /// The ensemble's folder.
    ensemble: PathBuf,
    /// The zoo.
    zoo: PathBuf,
    /// The predictions table to write.
    #[arg(long)]
    out: PathBuf,
    /// Name of the ensemble in the table.
    #[arg(long, default_value = "stacking")]
    name: String,
    /// How boosters and networks of all folds become one answer.
    #[arg(long, value_enum, default_value_t = Bagging::Mean)]
    bagging: Bagging,
    #[command(flatten)]
    xgboost: XgBoostFlag,
}

/// `selvedge ensemble report`
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The ensemble's folder.
    ensemble: PathBuf,
    /// The zoo that it was fitted to.
    zoo: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    xgboost: XgBoostFlag,
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
            let (ensemble, zoo) = (Ensemble::read(&args.ensemble)?, Zoo::read(&args.zoo)?);
            ensemble
                .predict(&args.xgboost.load()?, &zoo, &args.name, args.bagging)?
                .write(&args.out)?;
            print(&args.out.display().to_string())
        }
        EnsembleCommand::Report(args) => {
            let (ensemble, zoo) = (Ensemble::read(&args.ensemble)?, Zoo::read(&args.zoo)?);
            let report = ensemble::report(&ensemble, &args.xgboost.load()?, &zoo)?;
            if args.json {
                print(&serde_json::to_string_pretty(&report)?)
            } else {
                print(&report.to_string())
            }
        }
    }
}

fn collect(args: &CollectArgs) -> anyhow::Result<()> {
    let (table, zoo) = ensemble::collect(&args.runs)?;
    table.write(&args.out)?;
    for (candidate, what) in &zoo.incomplete {
        eprintln!("left out of ensembling {candidate}: {what}");
    }
    let splits: Vec<String> = zoo
        .splits
        .iter()
        .map(|(name, s)| format!("{name} {}", s.samples.len()))
        .collect();
    eprintln!(
        "collected {} labels, {} candidates (model and epoch), folds {:?}; pictures: out of fold {}, {}",
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
    print(&args.out.display().to_string())
}

fn filter(args: &FilterArgs) -> anyhow::Result<()> {
    let (zoo, options) = (Zoo::read(&args.zoo)?, args.filter.options()?);
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
    let zoo = ZooFile::open(&args.zoo)?;
    let origin = Origin::new(&zoo, &options, &xgboost)?;
    let fit = |shard: Shard| -> anyhow::Result<Vec<Fitted>> {
        let bar = bar(units_of(&origin, shard).len(), "fitting boosters");
        let fitted = fit_units(&xgboost, &zoo.zoo, &origin, shard, &|| bar.inc(1))?;
        bar.finish_and_clear();
        Ok(fitted)
    };
    match args.shard {
        None => {
            anyhow::ensure!(
                !args.out.exists(),
                "{} exists already; name another --out",
                args.out.display()
            );
            let fitted = fit(Shard { index: 1, of: 1 })?;
            finish(&Ensemble::new(&xgboost, &zoo.zoo, origin.clone(), fitted)?, &args.out)
        }
        Some(shard) => {
            if part_is_done(&args.out, shard, &origin)? {
                eprintln!("shard {shard} is done already");
            } else {
                write_part(&args.out, shard, &zoo, &origin, &fit(shard)?)?;
            }
            print(&args.out.display().to_string())
        }
    }
}

fn finish(ensemble: &Ensemble, out: &Path) -> anyhow::Result<()> {
    ensemble.write(out)?;
    eprintln!(
        "{} boosters of {} labels",
        ensemble.fitted.len(),
        ensemble.origin.labels.len()
    );
    print(&out.display().to_string())
}
