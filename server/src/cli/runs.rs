//! `selvedge runs`: lists runs, compares them, and writes reports again.

use super::output::{print, print_path, print_report};
use clap::{Args, Subcommand};
use report::runs;
use std::path::PathBuf;
use training::run_report;

/// Arguments of `selvedge runs`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct RunsArgs {
    #[command(subcommand)]
    command: Option<RunsCommand>,
    /// Folder whose runs are listed, with all folders below
    #[arg(default_value = "runs")]
    dir: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Subcommands of `selvedge runs`.
#[derive(Debug, Subcommand)]
enum RunsCommand {
    /// Print the differences of recipes, and the metrics in columns
    Compare {
        /// Folders of runs
        #[arg(required = true, num_args = 2..)]
        runs: Vec<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write a run's tables, plots and report.html again
    Report {
        /// Folder of the run
        run: PathBuf,
        /// Dataset folder, if it has moved
        #[arg(long, env = "SELVEDGE_DATA")]
        data: Option<PathBuf>,
    },
}

pub(super) fn run(args: &RunsArgs) -> anyhow::Result<()> {
    match &args.command {
        None => {
            let lines = runs::list(&args.dir)?;
            if lines.is_empty() {
                eprintln!("there is no run in {}", args.dir.display());
            }
            if args.json {
                return print(&serde_json::to_string_pretty(&lines)?);
            }
            if lines.is_empty() {
                Ok(())
            } else {
                print(&runs::listed(&lines, &args.dir))
            }
        }
        Some(RunsCommand::Compare { runs, json }) => {
            let comparison = runs::compare(runs)?;
            print_report(&comparison, *json)
        }
        Some(RunsCommand::Report { run, data }) => {
            let page = run_report::write_again(run, data.as_deref())?;
            print_path(&page)
        }
    }
}
