//! The field `limit` of a search: the maximum number of hits.

use shared::api::MAX_LIMIT;

use super::json::shown;
use crate::http::error::ApiError;

/// Converts a number to a limit.
///
/// # Errors
/// If it is not a whole number from 1 to 50.
pub(super) fn check(value: f64) -> Result<usize, ApiError> {
    if value.fract() == 0.0 && (1.0..=MAX_LIMIT as f64).contains(&value) {
        return Ok(value as usize);
    }
    Err(ApiError::field(
        "limit",
        format!("{} is not a whole number from 1 to {MAX_LIMIT}", shown(value)),
    ))
}

/// The error of a limit that is not a number, with the kind of the value.
pub(super) fn refused(kind: &str) -> ApiError {
    ApiError::field(
        "limit",
        format!("it is {kind}; send a whole number from 1 to {MAX_LIMIT}"),
    )
}
