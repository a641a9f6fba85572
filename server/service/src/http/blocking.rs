//! Work that blocks.

use super::error::ApiError;

/// Runs `work` off the async threads. It continues if the client leaves.
///
/// # Errors
/// If it panics.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| ApiError::Internal(error.into()))
}
