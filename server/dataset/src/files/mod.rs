//! Files of runs, bundles and predictions, and atomic writes.

pub mod atomic;
pub mod bundle;
pub mod foreign;
pub mod predictions;
pub mod run;
