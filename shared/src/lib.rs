//! Code that Selvedge's server and browser share: the taxonomy, the preprocessing, every model, its weights and
//! bundles, scores and the wire types.
//!
//! **Invariant:** this crate is pure. It opens no file and no socket, reads no clock and starts no thread, so the same
//! bytes in give the same bytes out on a server and in a browser.

pub mod taxonomy;

pub mod input;

pub mod model;
pub mod weights;

pub mod bundle;

pub mod embedding;
pub mod score;

pub mod api;
