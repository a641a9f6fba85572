//! Files that clients of the admin API send.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use axum::body::Body;
use axum::http::request::Parts;
use futures::StreamExt;
use sha2::{Digest, Sha256};

use crate::http::admin::{INCOMING, remove_incoming};
use crate::http::app::App;
use crate::http::blocking::blocking;
use crate::http::body;
use crate::http::error::ApiError;

/// Maximum time between two parts of a file.
const PAUSE: Duration = Duration::from_secs(30);

/// A file that a client sent, in a folder of its own. Both are removed when this is dropped.
pub(super) struct Received {
    path: PathBuf,
    sha256: [u8; 32],
}

impl Received {
    /// Creates an empty file. Faults of imports name the file, so it is called `body`.
    fn create(app: &App) -> Result<(Self, File), ApiError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = app.catalog.store().dir().join(INCOMING).join(number.to_string());
        let received = Self {
            path: folder.join("body"),
            sha256: [0; 32],
        };
        let file = std::fs::create_dir_all(&folder).and_then(|()| File::create_new(&received.path));
        let file = file.with_context(|| format!("cannot create {}", received.path.display()));
        Ok((received, file.map_err(ApiError::Internal)?))
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// SHA-256 of the file.
    pub(super) fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// The file, which the caller removes.
    pub(super) fn into_path(mut self) -> PathBuf {
        std::mem::take(&mut self.path)
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            remove_incoming(&self.path);
        }
    }
}

/// Writes the body into a file.
///
/// # Errors
/// If the body is empty, incomplete, slow or larger than the limit, or the file cannot be written.
pub(super) async fn receive(app: &App, head: &Parts, body: Body) -> Result<Received, ApiError> {
    let limit = app.upload_bytes;
    let too_large = || ApiError::PayloadTooLarge {
        limit: usize::try_from(limit).unwrap_or(usize::MAX),
    };
    if body::announced(head).is_some_and(|length| length > limit) {
        body::discard(body);
        return Err(too_large());
    }
    let internal =
        |error: std::io::Error| ApiError::Internal(anyhow::Error::new(error).context("cannot keep the file"));
    let (mut received, mut file) = Received::create(app)?;
    let mut hash = Sha256::new();
    let mut stream = body.into_data_stream();
    let mut bytes = 0;
    while let Some(part) = tokio::time::timeout(PAUSE, stream.next())
        .await
        .map_err(|_| ApiError::Timeout)?
    {
        let part = part.map_err(|_| ApiError::field("body", "it is incomplete; send it again"))?;
        bytes += part.len() as u64;
        if bytes > limit {
            body::discard(Body::from_stream(stream));
            return Err(too_large());
        }
        let written = blocking(move || {
            hash.update(&part);
            file.write_all(&part).map(|()| (file, hash))
        });
        (file, hash) = written.await?.map_err(internal)?;
    }
    received.sha256 = hash.finalize().into();
    if bytes == 0 {
        Err(ApiError::EmptyBody)
    } else {
        Ok(received)
    }
}
