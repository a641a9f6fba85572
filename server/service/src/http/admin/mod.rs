//! The admin API: its key, and its tasks.

mod keys;
mod runner;

pub(super) use keys::{RequestKey, key_of};
pub(super) use runner::{Added, INCOMING, Job, NotCancelled, Runner, remove_incoming};

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};

use super::error::ApiError;
use super::signing::is_equal;

/// The key of the admin API, as its SHA-256.
#[derive(Clone)]
pub(super) struct AdminKey([u8; 32]);

impl AdminKey {
    pub(super) fn new(key: &str) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// Checks the header `Authorization: Bearer KEY`.
    ///
    /// # Errors
    /// If the header is missing or has another key.
    fn check(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| value.strip_prefix("Bearer "));
        let Some(given) = given else {
            return Err(ApiError::Unauthorized(
                "the admin API requires its key; send the header Authorization: Bearer KEY",
            ));
        };
        if is_equal(&self.0, &Sha256::digest(given.trim())) {
            Ok(())
        } else {
            Err(ApiError::Unauthorized("the admin key is wrong"))
        }
    }
}

/// Checks a request to the admin API.
///
/// # Errors
/// If the service has no key, so that there is no admin API, or the request has another one.
pub(super) fn check(key: Option<&AdminKey>, headers: &HeaderMap) -> Result<(), ApiError> {
    match key {
        Some(key) => key.check(headers),
        None => Err(ApiError::NotFound("path")),
    }
}
