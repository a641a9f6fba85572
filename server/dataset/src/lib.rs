//! Datasets and files: images with a `manifest.csv`, batches of augmented images, importers, and the files of runs, bundles
//! and predictions.
//!
//! **Invariant:** nothing in this package trains, evaluates or serves a network.

mod batches;
pub mod boxed;
mod contact_sheet;
mod decode;
mod files;
pub mod import;
mod label_list;
pub mod manifest;
mod max_errors;
pub mod pairs;
pub mod prefetch;
pub mod recolour;
pub mod recoloured;
mod thumbnail;

pub use batches::{Augment, Batch, Garments, Images, Loader, Plan, Recolouring, Rotations, Source};
pub use contact_sheet::{contact_sheet, fit_cell};
pub use decode::{Crop, Mask, OUTSIDE, Photo, PhotoError, media_type};
pub use files::{atomic, bundle, foreign, predictions, run};
pub use import::{benchmarks, challenge};
pub use label_list::{LABEL_LIST, label_list};
pub use manifest::{DataError, Dataset, FOLD, ItemFold, Limit, MAX_CORRUPT, ManifestError, Row};
pub use max_errors::MaxErrors;
pub use recolour::{Coverage, Extent};
pub use thumbnail::thumbnail;
