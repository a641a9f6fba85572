//! Datasets and files: folders of images with a `manifest.csv`, read into batches; runs, bundles and predictions tables.
//!
//! **Invariant:** nothing here trains, evaluates or serves a network.

pub mod atomic;
pub mod augment;
pub mod benchmarks;
pub mod bundle;
pub mod challenge;
mod colour;
mod consistency;
pub mod corrupt;
pub mod crop;
pub mod csv_text;
mod declared;
pub mod duplicates;
pub mod files;
pub mod folds;
pub mod foreign;
pub mod images;
pub mod import;
mod jpeg;
mod kind;
pub mod loader;
pub mod manifest;
pub mod mask;
mod max_errors;
pub mod photo;
mod png;
pub mod predictions;
pub mod prefetch;
mod raster;
pub mod recolour;
pub mod recoloured;
pub mod recolouring;
mod rows;
pub mod run;
pub mod turns;

pub use augment::Augment;
pub use corrupt::{Limit, MAX_CORRUPT};
pub use crop::Crop;
pub use images::Images;
pub use loader::{Batch, Loader, Plan, Source};
pub use manifest::{DataError, Dataset, ManifestError, Row};
pub use mask::{Mask, OUTSIDE};
pub use max_errors::MaxErrors;
pub use photo::{Photo, PhotoError};
pub use recolour::{Coverage, Extent};
pub use recolouring::{Garments, Recolouring};
pub use turns::Turned;

#[cfg(test)]
mod manifest_tests;
#[cfg(test)]
mod tests;
