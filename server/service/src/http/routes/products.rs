//! `GET /api/v1/products/{id}`

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use shared::api::{Problem, Product};

use crate::http::app::App;
use crate::http::convert;
use crate::http::error::ApiError;

/// A product of the catalog.
#[utoipa::path(
    get,
    path = "/api/v1/products/{id}",
    tag = "catalog",
    params(("id" = String, Path, description = "Id of the product")),
    responses(
        (status = 200, description = "The product", body = Product),
        (status = 404, description = "The catalog has no such product", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn product(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<Product>, ApiError> {
    let stored = app.with_store(move |store| store.product(&id)).await?;
    let stored = stored.ok_or(ApiError::NotFound("product"))?;
    Ok(Json(convert::product(&stored.product)))
}
