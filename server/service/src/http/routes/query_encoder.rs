//! `GET /api/v1/query-encoder` and `GET /api/v1/query-encoder/weights/{sha256}`

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use shared::api::Problem;

use crate::http::App;
use crate::http::error::ApiError;

/// The manifest of the bundle with which clients embed their photos themselves, into the catalogue's space: architecture,
/// input, the space and the weights' sha256. Where there is none, searches take photos.
#[utoipa::path(
    get,
    path = "/api/v1/query-encoder",
    tag = "catalogue",
    responses(
        (status = 200, description = "The manifest, with an ETag", content_type = "application/json", body = Object),
        (status = 204, description = "This shop has no query encoder: search with the photo itself"),
        (status = 304, description = "The client has it"),
    ),
)]
pub(super) async fn manifest(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    match &app.query_encoder {
        Some(bundle) => bundle.manifest().respond(&headers),
        // Not 404: browsers report that as an error of the page, and a shop without an encoder is none.
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

/// The weights that the manifest names, in safetensors format; they never change under their sha256.
#[utoipa::path(
    get,
    path = "/api/v1/query-encoder/weights/{sha256}",
    tag = "catalogue",
    params(("sha256" = String, Path, description = "The sha256 in the manifest")),
    responses(
        (status = 200, description = "The weights, to be kept for ever", content_type = "application/octet-stream"),
        (status = 304, description = "The client has them"),
        (status = 404, description = "Another bundle's", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn weights(
    State(app): State<Arc<App>>,
    Path(sha256): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let weights = app.query_encoder.as_ref().and_then(|bundle| bundle.weights(&sha256));
    Ok(weights.ok_or(ApiError::NotFound("weights file"))?.respond(&headers))
}
