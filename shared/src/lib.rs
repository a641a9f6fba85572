//! Code that the server and the browser share: the taxonomy, the preparation of images, every model, its weights and bundles,
//! scores and the types of the HTTP protocol.
//!
//! **Invariant:** this crate is pure. It opens no file and no socket, reads no clock and starts no thread. The same input gives
//! the same output on a server and in a browser.

pub mod outfit;
pub mod taxonomy;

pub mod input;

pub mod model;
pub mod weights;

#[cfg(feature = "server-models")]
pub mod server_models;

pub mod bundle;
pub mod piece_finder;
pub mod pieces;

pub mod embedding;
pub mod score;

pub mod api;
