//! `GET /api/v1/segmenter` and `GET /api/v1/segmenter/weights/{sha256}`

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use shared::api::Problem;

use crate::http::app::App;
use crate::http::error::ApiError;

/// The manifest of the segmenter, with which clients find the pieces of an outfit themselves: architecture, input, classes and
/// the SHA-256 of the weights.
#[utoipa::path(
    get,
    path = "/api/v1/segmenter",
    tag = "pieces",
    responses(
        (status = 200, description = "The manifest, with an ETag", content_type = "application/json", body = Object),
        (status = 204, description = "The shop has no segmenter"),
        (status = 304, description = "The client has the manifest"),
    ),
)]
pub(super) async fn manifest(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    match &app.pieces {
        Some(service) => service.bundle.respond_manifest(&headers),
        // Not 404: browsers report that as an error, although a shop without a segmenter is in order.
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

/// The weights of the manifest, as safetensors. The content of this path never changes.
#[utoipa::path(
    get,
    path = "/api/v1/segmenter/weights/{sha256}",
    tag = "pieces",
    params(("sha256" = String, Path, description = "`weights.sha256` of the manifest")),
    responses(
        (status = 200, description = "The weights, cacheable without limit", content_type = "application/octet-stream"),
        (status = 304, description = "The client has the weights"),
        (status = 404, description = "The segmenter has other weights", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn weights(
    State(app): State<Arc<App>>,
    Path(sha256): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let service = app.pieces.as_ref().ok_or(ApiError::NotFound("weights file"))?;
    service.bundle.respond_weights(&sha256, &headers)
}
