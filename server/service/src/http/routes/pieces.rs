//! `POST /api/v1/pieces`

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::{Request, State};
use shared::api::{PiecesResponse, Problem};

use super::search::form;
use crate::http::admission::SearchPermit;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::piece_service::PieceService;
use crate::http::{body, encoding};

/// Finds the pieces of the outfit in a photo. The box of a piece is the `crop` of a search for it.
#[utoipa::path(
    post,
    path = "/api/v1/pieces",
    tag = "pieces",
    request_body(content = form::PhotoForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "Pieces, largest first", body = PiecesResponse),
        (
            status = 400,
            description = "empty_body, missing_field or invalid_field",
            body = Problem, content_type = "application/problem+json"
        ),
        (
            status = 404,
            description = "not_found: the shop has no segmenter",
            body = Problem, content_type = "application/problem+json"
        ),
        (status = 408, description = "timeout", body = Problem, content_type = "application/problem+json"),
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
        (status = 503, description = "starting or shutting_down", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "deadline_exceeded", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn pieces(State(app): State<Arc<App>>, request: Request) -> Result<Json<PiecesResponse>, ApiError> {
    let (parts, body) = request.into_parts();
    let service = match admissible(&app, &parts.headers) {
        Ok(service) => service,
        Err(error) => {
            body::discard(body);
            return Err(error);
        }
    };
    let (bytes, memory) = body::read(&app.admission, app.pace, &parts, body, form::MAX_FORM).await?;
    let begun = Instant::now();
    let permit = SearchPermit::new(app.admit_photo()?, memory);
    let answer = async {
        let image = form::read_photo(&parts.headers, bytes).await?;
        service.find(image, &app.embedder, &permit).await
    };
    let answer = tokio::time::timeout(app.deadline, answer).await;
    let answer = answer.map_err(|_| ApiError::DeadlineExceeded(app.deadline))??;
    Ok(Json(PiecesResponse {
        took_ms: begun.elapsed().as_secs_f64() * 1e3,
        ..answer
    }))
}

/// Returns the service for a request whose body should be read.
///
/// # Errors
/// If there is no segmenter, the head of the request is wrong, or all permits are taken. A permit is taken only after the body
/// has arrived.
fn admissible<'a>(app: &'a App, headers: &axum::http::HeaderMap) -> Result<&'a PieceService, ApiError> {
    let service = app.pieces.as_ref().ok_or(ApiError::NotFound("segmenter"))?;
    encoding::check(headers)?;
    if !form::is_form(headers) {
        return Err(ApiError::UnsupportedMediaType);
    }
    drop(app.admit_photo()?);
    Ok(service)
}
