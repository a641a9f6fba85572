//! `GET /api/v1/tagger` and `GET /api/v1/tagger/weights/{sha256}`

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use shared::api::Problem;

use crate::http::App;
use crate::http::error::ApiError;

/// The manifest of the bundle that browsers tag with: architecture, input, labels, thresholds, licence and the weights' sha256.
#[utoipa::path(
    get,
    path = "/api/v1/tagger",
    tag = "tagger",
    responses(
        (status = 200, description = "The manifest, with an ETag", content_type = "application/json", body = Object),
        (status = 304, description = "The client has it"),
    ),
)]
pub(super) async fn manifest(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    app.tagger.manifest().respond(&headers)
}

/// The weights that the manifest names, in safetensors format; they never change under their sha256.
#[utoipa::path(
    get,
    path = "/api/v1/tagger/weights/{sha256}",
    tag = "tagger",
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
    let weights = app.tagger.weights(&sha256).ok_or(ApiError::NotFound("weights file"))?;
    Ok(weights.respond(&headers))
}
