//! Content codings of request bodies. The service decodes none, so that a small body cannot become a large one.

use axum::http::HeaderMap;
use axum::http::header::CONTENT_ENCODING;

use super::error::ApiError;

/// Checks that the body has no content coding but `identity`.
///
/// # Errors
/// If it has; the error names the coding.
pub(super) fn check(headers: &HeaderMap) -> Result<(), ApiError> {
    let codings = headers.get_all(CONTENT_ENCODING).into_iter();
    for coding in codings.flat_map(|value| value.as_bytes().split(|&byte| byte == b',')) {
        let coding = String::from_utf8_lossy(coding.trim_ascii()).to_ascii_lowercase();
        if !coding.is_empty() && coding != "identity" {
            return Err(ApiError::UnsupportedEncoding(coding.chars().take(40).collect()));
        }
    }
    Ok(())
}
