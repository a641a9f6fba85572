//! `GET /livez` and `GET /readyz`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use shared::api::{Health, Problem};

use crate::http::app::App;
use crate::http::error::ApiError;

/// Liveness: 200 while the process can answer or start. If it answers 503, restart the process.
#[utoipa::path(
    get,
    path = "/livez",
    tag = "service",
    responses(
        (status = 200, description = "Alive", body = Health),
        (
            status = 503,
            description = "Only a restart can help: the model hangs, cannot be loaded again, or its thread has ended",
            body = Problem, content_type = "application/problem+json"
        ),
    ),
)]
pub(super) async fn livez(State(app): State<Arc<App>>) -> Result<Json<Health>, ApiError> {
    app.needs_restart()
        .map_or_else(|| Ok(healthy()), |reason| Err(ApiError::Unready(reason)))
}

/// Readiness: 200 while the server takes requests. If it answers 503, send requests to another server.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "service",
    responses(
        (status = 200, description = "Ready", body = Health),
        (
            status = 503,
            description = "starting or shutting_down: the server starts or ends, the model hangs or failed, or the catalog cannot be read; `detail` has the reason",
            body = Problem, content_type = "application/problem+json"
        ),
    ),
)]
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Result<Json<Health>, ApiError> {
    if let Some(error) = app.unready() {
        return Err(error);
    }
    app.catalog
        .fault()
        .map_or_else(|| Ok(healthy()), |reason| Err(ApiError::Unready(reason)))
}

/// Answer of a healthy server.
pub(crate) fn healthy() -> Json<Health> {
    Json(Health { status: "ok".into() })
}
