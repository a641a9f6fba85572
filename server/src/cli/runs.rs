//! The commands around runs: list them, compare them, write a report again.

use super::print;
use clap::{Args, Subcommand};
use report::runs;
use std::path::PathBuf;
use training::run_report;

/// `selvedge runs`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct RunsArgs {
    #[command(subcommand)]
    command: Option<RunsCommand>,
    /// List the runs in this folder and below.
    #[arg(default_value = "runs")]
    dir: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// `selvedge runs …`
#[derive(Debug, Subcommand)]
enum RunsCommand {
    /// Show where recipes differ, and the figures side by side.
    Compare {
        /// Folders of runs.
        #[arg(required = true, num_args = 2..)]
        runs: Vec<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write a run's tables, plots and report.html once more.
    Report {
        /// Folder of the run.
        run: PathBuf,
        /// Folder of the dataset, if it has moved.
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
            print(&if *json {
                serde_json::to_string_pretty(&comparison)?
            } else {
                comparison.to_string()
            })
        }
        Some(RunsCommand::Report { run, data }) => {
            let page = run_report::write_again(run, data.as_deref())?;
            print(&page.display().to_string())
        }
    }
}
