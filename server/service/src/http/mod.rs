//! The service over HTTP: the page, the bundles that browsers run, search, products and photos.
//!
//! `routes` is the one list that both the router and the OpenAPI document come from. Handlers return
//! `ApiError`; `observe` alone turns errors into problem documents, so that every answer, axum's own
//! rejections included, has a stable code and a request id. **Invariant:** no CORS header is ever sent; the service talks
//! to its own page.

mod admission;
mod app;
mod body;
mod bundle;
mod coding;
mod connections;
mod convert;
mod decoding;
mod encoding;
mod entity;
mod error;
mod folder;
mod front;
mod limits;
mod observe;
mod problem;
mod routes;
mod serve;
mod site;
mod socket;

pub use app::App;
pub use decoding::default_decode_memory;
pub use limits::Limits;
pub use routes::openapi;
pub use serve::{ServeConfig, serve, serve_with};
