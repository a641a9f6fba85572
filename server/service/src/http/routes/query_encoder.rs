//! `GET /api/v1/query-encoder` and `GET /api/v1/query-encoder/weights/{sha256}`

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use shared::api::Problem;

use crate::http::app::App;
use crate::http::error::ApiError;

/// The manifest of the query encoder, with which clients embed photos themselves: architecture, input, space and the
/// SHA-256 of the weights.
#[utoipa::path(
    get,
    path = "/api/v1/query-encoder",
    tag = "catalog",
    responses(
        (status = 200, description = "The manifest, with an ETag", content_type = "application/json", body = Object),
        (status = 204, description = "The shop has no query encoder; search with the photo itself"),
        (status = 304, description = "The client has the manifest"),
    ),
)]
pub(super) async fn manifest(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    match &app.query_encoder {
        Some(bundle) => bundle.respond_manifest(&headers),
        // Not 404: browsers report that as an error, although a shop without an encoder is in order.
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

/// The weights of the manifest, as safetensors. The content of this path never changes.
#[utoipa::path(
    get,
    path = "/api/v1/query-encoder/weights/{sha256}",
    tag = "catalog",
    params(("sha256" = String, Path, description = "`weights.sha256` of the manifest")),
    responses(
        (status = 200, description = "The weights, cacheable without limit", content_type = "application/octet-stream"),
        (status = 304, description = "The client has the weights"),
        (status = 404, description = "The encoder has other weights", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn weights(
    State(app): State<Arc<App>>,
    Path(sha256): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let bundle = app.query_encoder.as_ref().ok_or(ApiError::NotFound("weights file"))?;
    bundle.respond_weights(&sha256, &headers)
}
