//! Images that clients may see: catalog images and samples in derived sizes, by their checksum.
//!
//! A size is made on the first request and kept in the store's folder `shown`. It is a JPEG without metadata. Originals are
//! never sent.

use std::fs;
use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;

use anyhow::Context;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::response::Response;
use dataset::{Photo, thumbnail};
use tokio::sync::Semaphore;

use super::blocking::blocking;
use super::decoding::DecodeMemory;
use super::entity::{Caching, Entity, client_has};
use super::error::ApiError;
use crate::catalog::{Catalog, SHOWN};

/// Largest sides in pixels of the sizes that are sent.
pub(super) const SIZES: [u32; 3] = [320, 640, 1024];

/// Images of a catalog in derived sizes.
pub(super) struct ShownImages {
    catalog: Arc<Catalog>,
    memory: DecodeMemory,
    /// One permit per core.
    makers: Arc<Semaphore>,
}

impl ShownImages {
    /// Images of `catalog`.
    pub(super) fn new(catalog: &Arc<Catalog>, memory: DecodeMemory) -> Self {
        let cores = available_parallelism().map_or(1, NonZero::get);
        Self {
            catalog: Arc::clone(catalog),
            memory,
            makers: Arc::new(Semaphore::new(cores)),
        }
    }

    /// Path of an image on the server, in the size `side`.
    pub(super) fn path(sha256: &str, side: u32) -> String {
        format!("/images/{sha256}-{side}.jpg")
    }

    /// Answers a request for the image `name`, such as `CHECKSUM-640.jpg`.
    ///
    /// # Errors
    /// If neither the catalog nor the samples show such an image, or its file is gone.
    pub(super) async fn get(&self, name: &str, request: &HeaderMap) -> Result<Response, ApiError> {
        let (sha256, side) = parse(name).ok_or(ApiError::NotFound("image"))?;
        let sha256 = sha256.to_owned();
        let store = Arc::clone(self.catalog.store());
        let wanted = sha256.clone();
        let shown = blocking(move || store.shown_image(&wanted)).await??;
        let shown = shown.ok_or(ApiError::NotFound("image"))?;
        let etag = format!("\"{sha256}-{side}\"");
        let entity = |bytes: Vec<u8>| Entity::plain(Bytes::from(bytes), "image/jpeg", etag.clone(), Caching::Immutable);
        if client_has(request, &etag) {
            return Ok(entity(Vec::new()).respond(request));
        }
        let path = self
            .catalog
            .store()
            .dir()
            .join(SHOWN)
            .join(format!("{sha256}-{side}.jpg"));
        let kept = path.clone();
        if let Ok(bytes) = blocking(move || fs::read(kept)).await? {
            return Ok(entity(bytes).respond(request));
        }
        let permit = Arc::clone(&self.makers).acquire_owned().await;
        let permit = permit.map_err(|closed| ApiError::Internal(closed.into()))?;
        let files = self.catalog.photo_files()?;
        let (source, checksum) = (shown.source.clone(), sha256.clone());
        let original = blocking(move || files.bytes(&source, &checksum)).await?;
        let original = original.map_err(|reason| {
            tracing::warn!(source = shown.source, reason, "an image of the catalog cannot be shown");
            ApiError::NotFound("image")
        })?;
        let memory = self.memory.acquire(&original).await?;
        let made = blocking(move || -> anyhow::Result<Vec<u8>> {
            let _held = (permit, memory);
            let photo = Photo::decode(&original)?;
            drop(original);
            let bytes = thumbnail(&photo, side)?;
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
            }
            // Two requests may write the same bytes at once, so each has its own temporary file.
            let part = path.with_extension(format!("{}.part", next_number()));
            let written = fs::write(&part, &bytes).and_then(|()| fs::rename(&part, &path));
            if let Err(error) = written {
                let _ = fs::remove_file(&part);
                tracing::warn!(%error, path = %path.display(), "a size of an image cannot be kept");
            }
            Ok(bytes)
        });
        Ok(entity(made.await?.map_err(ApiError::Internal)?).respond(request))
    }
}

/// A number that no other request of this process has.
fn next_number() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Checksum and size in the name of an image.
fn parse(name: &str) -> Option<(&str, u32)> {
    let (sha256, side) = name.strip_suffix(".jpg")?.split_once('-')?;
    let side = side.parse().ok().filter(|side| SIZES.contains(side))?;
    let is_hash = sha256.len() == 64 && sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_hash.then_some((sha256, side))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_a_checksum_and_a_known_size() {
        let hash = "0123456789abcdef".repeat(4);
        assert_eq!(parse(&format!("{hash}-640.jpg")), Some((hash.as_str(), 640)));
        for name in [
            format!("{hash}-641.jpg"),
            format!("{hash}.jpg"),
            format!("{}-640.jpg", &hash[1..]),
            format!("{}-640.jpg", hash.to_uppercase()),
            "../secret-640.jpg".to_owned(),
        ] {
            assert_eq!(parse(&name), None, "{name}");
        }
    }
}
