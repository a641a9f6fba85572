//! `GET /api/v1/openapi.json`

use axum::Extension;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::http::entity::{Caching, Entity};

/// The document as JSON.
#[derive(Debug, Clone)]
pub(super) struct Text(pub(super) Bytes);

/// This document.
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    tag = "service",
    responses((status = 200, description = "The OpenAPI 3.1 document", content_type = "application/json", body = Object)),
)]
pub(super) async fn document(Extension(Text(text)): Extension<Text>, headers: HeaderMap) -> Response {
    let etag = format!("\"{}\"", &shared::bundle::sha256_hex(&text)[..32]);
    Entity::plain(text, "application/json", etag, Caching::Revalidate).respond(&headers)
}
