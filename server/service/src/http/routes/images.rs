//! `GET /images/{*path}`

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use shared::api::Problem;

use crate::http::app::App;
use crate::http::error::ApiError;

/// An image of the catalog: an indexed photo, a product's image or a sample.
#[utoipa::path(
    get,
    path = "/images/{*path}",
    tag = "catalog",
    params(("path" = String, Path, description = "The rest of a product's or a sample's `image`")),
    responses(
        (status = 200, description = "The image, with an ETag", content_type = "image/*"),
        (status = 304, description = "The client has the image"),
        (status = 404, description = "The catalog has no such image", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn image(
    State(app): State<Arc<App>>,
    Path(path): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if !app.catalog.has_image(&path) {
        return Err(ApiError::NotFound("image"));
    }
    app.photos.get(&path, &method, &headers).await
}
