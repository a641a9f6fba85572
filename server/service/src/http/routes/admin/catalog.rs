//! `/api/v1/admin`: numbers, export, generations, checks and copies of the catalog.

use std::io::{self, Write};
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures::stream::unfold;
use serde_json::{Value, json};
use shared::api::{Problem, Task};
use tokio::sync::mpsc::{Sender, channel};

use super::access::{accepted, admitted, check};
use crate::http::admin::{Job, RequestKey};
use crate::http::app::App;
use crate::http::blocking::blocking;
use crate::http::bundle::BrowserBundle;
use crate::http::error::ApiError;

/// Bytes of an export that are sent at once.
const PART: usize = 64 << 10;

/// Numbers of the catalog, of its generations and of the vector engine, and the memory of the parts in bytes.
#[utoipa::path(
    get,
    path = "/api/v1/admin/stats",
    tag = "admin",
    responses(
        (status = 200, description = "The numbers", body = Value),
        (status = 401, description = "unauthorized", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn stats(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    check(&app, &headers)?;
    let engine = app.catalog.engine_state();
    let memory = memory(&app);
    let read = app.with_store(move |store| {
        let stats = store.stats()?;
        let mut generations = Vec::new();
        for generation in store.generations()? {
            let state = store.progress(generation.number)?;
            generations.push(json!({
                "number": generation.number,
                "model": generation.model,
                "dimension": generation.dim,
                "storage": generation.element.name(),
                "state": generation.state.name(),
                "embedded": state.embedded,
                "failed": state.failed,
                "waiting": state.pending(),
            }));
        }
        Ok(json!({
            "products": stats.products,
            "photos": stats.images,
            "embeddings": stats.embeddings,
            "files": stats.segments,
            "bytes": stats.segment_bytes,
            "unused_rows": stats.rows.saturating_sub(stats.embeddings),
            "generations": generations,
            "engine": engine,
            "memory": memory,
        }))
    });
    Ok(Json(read.await?))
}

/// Bytes of the parts of the service. Weights have the size of their files.
fn memory(app: &App) -> Value {
    let weights = |bundle: &BrowserBundle| bundle.about.weights.bytes;
    json!({
        "catalog": app.catalog.live().memory(),
        "previous_catalog": app.catalog.other().map(|other| other.memory()),
        "weights": {
            "retrieval": app.embedder.weight_bytes(),
            "tagger": weights(&app.tagger),
            "query_encoder": app.query_encoder.as_ref().map(weights),
            "pieces": app.pieces.as_ref().map(|pieces| weights(&pieces.bundle)),
        },
        "decode_budget": app.embedder.decode_budget(),
    })
}

/// All products as one JSON object per line, sorted by id. An import of the file changes nothing.
#[utoipa::path(
    get,
    path = "/api/v1/admin/export",
    tag = "admin",
    responses(
        (status = 200, description = "The products", content_type = "application/x-ndjson"),
        (status = 401, description = "unauthorized", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn export(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, ApiError> {
    check(&app, &headers)?;
    let (parts, waiting) = channel(4);
    let store = Arc::clone(app.catalog.store());
    tokio::task::spawn_blocking(move || {
        let mut out = Parts {
            parts,
            buffer: Vec::new(),
        };
        let done = store
            .export(&mut out)
            .map_err(io::Error::other)
            .and_then(|_| out.flush());
        if let Err(error) = done {
            // The answer ends early, so the client sees that it is incomplete.
            let _ = out.parts.blocking_send(Err(error));
        }
    });
    let body = Body::from_stream(unfold(waiting, |mut waiting| async move {
        let part: io::Result<Bytes> = waiting.recv().await?;
        Some((part, waiting))
    }));
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

/// A writer whose parts are sent to a client.
struct Parts {
    parts: Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
}

impl Write for Parts {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PART {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let part = std::mem::take(&mut self.buffer);
        if part.is_empty() {
            return Ok(());
        }
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.parts.blocking_send(Ok(part.into())).map_err(gone)
    }
}

/// Checks the database, all checksums and all embeddings.
#[utoipa::path(
    post,
    path = "/api/v1/admin/verify",
    tag = "admin",
    params(("Idempotency-Key" = Option<String>, Header, description = "Name of the request. The same request with the same name within a day gets the same task")),
    responses(
        (status = 202, description = "The task", body = Task),
        (status = 401, description = "unauthorized", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "key_reused", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn verify(State(app): State<Arc<App>>, request: Request) -> Result<Response, ApiError> {
    let (parts, _) = admitted(&app, request)?;
    accepted(&app, Job::Verify, RequestKey::of(&parts, [0; 32])?)
}

/// Removes unused embeddings and merges small files.
#[utoipa::path(
    post,
    path = "/api/v1/admin/compact",
    tag = "admin",
    params(("Idempotency-Key" = Option<String>, Header, description = "Name of the request. The same request with the same name within a day gets the same task")),
    responses(
        (status = 202, description = "The task", body = Task),
        (status = 401, description = "unauthorized", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "key_reused", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn compact(State(app): State<Arc<App>>, request: Request) -> Result<Response, ApiError> {
    let (parts, _) = admitted(&app, request)?;
    accepted(&app, Job::Compact, RequestKey::of(&parts, [0; 32])?)
}

/// Copies the catalog into the folder `name` of the service's folder of snapshots.
#[utoipa::path(
    post,
    path = "/api/v1/admin/snapshots/{name}",
    tag = "admin",
    params(
        ("name" = String, Path, description = "Name of the new folder: 1 to 64 letters, digits, `-` and `_`"),
        ("Idempotency-Key" = Option<String>, Header, description = "Name of the request. The same request with the same name within a day gets the same task"),
    ),
    responses(
        (status = 202, description = "The task", body = Task),
        (status = 400, description = "invalid_field", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "unauthorized", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "not_found: the service has no folder of snapshots", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "key_reused", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn snapshot(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, _) = admitted(&app, request)?;
    let folder = app
        .snapshots
        .as_ref()
        .ok_or(ApiError::NotFound("folder of snapshots"))?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > 64 || !name.chars().all(is_plain) {
        return Err(ApiError::field(
            "name",
            "it is not 1 to 64 letters, digits, `-` and `_`",
        ));
    }
    let key = RequestKey::of(&parts, [0; 32])?;
    accepted(&app, Job::Snapshot(folder.join(name)), key)
}

/// Makes the generation before the live one the live one again. Restart the service with its bundle.
#[utoipa::path(
    post,
    path = "/api/v1/admin/generations/roll-back",
    tag = "admin",
    responses(
        (status = 200, description = "The live generation", body = Value),
        (status = 401, description = "unauthorized", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "task_state: no generation is kept", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn roll_back(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    check(&app, &headers)?;
    let store = Arc::clone(app.catalog.store());
    let live = blocking(move || store.roll_back()).await?;
    let live = live.map_err(|error| match error {
        store::StoreError::Generation { message, .. } => ApiError::TaskState(message),
        other => other.into(),
    })?;
    Ok(Json(json!({ "number": live.number, "model": live.model })))
}
