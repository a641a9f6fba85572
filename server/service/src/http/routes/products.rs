//! `GET /api/v1/products/{id}`

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use shared::api::{Problem, Product};

use crate::http::App;
use crate::http::convert;
use crate::http::error::ApiError;

/// One product of the catalogue.
#[utoipa::path(
    get,
    path = "/api/v1/products/{id}",
    tag = "catalogue",
    params(("id" = String, Path, description = "The product's id")),
    responses(
        (status = 200, description = "The product", body = Product),
        (status = 404, description = "No such product", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn product(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<Product>, ApiError> {
    let product = app.catalog.product(&id).ok_or(ApiError::NotFound("product"))?;
    Ok(Json(convert::product(product)))
}
