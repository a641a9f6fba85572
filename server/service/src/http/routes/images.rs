//! `GET /images/{*path}`

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use shared::api::Problem;

use crate::http::App;
use crate::http::error::ApiError;

/// A picture that the catalogue names: an indexed photo, a product's picture or a sample.
#[utoipa::path(
    get,
    path = "/images/{*path}",
    tag = "catalogue",
    params(("path" = String, Path, description = "As in a product's or a sample's `image`")),
    responses(
        (status = 200, description = "The photo, with an ETag", content_type = "image/*"),
        (status = 304, description = "The client has it"),
        (status = 404, description = "No such photo", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn image(
    State(app): State<Arc<App>>,
    Path(path): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if !app.catalog.shows(&path) {
        return Err(ApiError::NotFound("photo"));
    }
    app.photos.get(&path, &method, &headers).await
}
