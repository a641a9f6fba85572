//! The command line: one file per command. Results go to stdout, progress and messages to stderr.
//!
//! Options that name a dataset, a device or XGBoost's library, and nearly all options of `index` and `serve`, can also be
//! set by an environment variable. `--help` lists the variables.

mod ablate;
mod adapt;
mod bundles;
mod calibrate;
mod catalog;
mod compare;
mod datasets;
mod distill;
mod embed;
mod ensemble;
mod evaluate;
mod fold_runs;
mod index;
mod invocation;
mod join;
mod output;
mod photo;
mod pieces;
mod predictions;
mod pretrained;
mod quantise;
mod recipe;
mod runs;
mod search_args;
mod serve;
mod stored_embeddings;
mod submit;
mod submit_retrieval;
mod tag;
mod train;
mod whiten;
mod xgboost;

use clap::{Parser, Subcommand};
use device::DeviceChoice;

/// Recognises styles of garment photos and finds products in a shop's catalog
#[derive(Debug, Parser)]
#[command(name = "selvedge", version, propagate_version = true)]
pub struct Cli {
    /// Device to compute on: auto, cuda, cuda:N or cpu
    #[arg(long, global = true, env = "SELVEDGE_DEVICE", default_value_t = DeviceChoice::Auto)]
    device: DeviceChoice,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make, import or inspect datasets
    #[command(subcommand)]
    Dataset(datasets::DatasetCommand),
    /// List or fetch pretrained weights that trainings start from
    #[command(subcommand)]
    Pretrained(pretrained::PretrainedCommand),
    /// Train a model by a recipe
    Train(train::TrainArgs),
    /// Train a small model on the probabilities or embeddings of a large one
    Distill(distill::DistillArgs),
    /// Evaluate a bundle on a split of a dataset
    Evaluate(evaluate::EvaluateArgs),
    /// Compare two evaluations of the same images, by their results per image
    Compare(compare::CompareArgs),
    /// Measure the effect of each technique: train with and without it, over several seeds
    Ablate(ablate::AblateArgs),
    /// Combine the predictions of many networks
    #[command(subcommand)]
    Ensemble(ensemble::EnsembleCommand),
    /// Write the submission file for the style task of the JD AI Fashion Challenge
    Submit(submit::SubmitArgs),
    /// Write the submission file for the retrieval task of the JD AI Fashion Challenge
    SubmitRetrieval(submit_retrieval::SubmitRetrievalArgs),
    /// Tag one photo with a style bundle
    Tag(tag::TagArgs),
    /// Embed one photo; a search accepts the output
    Embed(embed::EmbedArgs),
    /// Find the pieces of the outfit in one photo, with their boxes
    Pieces(pieces::PiecesArgs),
    /// List or compare runs, or write a run's report again
    Runs(runs::RunsArgs),
    /// Join several retrieval bundles into one whose networks embed together
    Join(join::JoinArgs),
    /// Adapt a whitened retrieval bundle to a shop, by unlabelled photos of its customers and products
    Adapt(adapt::AdaptArgs),
    /// Whiten the embeddings of a retrieval bundle to fewer values
    Whiten(whiten::WhitenArgs),
    /// Store the weights of a bundle as int8, for a smaller download
    Quantise(quantise::QuantiseArgs),
    /// Choose precise thresholds or a score floor on a validation set, and add them to a bundle
    Calibrate(calibrate::CalibrateArgs),
    /// Embed a dataset's shop photos into a catalog
    Index(index::IndexArgs),
    /// Import, change, check, copy or restore a catalog
    #[command(subcommand)]
    Catalog(catalog::CatalogCommand),
    /// Serve the page, the tagger and catalog search over HTTP
    Serve(serve::ServeArgs),
}

/// Runs a parsed command line.
///
/// # Errors
/// The error of the command, with a hint if one is known.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    let device = cli.device;
    match cli.command {
        Command::Dataset(command) => datasets::run(command, device),
        Command::Pretrained(command) => pretrained::run(&command, device),
        Command::Train(args) => train::train(&args, device),
        Command::Distill(args) => distill::distill(&args, device),
        Command::Evaluate(args) => evaluate::evaluate(&args, device),
        Command::Compare(args) => compare::compare(&args),
        Command::Ablate(args) => ablate::ablate(&args, device, &|line| Cli::try_parse_from(line).map(drop)),
        Command::Ensemble(command) => ensemble::run(&command),
        Command::Submit(args) => submit::submit(&args, device),
        Command::SubmitRetrieval(args) => submit_retrieval::submit_retrieval(&args, device),
        Command::Tag(args) => tag::tag(&args, device),
        Command::Embed(args) => embed::embed(&args, device),
        Command::Pieces(args) => pieces::pieces(&args, device),
        Command::Runs(args) => runs::run(&args),
        Command::Join(args) => join::join(&args, device),
        Command::Adapt(args) => adapt::adapt(&args, device),
        Command::Whiten(args) => whiten::whiten(&args, device),
        Command::Quantise(args) => quantise::quantise(&args, device),
        Command::Calibrate(args) => calibrate::calibrate(&args, device),
        Command::Index(args) => index::index(&args, device),
        Command::Catalog(command) => catalog::run(&command, device),
        Command::Serve(args) => serve::serve(&args, device),
    }
}
