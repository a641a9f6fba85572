//! A dataset's pictures and masks, decoded once and kept in memory while they fit.

use super::manifest::Dataset;
use super::mask::Mask;
use super::photo::Photo;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Decoded pictures and masks kept at most, in bytes.
const CACHE_BYTES: u64 = 3 << 30;

/// The pictures of a dataset by row.
#[derive(Debug)]
pub struct Images {
    dataset: Arc<Dataset>,
    photos: Vec<OnceLock<Arc<Photo>>>,
    masks: Vec<OnceLock<Arc<Mask>>>,
    cached: AtomicU64,
    limit: u64,
}

impl Images {
    /// No picture is read yet.
    pub fn new(dataset: Arc<Dataset>) -> Self {
        Self::keeping(dataset, CACHE_BYTES)
    }

    /// As [`Images::new`], with at most `limit` bytes of decoded pictures kept; 0 decodes every time.
    pub fn keeping(dataset: Arc<Dataset>, limit: u64) -> Self {
        fn empty<T>(n: usize) -> Vec<OnceLock<T>> {
            (0..n).map(|_| OnceLock::new()).collect()
        }
        let n = dataset.rows.len();
        Self { dataset, photos: empty(n), masks: empty(n), cached: AtomicU64::new(0), limit }
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
        self.cached(&self.photos[row], Photo::bytes, || {
            Photo::read(&self.dataset.dir.join(&self.dataset.rows[row].path))
        })
    }

    /// The label map of a row; `None` where the manifest names none.
    ///
    /// # Errors
    /// As [`Images::get`], and if the mask has another size than its picture.
    pub fn mask(&self, row: usize) -> anyhow::Result<Option<Arc<Mask>>> {
        let path = &self.dataset.rows[row].mask;
        if path.is_empty() {
            return Ok(None);
        }
        let read = || Mask::read(&self.dataset.dir.join(path), &*self.get(row)?);
        self.cached(&self.masks[row], |mask| mask.ids().len(), read).map(Some)
    }

    fn cached<T>(
        &self,
        place: &OnceLock<Arc<T>>,
        bytes: impl Fn(&T) -> usize,
        read: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<Arc<T>> {
        if let Some(kept) = place.get() {
            return Ok(Arc::clone(kept));
        }
        let value = Arc::new(read()?);
        let bytes = bytes(&value) as u64;
        if self.cached.fetch_add(bytes, Ordering::Relaxed) + bytes <= self.limit {
            // Another thread may have been first; both hold the same.
            let _ = place.set(Arc::clone(&value));
        } else {
            self.cached.fetch_sub(bytes, Ordering::Relaxed);
        }
        Ok(value)
    }
}
