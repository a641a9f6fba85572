//! Selvedge's command line.

pub mod cli;
