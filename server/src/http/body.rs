//! Request bodies within bounds of size and time.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use futures::StreamExt;
use tokio::sync::Semaphore;

use super::error::ApiError;

/// How long a body may take to arrive.
const READ_TIME: Duration = Duration::from_secs(30);
/// How much of a body that was refused is still read, and for how long, so that the client gets to read the answer.
const LINGER_BYTES: usize = 32 << 20;
const LINGER_TIME: Duration = Duration::from_secs(2);
/// Refused bodies that are still read at once; the connections of others are closed.
static LINGERING: Semaphore = Semaphore::const_new(8);

/// Reads all of `body`, which must be neither empty nor longer than `limit` bytes.
pub(super) async fn read(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let mut stream = body.into_data_stream();
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        linger(stream);
        return Err(ApiError::PayloadTooLarge { limit });
    }
    match tokio::time::timeout(READ_TIME, collect(&mut stream, limit)).await {
        Ok(Ok(bytes)) if bytes.is_empty() => Err(ApiError::EmptyBody),
        Ok(Err(error @ ApiError::PayloadTooLarge { .. })) => {
            linger(stream);
            Err(error)
        }
        Ok(result) => result,
        Err(_) => Err(ApiError::Timeout),
    }
}

/// Refuses a request before its body is read, but reads on behind the answer's back.
pub(super) fn discard(body: Body) {
    linger(body.into_data_stream());
}

async fn collect(stream: &mut BodyDataStream, limit: usize) -> Result<Bytes, ApiError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| ApiError::field("body", "it broke off; send it again"))?;
        if bytes.len() + chunk.len() > limit {
            return Err(ApiError::PayloadTooLarge { limit });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.into())
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
