//! Request bodies within bounds of size, rate, time and memory.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::header::CONTENT_LENGTH;
use axum::http::request::Parts;
use futures::StreamExt;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::App;
use super::admission::BodyMemory;
use super::error::ApiError;
use super::limits::Limits;
use super::socket::Activity;

/// Amount of a refused body that is still read, and the time for it, so that the client gets to read the answer.
const LINGER_BYTES: usize = 32 << 20;
const LINGER_TIME: Duration = Duration::from_secs(2);
/// Refused bodies that are still read at once; the connections of others are closed.
static LINGERING: Semaphore = Semaphore::const_new(8);

/// Bounds on how slowly a body may come.
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

    /// The time that a body may take of which `bytes` have arrived.
    fn allows(self, bytes: usize) -> Duration {
        let earned = Duration::try_from_secs_f64(bytes as f64 / self.rate).unwrap_or(self.most);
        self.grace.saturating_add(earned).min(self.most)
    }
}

/// Reads all of `body`, which must be neither empty nor longer than `limit` bytes. Its share of the memory for bodies
/// comes with it.
pub(super) async fn read(app: &App, head: &Parts, body: Body, limit: usize) -> Result<(Bytes, BodyMemory), ApiError> {
    let _receiving = head.extensions.get::<Arc<Activity>>().map(Activity::receive);
    let mut stream = body.into_data_stream();
    let announced = head
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        linger(stream);
        return Err(ApiError::PayloadTooLarge { limit });
    }
    match collect(app.admission.body(), app.pace, &mut stream, limit).await {
        Ok((bytes, _)) if bytes.is_empty() => Err(ApiError::EmptyBody),
        Err(error @ (ApiError::PayloadTooLarge { .. } | ApiError::Overloaded { .. })) => {
            linger(stream);
            Err(error)
        }
        result => result,
    }
}

/// Refuses a request before its body is read, but reads on behind the answer's back.
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
        let chunk = chunk.map_err(|_| ApiError::field("body", "it broke off; send it again"))?;
        if bytes.len() + chunk.len() > limit {
            return Err(ApiError::PayloadTooLarge { limit });
        }
        if !memory.grow_to(bytes.len() + chunk.len()) {
            return Err(ApiError::Overloaded { retry_after_s: 1 });
        }
        bytes.extend_from_slice(&chunk);
    }
}

/// A connection that is closed while the client still sends is reset, and the answer is lost with it.
fn linger(mut stream: BodyDataStream) {
    let Ok(place) = LINGERING.try_acquire() else { return };
    tokio::spawn(tokio::time::timeout(LINGER_TIME, async move {
        let _place = place;
        let mut read = 0;
        while let Some(Ok(chunk)) = stream.next().await {
            read += chunk.len();
            if read > LINGER_BYTES {
                break;
            }
        }
    }));
}
