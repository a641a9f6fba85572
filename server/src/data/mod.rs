//! Datasets: folders of images with a `manifest.csv`, read into batches.

pub mod augment;
pub mod decode;
pub mod images;
pub mod loader;
pub mod manifest;

pub use augment::Augment;
pub use images::Images;
pub use loader::{Batch, Loader, Plan};
pub use manifest::{DataError, Dataset, Row};
