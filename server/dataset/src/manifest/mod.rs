//! Datasets: a folder of images with a `manifest.csv` of one row per image.
//!
//! The columns are `path,split,labels,item_id,category,domain,mask,dup_group,box,several_splits`. Only `path` and `split`
//! are required.

mod cells;
mod consistency;
mod corrupt;
pub(crate) mod csv_text;
mod dataset;
mod duplicates;
mod folds;
mod item_folds;
mod missing_files;
mod row;
mod union_find;

pub use corrupt::{Limit, MAX_CORRUPT};
pub use dataset::{DataError, Dataset};
pub use item_folds::{FOLD, ItemFold};
pub use missing_files::Missing;
pub use row::{MANIFEST, ManifestError, Row, SHOP, TRAIN};

pub(crate) use dataset::parse;
pub(crate) use row::box_cell;
pub(crate) use union_find::UnionFind;

#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod tests;
