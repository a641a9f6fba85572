//! `selvedge ablate`: the effect of each technique.

use super::invocation::invocation;
use super::output::print;
use ablation::{AblationRecipe, Measurement, Mode, Plan, Progress, Results, Runner};
use anyhow::Context;
use clap::Args;
use device::DeviceChoice;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Function that parses a command line, to check it.
type Parse<'a> = &'a dyn Fn(Vec<String>) -> Result<(), clap::Error>;

/// Arguments of `selvedge ablate`.
#[derive(Debug, Args)]
pub(crate) struct AblateArgs {
    /// Ablation recipe: a TOML file that lists the switches and names a training recipe
    recipe: PathBuf,
    /// Dataset folder, instead of the recipe's
    #[arg(long, env = "SELVEDGE_DATA")]
    data: Option<PathBuf>,
    /// Folder for runs, tables and the plot, by default runs/NAME. An existing one is resumed
    #[arg(long)]
    out: Option<PathBuf>,
    /// Number of trainings per variant, instead of the recipe's
    #[arg(long, value_name = "N")]
    seeds: Option<usize>,
    /// Comparisons to make, instead of the recipe's
    #[arg(long, value_enum, value_delimiter = ',', value_name = "MODES")]
    modes: Option<Vec<Mode>>,
    /// Only these switches, by name
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    only: Option<Vec<String>>,
    /// Split to evaluate on, instead of the recipe's
    #[arg(long)]
    split: Option<String>,
    /// Metric to compare, such as micro_f2; by default macro F2 or mAP@10
    #[arg(long)]
    figure: Option<String>,
    /// Change a key of the training recipe in every variant; can be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Change an option of the evaluation in every variant, such as direction=shop-to-worn; can be repeated
    #[arg(long = "evaluate", value_name = "KEY=VALUE")]
    evaluations: Vec<String>,
    /// Only print the plan: variants, and runs to be trained
    #[arg(long)]
    dry_run: bool,
}

impl AblateArgs {
    /// Reads the recipe and applies the options.
    ///
    /// # Errors
    /// If the recipe cannot be read, or --only names an unknown switch.
    fn ablation(&self) -> anyhow::Result<AblationRecipe> {
        let mut ablation = AblationRecipe::read(&self.recipe)?;
        if let Some(only) = &self.only {
            let known: Vec<String> = ablation.switches.iter().map(|switch| switch.name.clone()).collect();
            for name in only {
                anyhow::ensure!(
                    known.contains(name),
                    "there is no switch '{name}'; there are {}",
                    known.join(", ")
                );
            }
            ablation.switches.retain(|switch| only.contains(&switch.name));
        }
        ablation.seeds = self.seeds.unwrap_or(ablation.seeds);
        ablation.modes = self.modes.clone().unwrap_or(ablation.modes);
        ablation.split = self.split.clone().unwrap_or(ablation.split);
        ablation.metric = self.figure.clone().or(ablation.metric);
        ablation.settings.extend(self.settings.iter().cloned());
        ablation.evaluate.extend(self.evaluations.iter().cloned());
        Ok(ablation)
    }
}

/// Trains and evaluates all variants. `parse` checks their command lines.
pub(super) fn ablate(args: &AblateArgs, device: DeviceChoice, parse: Parse<'_>) -> anyhow::Result<()> {
    let plan = Plan::new(args.ablation()?, args.data.as_deref())?;
    check_options(&plan, parse)?;
    let name = args.recipe.file_stem().unwrap_or_default();
    let out = args.out.clone().unwrap_or_else(|| Path::new("runs").join(name));
    let runner = Runner::open(&plan, &out, &device.to_string())?;
    if args.dry_run {
        return print(&describe(&plan, &runner)?);
    }
    let invocation = invocation();
    let mut results = Results::new(&plan);
    results.run(&plan, &runner, |results| {
        ablation::write(&plan, results, &out, &invocation).map(drop)
    })?;
    let text = ablation::write(&plan, &results, &out, &invocation)?;
    eprintln!(
        "wrote {0}/ablation.md, {0}/ablation.csv, {0}/ablation.svg",
        out.display()
    );
    print(&text)?;
    let failed = results.failures(&plan).len();
    anyhow::ensure!(
        failed == 0,
        "{failed} of {} evaluations are missing\nhint: run the same command again to repeat them",
        plan.measurements.len()
    );
    Ok(())
}

/// Checks the command lines of all variants before anything is trained.
fn check_options(plan: &Plan, parse: Parse<'_>) -> anyhow::Result<()> {
    let check = |command: &[&str], arguments: Vec<String>, variant: &str| {
        let line = ["selvedge"]
            .iter()
            .chain(command)
            .map(|word| (*word).to_owned())
            .chain(arguments);
        parse(line.collect())
            .map_err(|error| anyhow::anyhow!("{}", error.to_string().trim_start_matches("error: ")))
            .with_context(|| format!("in the options of {variant} for `selvedge {}`", command[0]))
    };
    for training in &plan.trainings {
        check(
            &[training.command(), "recipe"],
            training.options.arguments(),
            &training.name,
        )?;
    }
    for Measurement {
        options,
        name,
        stacking,
        ..
    } in &plan.measurements
    {
        check(
            &["evaluate", "--bundle", "bundle", "--data", "data"],
            options.arguments(),
            name,
        )?;
        if let Some(stacking) = stacking {
            check(
                &["ensemble", "fit", "zoo", "--out", "ensemble"],
                stacking.arguments(),
                name,
            )?;
        }
    }
    Ok(())
}

/// Text of the plan.
fn describe(plan: &Plan, runner: &Runner<'_>) -> anyhow::Result<String> {
    let mut text = String::new();
    for group in &plan.groups {
        let _ = writeln!(text, "{}", group.title);
        for row in &group.rows {
            let (variant, reference) = (&plan.variants[row.variant].name, &plan.variants[row.reference].name);
            let _ = writeln!(text, "  {:<32} {variant} - {reference}", row.name);
        }
    }
    let (mut epochs, mut left) = (0, 0);
    text += "runs\n";
    for training in &plan.trainings {
        let status = match runner.progress(training)? {
            Progress::New => "new",
            Progress::Interrupted => "interrupted, will be resumed",
            Progress::Running => "in training by another process",
            Progress::Finished => "finished",
        };
        if status != "finished" {
            epochs += training.recipe.epochs;
            left += 1;
        }
        let settings: Vec<&String> = training.settings.iter().collect();
        let _ = writeln!(text, "  {:<32} {status}", training.name);
        for setting in settings {
            let _ = writeln!(text, "      --set {setting}");
        }
        for option in training.options.arguments() {
            let _ = writeln!(text, "      {option}");
        }
    }
    let _ = writeln!(
        text,
        "{} evaluations on {} of {} runs, {left} of them to be trained, for {epochs} epochs at most",
        plan.measurements.len(),
        plan.measured(),
        plan.trainings.len()
    );
    Ok(text)
}
