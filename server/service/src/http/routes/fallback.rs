//! All other paths: a file of the page, or 404.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::ALLOW;
use axum::http::{HeaderMap, HeaderValue, Method, Uri};
use axum::response::{IntoResponse, Response};

use crate::http::app::App;
use crate::http::error::ApiError;

/// Answers with a file of the page.
pub(super) async fn fallback(
    State(app): State<Arc<App>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let found = app.site.get(uri.path(), &headers).ok_or(ApiError::NotFound("page"))?;
    if method == Method::GET || method == Method::HEAD {
        return Ok(found);
    }
    let mut refused = ApiError::MethodNotAllowed.into_response();
    refused
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("GET,HEAD"));
    Ok(refused)
}
