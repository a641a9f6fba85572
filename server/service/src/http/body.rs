//! Request bodies within limits of size, rate, time and memory.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::header::CONTENT_LENGTH;
use axum::http::request::Parts;
use futures::StreamExt;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::admission::{Admission, BodyMemory};
use super::error::ApiError;
use super::limits::Limits;
use super::socket::Activity;

/// Maximum bytes and time for reading the rest of a refused body, so that the client can read the answer.
const LINGER_BYTES: usize = 32 << 20;
const LINGER_TIME: Duration = Duration::from_secs(2);
/// Number of refused bodies that are read at once; the connections of further ones are closed.
static LINGERING: Semaphore = Semaphore::const_new(8);

/// Minimum speed of a body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    grace: Duration,
    rate: f64,
    most: Duration,
}

impl Pace {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            grace: limits.body_grace,
            rate: f64::from(limits.body_rate.max(1)),
            most: limits.body,
        }
    }

    /// Maximum time of a body of which `bytes` have arrived.
    fn allows(self, bytes: usize) -> Duration {
        let earned = Duration::try_from_secs_f64(bytes as f64 / self.rate).unwrap_or(self.most);
        self.grace.saturating_add(earned).min(self.most)
    }
}

/// Reads a whole body, and returns it with its share of the memory for bodies.
///
/// # Errors
/// If the body is empty, longer than `limit` bytes, too slow, incomplete, or no memory is left for it.
pub(super) async fn read(
    admission: &Admission,
    pace: Pace,
    head: &Parts,
    body: Body,
    limit: usize,
) -> Result<(Bytes, BodyMemory), ApiError> {
    let _receiving = head.extensions.get::<Arc<Activity>>().map(Activity::receive);
    let mut stream = body.into_data_stream();
    if announced(head).is_some_and(|length| length > limit as u64) {
        linger(stream);
        return Err(ApiError::PayloadTooLarge { limit });
    }
    match collect(admission.body(), pace, &mut stream, limit).await {
        Ok((bytes, _)) if bytes.is_empty() => Err(ApiError::EmptyBody),
        Err(error @ (ApiError::PayloadTooLarge { .. } | ApiError::Overloaded { .. })) => {
            linger(stream);
            Err(error)
        }
        result => result,
    }
}

/// Length of the body in bytes, if the head of the request states it.
pub(super) fn announced(head: &Parts) -> Option<u64> {
    let length = head.headers.get(CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

/// Reads the body of a refused request in the background, so that the client can read the answer.
pub(super) fn discard(body: Body) {
    linger(body.into_data_stream());
}

async fn collect(
    mut memory: BodyMemory,
    pace: Pace,
    stream: &mut BodyDataStream,
    limit: usize,
) -> Result<(Bytes, BodyMemory), ApiError> {
    let begun = Instant::now();
    let mut bytes = Vec::new();
    loop {
        let next = tokio::time::timeout_at(begun + pace.allows(bytes.len()), stream.next()).await;
        let Some(chunk) = next.map_err(|_| ApiError::Timeout)? else {
            return Ok((bytes.into(), memory));
        };
        let chunk = chunk.map_err(|_| ApiError::field("body", "it is incomplete; send it again"))?;
        if bytes.len() + chunk.len() > limit {
            return Err(ApiError::PayloadTooLarge { limit });
        }
        if !memory.grow_to(bytes.len() + chunk.len()) {
            return Err(ApiError::Overloaded { retry_after_s: 1 });
        }
        bytes.extend_from_slice(&chunk);
    }
}

/// Reads the rest of a body within the limits. If the connection were closed while the client sends, it would be reset
/// and the answer lost.
fn linger(mut stream: BodyDataStream) {
    let Ok(permit) = LINGERING.try_acquire() else { return };
    tokio::spawn(tokio::time::timeout(LINGER_TIME, async move {
        let _permit = permit;
        let mut read = 0;
        while let Some(Ok(chunk)) = stream.next().await {
            read += chunk.len();
            if read > LINGER_BYTES {
                break;
            }
        }
    }));
}
