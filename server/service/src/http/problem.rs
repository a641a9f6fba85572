//! Errors as RFC 9457 problem documents.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use shared::api::{PROBLEM_MEDIA_TYPE, Problem, ProblemCode};

/// What a failed response carries until [`render`] writes its body.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    /// The stable name.
    pub(super) code: ProblemCode,
    /// For the client.
    pub(super) detail: String,
    /// When to try again.
    pub(super) retry_after_s: Option<u64>,
    /// For the log only.
    pub(super) cause: Option<String>,
}

/// The failure behind a response: what its handler said, or what its bare status means.
pub(super) fn failure(response: &mut Response) -> Option<Failure> {
    let stated = response.extensions_mut().remove::<Failure>();
    let status = response.status();
    if stated.is_some() || !(status.is_client_error() || status.is_server_error()) {
        return stated;
    }
    let (code, detail) = match status {
        StatusCode::NOT_FOUND => (ProblemCode::NotFound, "there is nothing at this path"),
        StatusCode::METHOD_NOT_ALLOWED => (ProblemCode::MethodNotAllowed, "this path does not take that method"),
        StatusCode::PAYLOAD_TOO_LARGE => (ProblemCode::PayloadTooLarge, "the body is too large"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (
            ProblemCode::UnsupportedMediaType,
            "the content type is not one this endpoint reads",
        ),
        StatusCode::REQUEST_TIMEOUT => (ProblemCode::Timeout, "the request did not arrive in time"),
        StatusCode::GATEWAY_TIMEOUT => (ProblemCode::DeadlineExceeded, "the answer was not there in time"),
        status if status.is_client_error() => (ProblemCode::InvalidField, "the request cannot be read"),
        _ => (
            ProblemCode::Internal,
            "the server failed; its log tells more under the request id",
        ),
    };
    Some(Failure {
        code,
        detail: detail.into(),
        retry_after_s: None,
        cause: None,
    })
}

/// Makes `response` the problem document of `failure`; its status and other headers stay.
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

/// A code as it stands in JSON.
pub(super) fn code_name(code: ProblemCode) -> String {
    match serde_json::to_value(code) {
        Ok(serde_json::Value::String(name)) => name,
        _ => "internal".into(),
    }
}

fn title(code: ProblemCode) -> &'static str {
    match code {
        ProblemCode::EmptyBody => "The body is empty",
        ProblemCode::NotAnImage => "The file is not a picture",
        ProblemCode::UnsupportedImage => "The kind of picture is not supported",
        ProblemCode::ImageTruncated => "The picture is damaged",
        ProblemCode::ImageTooLarge => "The picture is too large",
        ProblemCode::PayloadTooLarge => "The body has too many bytes",
        ProblemCode::UnsupportedMediaType => "The content type is not supported",
        ProblemCode::MissingField => "A field is missing",
        ProblemCode::InvalidField => "A field is invalid",
        ProblemCode::InvalidCrop => "The crop box is not inside the picture",
        ProblemCode::InvalidEmbedding => "The embedding is invalid",
        ProblemCode::WrongDimension => "The embedding has the wrong length",
        ProblemCode::WrongModel => "The embedding lies in another space than the catalogue's",
        ProblemCode::UnknownCategory => "The category is unknown",
        ProblemCode::NotFound => "Not found",
        ProblemCode::MethodNotAllowed => "Method not allowed",
        ProblemCode::Timeout => "The request took too long",
        ProblemCode::Overloaded => "The server is busy",
        ProblemCode::ShuttingDown => "The server is not ready",
        ProblemCode::DeadlineExceeded => "The answer took too long",
        ProblemCode::Internal => "The server failed",
    }
}
