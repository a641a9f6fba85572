//! The `selvedge` command: parses, runs, and turns the result into an exit code.

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

/// Says what went wrong from the outside in on one line, then whatever hints the causes carry.
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
