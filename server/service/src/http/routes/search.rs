//! `POST /api/v1/search`

mod crop;
mod cursor;
mod embedding;
pub(super) mod form;
mod json;
mod limit;
mod options;
mod photos;
mod request;

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use search::Rerank;
use shared::api::{Problem, SearchRequest, SearchResponse};

use options::Asked;

use crate::http::admission::SearchPermit;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::{body, convert, encoding};

/// Maximum bytes of a JSON body. The longest embeddings take some hundred kilobytes.
const MAX_JSON: usize = 1 << 20;

/// Finds the products most similar to a photo, to several photos of one thing, to an embedding of the catalog's model or its
/// query encoder, to a product, or to examples.
#[utoipa::path(
    post,
    path = "/api/v1/search",
    tag = "catalog",
    request_body(content(
        (form::SearchForm = "multipart/form-data"),
        (SearchRequest = "application/json"),
    )),
    responses(
        (status = 200, description = "Products without duplicates, best first", body = SearchResponse),
        (
            status = 400,
            description = "empty_body, missing_field, invalid_field, invalid_crop, invalid_embedding, \
                           wrong_dimension, unknown_category or invalid_filter",
            body = Problem, content_type = "application/problem+json"
        ),
        (status = 404, description = "unknown_product", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "timeout", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "wrong_model", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "stale_cursor", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "payload_too_large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "unsupported_media_type", body = Problem, content_type = "application/problem+json"),
        (
            status = 422,
            description = "not_an_image, unsupported_image, image_truncated or image_too_large",
            body = Problem, content_type = "application/problem+json"
        ),
        (
            status = 429,
            description = "overloaded; try again after `Retry-After` seconds",
            body = Problem, content_type = "application/problem+json"
        ),
        (
            status = 503,
            description = "starting, shutting_down, or search_unavailable while a vector engine is away; try again after `Retry-After` seconds",
            body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "deadline_exceeded", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn search(State(app): State<Arc<App>>, request: Request) -> Result<Json<SearchResponse>, ApiError> {
    let (parts, body) = request.into_parts();
    if let Err(error) = encoding::check(&parts.headers) {
        body::discard(body);
        return Err(error);
    }
    let (kind, limit) = match kind(&parts.headers) {
        Some(kind @ Kind::Form) => (kind, form::MAX_FORM),
        Some(kind @ Kind::Json) => (kind, MAX_JSON),
        None if parts.headers.contains_key(CONTENT_TYPE) => {
            body::discard(body);
            return Err(ApiError::UnsupportedMediaType);
        }
        None => {
            // Without a content type the body is missing or wrong. Reading it tells which.
            body::read(&app.admission, app.pace, &parts, body, MAX_JSON).await?;
            return Err(ApiError::UnsupportedMediaType);
        }
    };
    let admit = || match kind {
        Kind::Form => app.admit_photo(),
        Kind::Json => app.admit_embedding(),
    };
    // If all permits are taken, the body need not be read. A permit is taken only after the body has arrived.
    if let Err(error) = admit() {
        body::discard(body);
        return Err(error);
    }
    let (bytes, memory) = body::read(&app.admission, app.pace, &parts, body, limit).await?;
    let begun = Instant::now();
    let search_permit = SearchPermit::new(admit()?, memory);
    let answer = answer(&app, kind, &parts.headers, bytes, &search_permit);
    let answer = tokio::time::timeout(app.deadline, answer).await;
    let answer = answer.map_err(|_| ApiError::DeadlineExceeded(app.deadline))??;
    Ok(Json(SearchResponse {
        took_ms: begun.elapsed().as_secs_f64() * 1e3,
        ..answer
    }))
}

/// Answers a body that has arrived. The caller sets the time that the answer took.
async fn answer(
    app: &App,
    kind: Kind,
    headers: &HeaderMap,
    bytes: Bytes,
    search_permit: &SearchPermit,
) -> Result<SearchResponse, ApiError> {
    let Asked {
        query,
        crop,
        floors,
        wire,
    } = match kind {
        Kind::Form => {
            let form = form::read(headers, bytes).await?;
            photos::query(app, form, search_permit).await?
        }
        Kind::Json => request::query(app, embedding::read(bytes).await?).await?,
    };
    let category = query.category.map(|category| category.id().to_owned());
    let embedding = query.embedding.clone();
    let (hits, answer) = app.search(query, search_permit).await?;
    let (generation, model_id) = (answer.generation(), answer.model_id().to_owned());
    let next = answer
        .next
        .filter(|after| app.rerank.method == Rerank::None && after.seen <= cursor::MAX_SEEN);
    Ok(SearchResponse {
        model_id,
        category,
        crop,
        floor: floors.similar,
        confidence: floors.confidence(hits.first().map(|hit| hit.score)),
        hits: hits.iter().map(|hit| convert::hit(hit, &app.parts)).collect(),
        facets: answer
            .facets
            .iter()
            .map(|facet| serde_json::to_value(facet).unwrap_or_default())
            .collect(),
        next: next.map(|after| cursor::Cursor::new(generation, &embedding, wire, after).encode(&app.cursor_key)),
        took_ms: 0.0,
    })
}

/// Kind of a search's body.
#[derive(Clone, Copy)]
enum Kind {
    /// A photo as a multipart form.
    Form,
    /// An embedding as JSON.
    Json,
}

fn kind(headers: &HeaderMap) -> Option<Kind> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let media_type = value.split(';').next().unwrap_or(value).trim().to_ascii_lowercase();
    match media_type.as_str() {
        "multipart/form-data" => Some(Kind::Form),
        "application/json" => Some(Kind::Json),
        _ => None,
    }
}
