//! `GET /api/v1/tagger` and `GET /api/v1/tagger/weights/{sha256}`

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use shared::api::Problem;

use crate::http::app::App;
use crate::http::error::ApiError;

/// The manifest of the style bundle for browsers: architecture, input, labels with their groups and thresholds, licence and the
/// SHA-256 of the weights.
#[utoipa::path(
    get,
    path = "/api/v1/tagger",
    tag = "tagger",
    responses(
        (status = 200, description = "The manifest, with an ETag", content_type = "application/json", body = Object),
        (status = 304, description = "The client has the manifest"),
    ),
)]
pub(super) async fn manifest(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    app.tagger.respond_manifest(&headers)
}

/// The weights of the manifest, as safetensors. The content of this path never changes.
#[utoipa::path(
    get,
    path = "/api/v1/tagger/weights/{sha256}",
    tag = "tagger",
    params(("sha256" = String, Path, description = "`weights.sha256` of the manifest")),
    responses(
        (status = 200, description = "The weights, cacheable without limit", content_type = "application/octet-stream"),
        (status = 304, description = "The client has the weights"),
        (status = 404, description = "The bundle has other weights", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn weights(
    State(app): State<Arc<App>>,
    Path(sha256): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    app.tagger.respond_weights(&sha256, &headers)
}
