//! Files that clients of the admin API send.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use axum::body::Body;
use futures::StreamExt;

use crate::http::admin::INCOMING;
use crate::http::app::App;
use crate::http::blocking::blocking;
use crate::http::error::ApiError;

/// Maximum time between two parts of a file.
const PAUSE: Duration = Duration::from_secs(30);

/// A new file in a folder of its own. Faults of imports name the file, so it is called `body`.
pub(super) fn new_file(app: &App) -> Result<PathBuf, ApiError> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = app.catalog.store().dir().join(INCOMING).join(number.to_string());
    let made = std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()));
    made.map_err(ApiError::Internal)?;
    Ok(folder.join("body"))
}

/// Writes the body into a file.
pub(super) async fn receive(body: Body, path: &Path) -> Result<(), ApiError> {
    let internal =
        |error: std::io::Error| ApiError::Internal(anyhow::Error::new(error).context("cannot keep the file"));
    let mut file = File::create_new(path).map_err(internal)?;
    let mut stream = body.into_data_stream();
    let mut is_empty = true;
    while let Some(part) = tokio::time::timeout(PAUSE, stream.next())
        .await
        .map_err(|_| ApiError::Timeout)?
    {
        let part = part.map_err(|_| ApiError::field("body", "it is incomplete; send it again"))?;
        is_empty &= part.is_empty();
        let written = blocking(move || file.write_all(&part).map(|()| file)).await?;
        file = written.map_err(internal)?;
    }
    if is_empty { Err(ApiError::EmptyBody) } else { Ok(()) }
}
