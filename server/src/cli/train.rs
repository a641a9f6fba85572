//! `selvedge train`, and the training that `selvedge distill` shares with it.

use super::invocation::invocation;
use super::output::{print, print_path};
use super::recipe::read_recipe;
use anyhow::{Context, ensure};
use burn::tensor::Device;
use clap::Args;
use dataset::run::{BUNDLE, Start};
use device::DeviceChoice;
use std::path::{Path, PathBuf};
use training::{Recipe, TrainOptions, dry_run};

/// Arguments of every training.
#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    /// The recipe, a TOML file
    recipe: PathBuf,
    /// Dataset folder, instead of the recipe's
    #[arg(long, env = "SELVEDGE_DATA")]
    data: Option<PathBuf>,
    /// Folder of the run, by default runs/NAME. It must be new
    #[arg(long)]
    out: Option<PathBuf>,
    /// Initialise the backbone from pretrained weights instead of the recipe's: pretrained:NAME, a .safetensors or .pth file
    /// with torchvision's parameter names (Xception: timm's), or best.safetensors of a run
    #[arg(long, value_name = "FILE")]
    init: Option<String>,
    /// Train the network of every fold of data.folds, one after another, in the folders fold0, fold1 and so on of --out
    #[arg(long)]
    each_fold: bool,
    /// Only print the plan: rows, steps, sampling, and a plot of the learning rate
    #[arg(long)]
    dry_run: bool,
    /// Resume from the run's last checkpoint
    #[arg(long)]
    resume: bool,
    /// Change a key of the recipe, such as optimiser.rate=0.01, or remove it, such as average=null; can be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
}

impl TrainArgs {
    /// Reads the recipe with the changes of the command line.
    ///
    /// # Errors
    /// As [`read_recipe`].
    pub(super) fn recipe(&self) -> anyhow::Result<Recipe> {
        read_recipe(&self.recipe, &self.settings, self.data.as_ref())
    }
}

pub(super) fn train(args: &TrainArgs, choice: DeviceChoice) -> anyhow::Result<()> {
    let recipe = args.recipe()?;
    ensure!(
        !recipe.task.needs_teacher(),
        "this recipe needs a teacher; use `selvedge distill --teacher BUNDLE RECIPE`"
    );
    run(args, &recipe, &[], choice)
}

/// Trains with the bundles `teachers`, or prints the plan.
///
/// # Errors
/// If the dataset or the recipe cannot be used, or the training fails.
pub(super) fn run(args: &TrainArgs, recipe: &Recipe, teachers: &[PathBuf], choice: DeviceChoice) -> anyhow::Result<()> {
    if args.dry_run {
        return print(&dry_run(recipe)?);
    }
    let device = choice.open()?;
    let out = args.out.clone().unwrap_or_else(|| Path::new("runs").join(&recipe.name));
    if !args.each_fold {
        let start = if args.resume { Start::Resume } else { Start::New };
        return run_one(args, recipe, teachers.to_vec(), (out, start), &device);
    }
    let folds = recipe.data.folds;
    ensure!(folds > 0, "--each-fold needs folds; add --set data.folds=5");
    // A query encoder has one teacher, which has not seen the items of the fold either.
    let of_fold = recipe.task.folds_items() && recipe.task.needs_teacher();
    ensure!(
        !of_fold || teachers.len() == folds,
        "with --each-fold a query encoder needs the teacher of each of the {folds} folds, in their order; name {folds} \
         bundles with --teacher"
    );
    for fold in 0..folds {
        let out = out.join(format!("fold{fold}"));
        if args.resume && out.join(BUNDLE).exists() {
            continue;
        }
        let start = if args.resume && out.exists() {
            Start::Resume
        } else {
            Start::New
        };
        let mut recipe = recipe.clone();
        recipe.data.fold = fold;
        let teachers = if of_fold { &teachers[fold..=fold] } else { teachers };
        run_one(args, &recipe, teachers.to_vec(), (out, start), &device)?;
    }
    Ok(())
}

/// Trains one run in a folder, from the given start.
///
/// # Errors
/// As [`run`].
fn run_one(
    args: &TrainArgs,
    recipe: &Recipe,
    teachers: Vec<PathBuf>,
    (out, start): (PathBuf, Start),
    device: &Device,
) -> anyhow::Result<()> {
    eprintln!(
        "training {} on {} in {}",
        recipe.name,
        device::name(device),
        out.display()
    );
    let options = TrainOptions {
        out,
        start,
        teachers,
        init: args.init.clone(),
        invocation: invocation(),
    };
    // From inside a separate pool the CPU backend splits work without passing every operation to other threads. The loader
    // keeps the global pool, so neither waits for the other.
    let pool = rayon::ThreadPoolBuilder::new()
        .build()
        .context("cannot start the threads for training")?;
    let bundle = pool.install(|| training::train(recipe, &options, device))?;
    print_path(&bundle)
}
