//! Helpers that the tests share.

pub mod fixture;
pub mod process;
