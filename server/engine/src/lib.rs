//! Vector engines behind one trait.
//!
//! A vector engine stores the vectors of products and finds the products whose vectors are nearest to a query. The store
//! is the truth, and an engine is a copy of a part of it.
//!
//! - [`Engine`] is the trait. `server/milvus` implements it for a Milvus server.
//! - [`ExactEngine`] keeps everything in memory and searches with `scan`. It is the reference for all engines. [`Compare`] lets it search
//!   in another way, such as on a GPU.
//! - [`Feeder`] applies the changes of a store to an engine, and repairs differences between the two.
//! - [`conformance`] tests an engine against the contract of the trait.
//!
//! # Contract
//!
//! * **Generations.** A generation is the work of one model. Its vectors are apart from those of other generations.
//!   Searches use the live one, and [`Engine::switch`] changes it in one step.
//! * **Visibility.** A search that begins after a change returned sees the change.
//! * **Idempotence.** The same change can be applied again at any time. So a caller that got an error repeats the change.
//! * **Exactness.** A search compares every vector that the condition admits. A product's score is the inner product of the
//!   query and its best vector, computed as `scan::Rows::dot` does. Hits are sorted by score, and hits of equal score by id.

mod compare;
pub mod conformance;
mod engine;
mod error;
mod exact;
mod feeder;
mod product;
mod query;
mod reconcile;
mod source;
mod space;

pub use compare::Compare;
pub use engine::Engine;
pub use error::{EngineError, FeedError};
pub use exact::ExactEngine;
pub use feeder::{Fed, Feeder, FeederOptions};
pub use product::{Facets, Fingerprint, IdRange, ImageVector, ProductVectors, Stamp};
pub use query::{Condition, EngineHit, EngineQuery, PriceRange, sort_hits};
pub use reconcile::Reconciled;
