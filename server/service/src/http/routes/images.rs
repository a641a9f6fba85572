//! `GET /images/{name}`

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use shared::api::Problem;

use crate::http::app::App;
use crate::http::error::ApiError;

/// An image of a product or a sample as JPEG, at most 320, 640 or 1024 pixels wide and high. It is never enlarged and has no
/// metadata. It never changes.
#[utoipa::path(
    get,
    path = "/images/{name}",
    tag = "catalog",
    params(("name" = String, Path, description = "The rest of a product's or a sample's `image`. Replace its size by 320, 640 or 1024 for another one")),
    responses(
        (status = 200, description = "The image", content_type = "image/jpeg"),
        (status = 304, description = "The client has the image"),
        (status = 404, description = "The catalog has no such image", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn image(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    app.images.get(&name, &headers).await
}
