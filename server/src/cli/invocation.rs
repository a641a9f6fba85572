//! Record of the current invocation, for runs and bundles.

use dataset::run::Invocation;

/// Command line and commit of this program.
pub(crate) fn invocation() -> Invocation {
    Invocation {
        command: command_line(),
        commit: env!("SELVEDGE_COMMIT").to_owned(),
    }
}

/// The command line as it was entered.
pub(crate) fn command_line() -> String {
    std::iter::once("selvedge".to_owned())
        .chain(std::env::args().skip(1))
        .collect::<Vec<_>>()
        .join(" ")
}
