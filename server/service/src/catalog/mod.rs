//! The catalog: a shop's products, the embeddings of their photos, and exact search over them.
//!
//! **Invariant:** a catalog folder changes in one step, the rename of `catalog.json`. The name of a data file contains
//! its checksum, and no run overwrites a data file with other content. A run that is killed leaves the old catalog
//! complete. This module does not depend on HTTP.

mod embed_photos;
mod error;
mod faults;
mod format;
mod image_check;
mod image_file;
mod index;
mod product;
mod products;
mod searcher;
mod shop_folder;
mod store;
mod watch;
mod writer;

pub use error::CatalogError;
pub use faults::{Failures, Faults};
pub use index::{IndexOptions, IndexProgress, IndexSummary, index};
pub use product::{LocalText, Price, Product, SamplePhoto};
pub use searcher::{SearchError, Searcher};
pub use store::{Catalog, Hit};
pub(crate) use watch::Watch;
