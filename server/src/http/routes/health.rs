//! `GET /livez` and `GET /readyz`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use shared::api::{Health, Problem};

use crate::http::App;
use crate::http::error::ApiError;

/// Whether the process answers at all; when it does not, restart it.
#[utoipa::path(
    get,
    path = "/livez",
    tag = "service",
    responses((status = 200, description = "Alive", body = Health)),
)]
pub(super) async fn livez() -> Json<Health> {
    Json(Health { status: "ok".into() })
}

/// Whether requests are welcome; when they are not, send them elsewhere.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "service",
    responses(
        (status = 200, description = "Ready", body = Health),
        (status = 503, description = "Starting or ending", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Result<Json<Health>, ApiError> {
    if app.is_ready() { Ok(Json(Health { status: "ok".into() })) } else { Err(ApiError::Unready) }
}
