//! `selvedge distill`: training on the outputs of larger networks.

use super::train::{TrainArgs, run};
use anyhow::ensure;
use clap::Args;
use device::DeviceChoice;
use std::path::PathBuf;

/// Arguments of `selvedge distill`.
#[derive(Debug, Args)]
pub(crate) struct DistillArgs {
    /// Folder of the teacher's bundle, or of several bundles whose probabilities are averaged. A query encoder with
    /// --each-fold takes the teacher of each fold, in order
    #[arg(long, value_name = "BUNDLE", num_args = 1.., required = true)]
    teacher: Vec<PathBuf>,
    #[command(flatten)]
    train: TrainArgs,
}

pub(super) fn distill(args: &DistillArgs, choice: DeviceChoice) -> anyhow::Result<()> {
    let recipe = args.train.recipe()?;
    ensure!(
        recipe.task.needs_teacher(),
        "this recipe is not for distillation (task.kind = \"distill\" or \"query\"); use `selvedge train`"
    );
    run(&args.train, &recipe, &args.teacher, choice)
}
