//! Helpers that the tests share.

mod data;
pub mod fixture;
pub mod process;

pub use data::real_data;
