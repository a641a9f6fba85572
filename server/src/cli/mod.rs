//! The command line. Answers go to stdout, talk to stderr; every option is also an environment variable.

mod ablate;
mod benchmarks;
mod boxes;
mod calibrate;
mod challenge;
mod describe;
mod ensemble;
mod evaluate;
mod join;
mod photo;
mod pictures;
mod recolour;
mod runs;
mod sheet;
mod shop;
mod whiten;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use dataset::run::{Invocation, Start};
use device::DeviceChoice;
use std::path::{Path, PathBuf};
use training::{Recipe, TrainOptions, dry_run};

/// Recognises the style of garment photos and finds the product in a catalog.
#[derive(Debug, Parser)]
#[command(name = "selvedge", version, propagate_version = true)]
pub struct Cli {
    /// Where to compute: auto, cuda, cuda:N or cpu.
    #[arg(long, global = true, env = "SELVEDGE_DEVICE", default_value_t = DeviceChoice::Auto)]
    pub device: DeviceChoice,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make or look at datasets.
    #[command(subcommand)]
    Dataset(DatasetCommand),
    /// Train a model as a recipe says.
    Train(TrainArgs),
    /// Train a small model on a large one's probabilities or embeddings.
    Distill(DistillArgs),
    /// Measure a bundle on a split of a dataset.
    Evaluate(evaluate::EvaluateArgs),
    /// Measure what each technique is worth: trainings with it on and off, over several seeds.
    Ablate(ablate::AblateArgs),
    /// Make one predictor of many networks.
    #[command(subcommand)]
    Ensemble(ensemble::EnsembleCommand),
    /// Write the JD AI Fashion Challenge's submission file for its style task.
    Submit(challenge::SubmitArgs),
    /// Write the JD AI Fashion Challenge's submission file for its retrieval task.
    SubmitRetrieval(benchmarks::SubmitRetrievalArgs),
    /// Tag one picture with a style bundle.
    Tag(photo::TagArgs),
    /// Embed one picture, as a search takes it.
    Embed(photo::EmbedArgs),
    /// List runs, compare them, or write a run's report again.
    Runs(runs::RunsArgs),
    /// Make one bundle of several retrieval bundles, whose networks embed together.
    Join(join::JoinArgs),
    /// Make a bundle of a retrieval bundle whose embeddings are whitened to fewer values.
    Whiten(whiten::WhitenArgs),
    /// Make a bundle that states precise thresholds, or a score floor, chosen on a validation split.
    Calibrate(calibrate::CalibrateArgs),
    /// Embed a dataset's shop photos into a catalog.
    Index(shop::IndexArgs),
    /// Serve the page, the tagger and catalog search over HTTP.
    Serve(shop::ServeArgs),
}

/// `selvedge dataset …`
#[derive(Debug, Subcommand)]
pub enum DatasetCommand {
    /// Draw a shop: products with their photos, users' photos, masks and labels.
    Render(shop::RenderArgs),
    /// Lay pictures of a dataset out on one page.
    Sheet(sheet::SheetArgs),
    /// Lay out what a recipe's augmentation does: each photo, then what the network sees of it time after time.
    Augmented(pictures::AugmentedArgs),
    /// Give the garments of photos other colours, as a dataset of its own.
    Recolour(recolour::RecolourArgs),
    /// Measure the boxes that are proposed for photos against the boxes of their masks.
    Boxes(boxes::BoxesArgs),
    /// Measure how fast pictures are decoded and augmented.
    Bench(pictures::BenchArgs),
    /// Make a dataset of the JD AI Fashion Challenge's style labels and images.
    ImportStyle(challenge::ImportStyleArgs),
    /// Make a dataset of DeepFashion's, Stanford Online Products' or the challenge's retrieval lists and images.
    ImportRetrieval(benchmarks::ImportRetrievalArgs),
    /// Count images, items and labels of a dataset, split by split, and name files that are missing or in two splits.
    Describe {
        /// Folder of the dataset.
        dir: PathBuf,
    },
}

/// What every training takes.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// The recipe, a TOML file.
    pub recipe: PathBuf,
    /// Folder of the dataset, instead of the recipe's.
    #[arg(long, env = "SELVEDGE_DATA")]
    pub data: Option<PathBuf>,
    /// Where the run goes; a new folder. Default: runs/NAME.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Start the backbone from pretrained weights: a .safetensors or .pth file under torchvision's parameter names
    /// (Xception: timm's), or a run's best.safetensors.
    #[arg(long, value_name = "FILE")]
    pub init: Option<PathBuf>,
    /// Only say what would happen: rows, steps, sampling, and a plot of the learning rate.
    #[arg(long)]
    pub dry_run: bool,
    /// Go on from the run's last checkpoint.
    #[arg(long)]
    pub resume: bool,
    /// Change a key of the recipe, such as optimiser.rate=0.01, or take it away, as by average=null; can be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub settings: Vec<String>,
}

/// `selvedge distill`
#[derive(Debug, Args)]
pub struct DistillArgs {
    /// Folder of the teacher's bundle, or of several, whose probabilities are averaged.
    #[arg(long, value_name = "BUNDLE", num_args = 1.., required = true)]
    pub teacher: Vec<PathBuf>,
    /// As for training.
    #[command(flatten)]
    pub train: TrainArgs,
}

/// Runs a parsed command line.
///
/// # Errors
/// The error of the command, with a hint where one is known.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Dataset(DatasetCommand::Render(args)) => shop::render(&args),
        Command::Dataset(DatasetCommand::Sheet(args)) => sheet::sheet(&args),
        Command::Dataset(DatasetCommand::Augmented(args)) => pictures::augmented(&args, cli.device),
        Command::Dataset(DatasetCommand::Recolour(args)) => recolour::recolour_dataset(&args, cli.device),
        Command::Dataset(DatasetCommand::Boxes(args)) => boxes::boxes(&args),
        Command::Dataset(DatasetCommand::Bench(args)) => pictures::bench(&args),
        Command::Dataset(DatasetCommand::Describe { dir }) => describe::describe(&dir),
        Command::Dataset(DatasetCommand::ImportStyle(args)) => challenge::import_style(&args),
        Command::Dataset(DatasetCommand::ImportRetrieval(args)) => benchmarks::import_retrieval(&args),
        Command::SubmitRetrieval(args) => benchmarks::submit_retrieval(&args, cli.device),
        Command::Submit(args) => challenge::submit(&args, cli.device),
        Command::Runs(args) => runs::run(&args),
        Command::Join(args) => join::join(&args, cli.device),
        Command::Whiten(args) => whiten::whiten(&args, cli.device),
        Command::Calibrate(args) => calibrate::calibrate(&args, cli.device),
        Command::Index(args) => shop::index(&args, cli.device),
        Command::Serve(args) => shop::serve(&args, cli.device),
        Command::Train(args) => {
            let recipe = read_recipe(&args.recipe, &args.settings, args.data.as_ref())?;
            anyhow::ensure!(
                !recipe.task.needs_teacher(),
                "this recipe needs a teacher; use `selvedge distill --teacher BUNDLE RECIPE`"
            );
            train(&args, &recipe, Vec::new(), cli.device)
        }
        Command::Distill(args) => {
            let recipe = read_recipe(&args.train.recipe, &args.train.settings, args.train.data.as_ref())?;
            anyhow::ensure!(
                recipe.task.needs_teacher(),
                "this is no recipe for distillation (task.kind = \"distill\" or \"query\"); use `selvedge train`"
            );
            train(&args.train, &recipe, args.teacher, cli.device)
        }
        Command::Evaluate(args) => evaluate::evaluate(&args, cli.device),
        Command::Ablate(args) => ablate::run(&args, cli.device),
        Command::Ensemble(command) => ensemble::run(&command),
        Command::Tag(args) => photo::tag(&args, cli.device),
        Command::Embed(args) => photo::embed(&args, cli.device),
    }
}

/// The one place that writes to stdout.
#[allow(clippy::print_stdout)] // data for the caller, which is what stdout is for
fn print(text: &str) -> anyhow::Result<()> {
    use std::io::Write;
    match writeln!(std::io::stdout(), "{}", text.trim_end()) {
        // A reader that has seen enough, such as `head`, is no error.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// This call of the program, for the record.
fn invocation() -> Invocation {
    Invocation {
        command: command_line(),
        commit: env!("SELVEDGE_COMMIT").to_owned(),
    }
}

/// The command as it was given, for the record.
fn command_line() -> String {
    std::iter::once("selvedge".to_owned())
        .chain(std::env::args().skip(1))
        .collect::<Vec<_>>()
        .join(" ")
}

/// The recipe with its settings, on another dataset if one is named.
fn read_recipe(path: &Path, settings: &[String], data: Option<&PathBuf>) -> anyhow::Result<Recipe> {
    let mut recipe = Recipe::read(path, settings)?;
    if let Some(dir) = data {
        recipe.data.dir.clone_from(dir);
    }
    Ok(recipe)
}

fn train(args: &TrainArgs, recipe: &Recipe, teachers: Vec<PathBuf>, choice: DeviceChoice) -> anyhow::Result<()> {
    if args.dry_run {
        return print(&dry_run(recipe)?);
    }
    let device = choice.open()?;
    eprintln!("training {} on {}", recipe.name, device::name(&device));
    let options = TrainOptions {
        out: args.out.clone().unwrap_or_else(|| Path::new("runs").join(&recipe.name)),
        start: if args.resume { Start::Resume } else { Start::New },
        teachers,
        init: args.init.clone(),
        invocation: invocation(),
    };
    // Inside a pool of its own the CPU backend splits work without handing every operation over to other threads; the
    // loader keeps the global pool, so neither waits for the other.
    let pool = rayon::ThreadPoolBuilder::new()
        .build()
        .context("cannot start the threads to compute on")?;
    let bundle = pool.install(|| training::train(recipe, &options, &device))?;
    print(&bundle.display().to_string())
}
