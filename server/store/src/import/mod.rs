//! Imports of product files.

mod draft;
mod fields;
mod images;
mod json;
mod options;
mod reader;
mod report;
mod rows;
mod run;
mod shopify;
mod stage;
mod table;
mod text;
mod xml;

pub use images::{FolderImages, GivenHashes, ImageFault, ImageSource};
pub use options::{Encoding, Format, ImportOptions, Mode};
pub use report::{Counts, ImportProgress, ImportReport, Outcome, Phase, RowFault};
