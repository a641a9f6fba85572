//! The catalogue: a shop's products, the embeddings of their photos, and exact search over them.
//!
//! **Invariant:** a catalogue folder changes in one step, the rename of `catalog.json`. Data files carry their checksum in
//! their name and are never overwritten with other content, so a run that is killed leaves the old catalogue whole.
//! Nothing here knows HTTP.

pub mod currency;
mod dataset;
mod error;
mod faults;
mod format;
mod index;
mod picture;
mod product;
mod products;
mod searcher;
mod store;
mod watch;
mod writer;

pub use error::CatalogError;
pub use faults::{Faults, Named};
pub use index::{IndexOptions, IndexProgress, IndexSummary, index};
pub use product::{LocalText, Price, Product, SamplePhoto};
pub use searcher::{SearchError, Searcher};
pub use store::{Catalog, Hit};
pub use watch::Watch;
