//! Bootstrap intervals, and results per image that are resampled.

mod bootstrap;
mod paired;
mod per_image;

pub use bootstrap::{Interval, RESAMPLES, grouped_intervals, interval, intervals};
pub use paired::{Paired, PairedReport, compare_paired};
pub use per_image::{Metric, PerImage, differences, groups, metrics_with_intervals};
