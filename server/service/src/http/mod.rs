//! The HTTP service: the page, the bundles that browsers run, search, products and photos.
//!
//! `routes` is the only list of routes; the router and the OpenAPI document are made from it. Handlers return `ApiError`.
//! Only `observe` turns errors into problem documents, so every error has a stable code and a request id, also those of
//! axum itself. The service sends no CORS header unless its configuration names the origins of other pages.

mod admin;
mod admission;
mod app;
mod blocking;
mod body;
mod bundle;
mod coding;
mod config;
mod connections;
mod convert;
mod cors;
mod decoding;
mod encoding;
mod entity;
mod error;
mod front;
mod limits;
mod observe;
mod part_names;
mod photo_embedder;
mod piece_service;
mod problem;
mod query_spaces;
mod routes;
mod serve;
mod shown_images;
mod signing;
mod site;
mod socket;

pub use app::App;
pub use config::ServeConfig;
pub use cors::AllowedOrigin;
pub use decoding::default_decode_memory;
pub use limits::Limits;
pub use routes::openapi;
pub use serve::{serve, serve_with};
