//! `/api/v1/admin/tasks`: long operations with their progress.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use futures::stream::unfold;
use shared::api::{Problem, Task};

use super::access::{check, converted};
use crate::http::admin::NotCancelled;
use crate::http::app::App;
use crate::http::error::ApiError;

/// Number of tasks that a list has.
const LISTED: usize = 100;

/// Time between two looks at a task that is watched.
const LOOK: Duration = Duration::from_millis(200);

/// The newest 100 tasks, newest first. Ended tasks are kept for 30 days.
#[utoipa::path(
    get,
    path = "/api/v1/admin/tasks",
    tag = "admin",
    responses(
        (status = 200, description = "The tasks", body = Vec<Task>),
        (status = 401, description = "unauthorized", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Json<Vec<Task>>, ApiError> {
    check(&app, &headers)?;
    let tasks = app.with_store(|store| store.tasks(LISTED)).await?;
    Ok(Json(tasks.iter().map(converted).collect()))
}

/// A task.
#[utoipa::path(
    get,
    path = "/api/v1/admin/tasks/{number}",
    tag = "admin",
    params(("number" = i64, Path, description = "Number of the task")),
    responses(
        (status = 200, description = "The task", body = Task),
        (status = 401, description = "unauthorized", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "not_found", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Path(number): Path<i64>,
    headers: HeaderMap,
) -> Result<Json<Task>, ApiError> {
    check(&app, &headers)?;
    Ok(Json(find(&app, number).await?))
}

/// Cancels a task that waits, or an import that runs. It ends after its present batch.
#[utoipa::path(
    delete,
    path = "/api/v1/admin/tasks/{number}",
    tag = "admin",
    params(("number" = i64, Path, description = "Number of the task")),
    responses(
        (status = 202, description = "The task will end"),
        (status = 401, description = "unauthorized", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "not_found", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "task_state: it has ended, or it runs and is not an import", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn cancel(
    State(app): State<Arc<App>>,
    Path(number): Path<i64>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    check(&app, &headers)?;
    let task = find(&app, number).await?;
    if task.finished_at.is_some() {
        return Err(ApiError::TaskState(format!("the task has ended: {}", task.state)));
    }
    app.tasks.cancel(number).map_err(|reason| {
        ApiError::TaskState(match reason {
            NotCancelled::Ended => "the task has ended".to_owned(),
            NotCancelled::Runs => format!("a task of the kind `{}` that runs cannot be cancelled", task.kind),
        })
    })?;
    Ok(StatusCode::ACCEPTED)
}

/// Progress of a task as server-sent events. Every event `task` has the task as JSON. The last one has its end.
#[utoipa::path(
    get,
    path = "/api/v1/admin/tasks/{number}/events",
    tag = "admin",
    params(("number" = i64, Path, description = "Number of the task")),
    responses(
        (status = 200, description = "The events", content_type = "text/event-stream"),
        (status = 401, description = "unauthorized", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "not_found", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn events(
    State(app): State<Arc<App>>,
    Path(number): Path<i64>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    check(&app, &headers)?;
    let first = find(&app, number).await?;
    let state = Watched {
        app,
        next: Some(first),
        sent: None,
    };
    let events = unfold(state, |mut watched| async move {
        let task = watched.next().await?;
        let event = Event::default().event("task").json_data(&task).unwrap_or_default();
        Some((Ok(event), watched))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// A task that a client watches.
struct Watched {
    app: Arc<App>,
    /// The first state.
    next: Option<Task>,
    /// The last state that was sent.
    sent: Option<Task>,
}

impl Watched {
    /// Waits for the next state. `None` after the end.
    async fn next(&mut self) -> Option<Task> {
        if let Some(first) = self.next.take() {
            self.sent = Some(first.clone());
            return Some(first);
        }
        let sent = self.sent.as_ref()?;
        let number = sent.number;
        if sent.finished_at.is_some() {
            return None;
        }
        loop {
            tokio::time::sleep(LOOK).await;
            let task = find(&self.app, number).await.ok()?;
            if self.sent.as_ref() != Some(&task) {
                self.sent = Some(task.clone());
                return Some(task);
            }
        }
    }
}

async fn find(app: &App, number: i64) -> Result<Task, ApiError> {
    let task = app.with_store(move |store| store.task(number)).await?;
    task.as_ref().map(converted).ok_or(ApiError::NotFound("task"))
}
