//! Access to the admin API, and its answers.

use axum::Json;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::LOCATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use shared::api;

use crate::http::admin::{self, Added, Job, RequestKey};
use crate::http::app::App;
use crate::http::body;
use crate::http::error::ApiError;

/// Checks the admin key.
///
/// # Errors
/// If it is missing or wrong, or the service has no admin API.
pub(super) fn check(app: &App, headers: &HeaderMap) -> Result<(), ApiError> {
    admin::check(app.admin_key.as_ref(), headers)
}

/// Checks the admin key of a request with a body, and reads the rest of a refused one.
///
/// # Errors
/// As [`check`].
pub(super) fn admitted(app: &App, request: Request) -> Result<(Parts, Body), ApiError> {
    let (parts, body) = request.into_parts();
    match check(app, &parts.headers) {
        Ok(()) => Ok((parts, body)),
        Err(error) => {
            body::discard(body);
            Err(error)
        }
    }
}

/// Adds the task of a request and answers 202 with its address. `key` is the request's key.
///
/// # Errors
/// If another request had the key, or the store cannot be written.
pub(super) fn accepted(app: &App, job: Job, key: Option<RequestKey>) -> Result<Response, ApiError> {
    let task = match app.tasks.add(job, key).map_err(ApiError::Internal)? {
        Added::Task(task) => task,
        Added::OtherRequest => return Err(ApiError::KeyReused),
    };
    let location = format!("/api/v1/admin/tasks/{}", task.number);
    Ok((StatusCode::ACCEPTED, [(LOCATION, location)], Json(converted(&task))).into_response())
}

/// Converts a task.
pub(super) fn converted(task: &store::Task) -> api::Task {
    api::Task {
        number: task.number,
        kind: task.kind.clone(),
        state: task.state.name().to_owned(),
        done: task.done,
        total: task.total,
        detail: task.detail.clone(),
        error: task.error.clone(),
        created_at: task.created_at,
        finished_at: task.finished_at,
    }
}
