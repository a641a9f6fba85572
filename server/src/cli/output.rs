//! Output of commands: results on stdout, progress on stderr.

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::fmt::Display;
use std::io::{ErrorKind, Write, stdout};
use std::path::Path;

/// Prints a result. No other function writes to stdout.
///
/// # Errors
/// If stdout cannot be written. A reader that ends early, such as `head`, is not an error.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    match writeln!(stdout(), "{}", text.trim_end()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// Prints the path of a file or folder that a command wrote.
///
/// # Errors
/// As [`print`].
pub(crate) fn print_path(path: &Path) -> anyhow::Result<()> {
    print(&path.display().to_string())
}

/// Prints a report, as JSON if `json` is true.
///
/// # Errors
/// As [`print`].
pub(crate) fn print_report(report: &(impl Serialize + Display), json: bool) -> anyhow::Result<()> {
    if json {
        print(&serde_json::to_string_pretty(report)?)
    } else {
        print(&report.to_string())
    }
}

/// A progress bar on stderr for `total` steps.
pub(crate) fn progress_bar(total: usize, message: &str) -> ProgressBar {
    let bar = ProgressBar::new(total as u64);
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len}  {elapsed} elapsed, {eta} left") {
        bar.set_style(style);
    }
    bar.with_message(message.to_owned())
}
