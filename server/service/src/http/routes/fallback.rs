//! All other paths: a file of the page, a photo that another app shares, or 404.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{ALLOW, LOCATION};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use crate::http::app::App;
use crate::http::body;
use crate::http::error::ApiError;

/// Path to which other apps share photos with the page, as its manifest states.
const SHARE: &str = "/share";

/// Answers with a file of the page.
///
/// The page's service worker receives the photos that other apps share. Without it, the browser sends the photo here. Then the
/// answer redirects to the page, which asks for the photo again. The photo is not kept.
pub(super) async fn fallback(
    State(app): State<Arc<App>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    if uri.path() == SHARE && method == Method::POST && app.site.get("/", &headers).is_some() {
        body::discard(body);
        return Ok((StatusCode::SEE_OTHER, [(LOCATION, "./?share=again")]).into_response());
    }
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
