//! The command line of Selvedge.

pub mod cli;
