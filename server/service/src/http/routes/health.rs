//! `GET /livez` and `GET /readyz`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use shared::api::{Health, Problem};

use crate::http::App;
use crate::http::error::ApiError;

/// Whether the process can answer, now or when it has started; when it cannot, restart it.
#[utoipa::path(
    get,
    path = "/livez",
    tag = "service",
    responses(
        (status = 200, description = "Alive", body = Health),
        (
            status = 503,
            description = "Only a restart can help: the model hangs for good, cannot be loaded again, or its thread ended",
            body = Problem, content_type = "application/problem+json"
        ),
    ),
)]
pub(super) async fn livez(State(app): State<Arc<App>>) -> Result<Json<Health>, ApiError> {
    app.hopeless()
        .map_or_else(|| Ok(well()), |why| Err(ApiError::Unready(why)))
}

/// Whether requests are welcome; when they are not, send them elsewhere.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "service",
    responses(
        (status = 200, description = "Ready", body = Health),
        (
            status = 503,
            description = "Starting, ending, with a model that hangs or fails, or with the folder of the index or of the photos gone; `detail` says which",
            body = Problem, content_type = "application/problem+json"
        ),
    ),
)]
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Result<Json<Health>, ApiError> {
    if let Some(why) = app.unready() {
        return Err(ApiError::Unready(why));
    }
    let watch = Arc::clone(&app.watch);
    let fault = tokio::task::spawn_blocking(move || watch.fault()).await;
    fault
        .map_err(|error| ApiError::Internal(error.into()))?
        .map_or_else(|| Ok(well()), |why| Err(ApiError::Unready(why)))
}

/// What a healthy server says.
pub(in crate::http) fn well() -> Json<Health> {
    Json(Health { status: "ok".into() })
}
