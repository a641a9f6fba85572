//! The `selvedge` program: parses the command line, runs the command, and returns an exit code.

use clap::Parser;
use server::cli::{Cli, run};
use std::process::ExitCode;

fn main() -> ExitCode {
    device::prefer_cpu_as_default();
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

/// Prints an error with its causes on one line, then the hints of all of them.
fn report(error: &anyhow::Error) {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    let parts = || {
        causes.iter().map(|cause| {
            cause
                .split_once("\nhint: ")
                .map_or((&**cause, None), |(a, b)| (a, Some(b)))
        })
    };
    let messages: Vec<&str> = parts().map(|(message, _)| message).collect();
    eprintln!("error: {}", messages.join(": "));
    for hint in parts().filter_map(|(_, hint)| hint) {
        eprintln!("hint: {hint}");
    }
}
