//! Datasets: folders of images with a `manifest.csv`, read into batches.

pub mod augment;
pub mod folds;
pub mod images;
mod jpeg;
pub mod loader;
pub mod manifest;
pub mod photo;

pub use augment::Augment;
pub use images::Images;
pub use loader::{Batch, Loader, Plan};
pub use manifest::{DataError, Dataset, Row};
pub use photo::{Photo, PhotoError};
