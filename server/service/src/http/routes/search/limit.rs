//! The number of hits that a search asks for.

use shared::api::MAX_LIMIT;

use super::json::shown;
use crate::http::error::ApiError;

/// The limit that a number states.
pub(super) fn check(value: f64) -> Result<usize, ApiError> {
    if value.fract() == 0.0 && (1.0..=MAX_LIMIT as f64).contains(&value) {
        return Ok(value as usize);
    }
    Err(ApiError::field(
        "limit",
        format!("{} is not a whole number from 1 to {MAX_LIMIT}", shown(value)),
    ))
}

/// A limit that is no number but of another kind.
pub(super) fn refused(kind: &str) -> ApiError {
    ApiError::field(
        "limit",
        format!("it is {kind}; send a whole number from 1 to {MAX_LIMIT}"),
    )
}
