//! Datasets: folders of images with a `manifest.csv`, read into batches.

pub mod augment;
pub mod benchmarks;
pub mod challenge;
pub mod corrupt;
pub mod crop;
pub mod duplicates;
pub mod folds;
pub mod images;
pub mod import;
mod jpeg;
pub mod loader;
pub mod manifest;
pub mod mask;
pub mod photo;
mod raster;
pub mod recolour;
pub mod recolouring;
pub mod turns;

pub use augment::Augment;
pub use corrupt::MAX_CORRUPT;
pub use crop::Crop;
pub use images::Images;
pub use loader::{Batch, Loader, Plan, Source};
pub use manifest::{DataError, Dataset, Row};
pub use mask::{Mask, OUTSIDE};
pub use photo::{Photo, PhotoError};
pub use recolour::{Coverage, Extent};
pub use recolouring::{Garments, Recolouring};
pub use turns::Turned;

#[cfg(test)]
mod tests;
