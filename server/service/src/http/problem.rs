//! Errors as RFC 9457 problem documents.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use shared::api::{PROBLEM_MEDIA_TYPE, Problem, ProblemCode};

/// Error of a response, as an extension until [`render`] writes the body.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    /// The stable code.
    pub(super) code: ProblemCode,
    /// Text for the client.
    pub(super) detail: String,
    /// Seconds after which the client may try again.
    pub(super) retry_after_s: Option<u64>,
    /// Cause, only for the log.
    pub(super) cause: Option<String>,
}

/// Returns the error of a response: the handler's own, or one for a bare status.
pub(super) fn failure(response: &mut Response) -> Option<Failure> {
    let stated = response.extensions_mut().remove::<Failure>();
    let status = response.status();
    if stated.is_some() || !(status.is_client_error() || status.is_server_error()) {
        return stated;
    }
    let (code, detail) = match status {
        StatusCode::NOT_FOUND => (ProblemCode::NotFound, "there is nothing at this path; check the path"),
        StatusCode::METHOD_NOT_ALLOWED => (
            ProblemCode::MethodNotAllowed,
            "this path does not accept this method; the header Allow lists the methods that it accepts",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => (
            ProblemCode::PayloadTooLarge,
            "the body is too large; send a smaller one",
        ),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (
            ProblemCode::UnsupportedMediaType,
            "this endpoint does not read this content type; see GET /api/v1/openapi.json",
        ),
        StatusCode::REQUEST_TIMEOUT => (
            ProblemCode::Timeout,
            "the request did not arrive in time; send it again",
        ),
        StatusCode::GATEWAY_TIMEOUT => (
            ProblemCode::DeadlineExceeded,
            "the answer was not ready in time; try again",
        ),
        status if status.is_client_error() => (
            ProblemCode::InvalidField,
            "the request cannot be parsed; check its path and headers",
        ),
        _ => (
            ProblemCode::Internal,
            "the server failed; its log has the cause under the request id",
        ),
    };
    Some(Failure {
        code,
        detail: detail.into(),
        retry_after_s: None,
        cause: None,
    })
}

/// Replaces the body of `response` by the problem document of `failure`. The status and other headers stay.
pub(super) fn render(response: Response, failure: &Failure, request_id: &str) -> Response {
    let name = code_name(failure.code);
    let problem = Problem {
        kind: format!("urn:selvedge:problem:{name}"),
        title: title(failure.code).into(),
        status: response.status().as_u16(),
        code: failure.code,
        detail: failure.detail.clone(),
        request_id: request_id.to_owned(),
    };
    // A structure of strings and numbers always serialises.
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    parts
        .headers
        .insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_MEDIA_TYPE));
    parts
        .headers
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = failure.retry_after_s {
        parts.headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    Response::from_parts(parts, Body::from(body))
}

/// Name of a code in JSON.
pub(super) fn code_name(code: ProblemCode) -> String {
    match serde_json::to_value(code) {
        Ok(serde_json::Value::String(name)) => name,
        _ => "internal".into(),
    }
}

fn title(code: ProblemCode) -> &'static str {
    match code {
        ProblemCode::EmptyBody => "The body is empty",
        ProblemCode::NotAnImage => "The file is not an image",
        ProblemCode::UnsupportedImage => "The image format is not supported",
        ProblemCode::ImageTruncated => "The image is damaged",
        ProblemCode::ImageTooLarge => "The image is too large",
        ProblemCode::PayloadTooLarge => "The body has too many bytes",
        ProblemCode::UnsupportedMediaType => "The content type is not supported",
        ProblemCode::MissingField => "A field is missing",
        ProblemCode::InvalidField => "A field is invalid",
        ProblemCode::InvalidCrop => "The crop box is not inside the photo",
        ProblemCode::InvalidEmbedding => "The embedding is invalid",
        ProblemCode::WrongDimension => "The embedding has the wrong length",
        ProblemCode::WrongModel => "The embedding lies in another space than the catalog's",
        ProblemCode::UnknownCategory => "The category is unknown",
        ProblemCode::InvalidFilter => "The filter does not fit the catalog",
        ProblemCode::StaleCursor => "The cursor is too old",
        ProblemCode::UnknownProduct => "The product is unknown",
        ProblemCode::VersionConflict => "The product has another version",
        ProblemCode::KeyReused => "The idempotency key belongs to another request",
        ProblemCode::Unauthorized => "The admin key is missing or wrong",
        ProblemCode::TaskState => "The task cannot do this now",
        ProblemCode::NotFound => "Not found",
        ProblemCode::MethodNotAllowed => "Method not allowed",
        ProblemCode::Timeout => "The request took too long",
        ProblemCode::Overloaded => "The server is busy",
        ProblemCode::Starting => "The server is starting",
        ProblemCode::ShuttingDown => "The server is not ready",
        ProblemCode::SearchUnavailable => "The search is not available",
        ProblemCode::DeadlineExceeded => "The answer took too long",
        ProblemCode::Internal => "The server failed",
    }
}
