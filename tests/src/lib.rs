//! Helpers of the tests.

mod data;
pub mod fixture;
pub mod process;
pub mod skip;
pub mod tiny;
pub mod zoo;

pub use data::real_data;
