//! The catalog: a shop's products, the embeddings of their photos, and exact search over them.
//!
//! **Invariant:** the store is the truth. What is in memory follows it. This module does not depend on HTTP.

mod archive;
mod category;
mod compare;
mod embed_pending;
mod embed_run;
mod engine_feed;
mod error;
mod faults;
mod generation;
mod groups;
mod ids;
mod image_file;
mod index;
mod live;
mod next_model;
mod order;
mod photo_files;
mod product;
mod products;
mod query;
mod ranking;
mod searcher;
mod shop_folder;
mod state;
mod upkeep;
mod wake;
mod worker;

pub use archive::{ArchiveLimits, Unpacked, unpack};
pub use category::category_of;
pub use compare::Comparison;
pub use embed_pending::{EmbedInputs, EmbedJob, EmbeddedBatch, embed_images};
pub use embed_run::{EmbedRun, Embedded, IndexProgress};
pub use error::CatalogError;
pub use faults::{Failures, Faults, Unreadable};
pub use generation::Space;
pub use index::{IndexOptions, IndexSummary, index};
pub use live::{Catalog, Hit, SearchPlaces, create_store, open_store, open_store_to_embed};
pub(crate) use next_model::NextModel;
pub use photo_files::PhotoFiles;
pub use product::{LocalText, Price, Product, STYLES, SamplePhoto};
pub use query::{After, Answer, CatalogQuery, QueryError, Without};
pub use searcher::{SearchError, Searcher};
pub use shop_folder::MAX_SAMPLES;
pub use state::Live;
pub(crate) use upkeep::SHOWN;
pub use upkeep::compact;
pub(crate) use worker::Worker;
