//! A dataset's pictures, decoded once and kept in memory while they fit.

use super::manifest::Dataset;
use super::photo::Photo;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Decoded pictures kept at most, in bytes.
const CACHE_BYTES: u64 = 3 << 30;

/// The pictures of a dataset by row.
#[derive(Debug)]
pub struct Images {
    dataset: Arc<Dataset>,
    cache: Vec<OnceLock<Arc<Photo>>>,
    cached: AtomicU64,
}

impl Images {
    /// No picture is read yet.
    pub fn new(dataset: Arc<Dataset>) -> Self {
        let cache = (0..dataset.rows.len()).map(|_| OnceLock::new()).collect();
        Self { dataset, cache, cached: AtomicU64::new(0) }
    }

    /// The dataset the pictures belong to.
    pub fn dataset(&self) -> &Arc<Dataset> {
        &self.dataset
    }

    /// The picture of a row.
    ///
    /// # Errors
    /// If the file cannot be read or decoded; names it.
    pub fn get(&self, row: usize) -> anyhow::Result<Arc<Photo>> {
        if let Some(image) = self.cache[row].get() {
            return Ok(Arc::clone(image));
        }
        let image = Arc::new(Photo::read(&self.dataset.dir.join(&self.dataset.rows[row].path))?);
        let bytes = image.bytes() as u64;
        if self.cached.fetch_add(bytes, Ordering::Relaxed) + bytes <= CACHE_BYTES {
            // Another thread may have been first; both hold the same picture.
            let _ = self.cache[row].set(Arc::clone(&image));
        } else {
            self.cached.fetch_sub(bytes, Ordering::Relaxed);
        }
        Ok(image)
    }
}
