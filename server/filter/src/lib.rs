//! Columns of a catalog's products in memory, a filter language in JSON, and facets.
//!
//! - [`Columns`] holds the values of the products, one typed column per field.
//! - [`Filter`] is a checked filter. [`Columns::select`] returns the products that match it as a bitmap.
//! - [`Columns::facets`] counts the values of a field among the products that match the rest of a filter.
//!
//! The language is described in `server/docs/filters.md`.
//!
//! **Invariant:** a product either matches a filter or does not match it. So `not` selects all other products, and those
//! include the products without a value.

mod column;
mod columns;
mod dictionary;
mod error;
mod facet_request;
mod facets;
mod field;
mod keywords;
mod language;
mod number;
mod parse;
mod path;
mod select;

pub use columns::Columns;
pub use error::FilterError;
pub use facet_request::FacetRequest;
pub use facets::{BoolCounts, Facet, KeywordCount, KeywordCounts, NumberRange, PriceRange};
pub use language::{Filter, MAX_DEPTH, MAX_NODES, MAX_TEXT, MAX_VALUES};
