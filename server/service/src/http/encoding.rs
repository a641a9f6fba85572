//! Content codings of request bodies: none is undone here, so that a small body never becomes a large one.

use axum::http::HeaderMap;
use axum::http::header::CONTENT_ENCODING;

use super::error::ApiError;

/// Refuses bodies in any coding but `identity`, by its name.
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
