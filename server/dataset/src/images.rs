//! A dataset's pictures and masks, cut to their boxes, decoded once and kept in memory while they fit.

use super::manifest::Dataset;
use super::mask::Mask;
use super::photo::Photo;
use anyhow::Context;
use shared::input::{CropBox, InputSpec};
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
    /// Whose margin the boxes get.
    spec: Option<InputSpec>,
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
        Self {
            dataset,
            photos: empty(n),
            masks: empty(n),
            cached: AtomicU64::new(0),
            limit,
            spec: None,
        }
    }

    /// Boxes of the manifest get this input's margin; without, none.
    pub fn with_margin_of(mut self, spec: &InputSpec) -> Self {
        self.spec = Some(spec.clone());
        self
    }

    /// The dataset the pictures belong to.
    pub fn dataset(&self) -> &Arc<Dataset> {
        &self.dataset
    }

    /// The picture of a row, or the part of it within its box and margin.
    ///
    /// # Errors
    /// If the file cannot be read or decoded, or the box is not inside the picture; names the file.
    pub fn get(&self, row: usize) -> anyhow::Result<Arc<Photo>> {
        self.cached(&self.photos[row], Photo::bytes, || {
            let photo = self.read(row)?;
            Ok(match self.window(row, &photo)? {
                Some(window) => photo.cropped(window)?,
                None => photo,
            })
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
        let read = || {
            let path = self.dataset.dir.join(path);
            if self.dataset.rows[row].bounds.is_none() {
                return Mask::read(&path, &*self.get(row)?);
            }
            // A mask is as large as the whole picture.
            let photo = self.read(row)?;
            let mask = Mask::read(&path, &photo)?;
            Ok(match self.window(row, &photo)? {
                Some(window) => mask.cropped(window)?,
                None => mask,
            })
        };
        self.cached(&self.masks[row], |mask| mask.ids().len(), read).map(Some)
    }

    fn read(&self, row: usize) -> anyhow::Result<Photo> {
        Photo::read(&self.dataset.dir.join(&self.dataset.rows[row].path))
    }

    /// The part of a whole picture that its row means; `None` for all of it.
    fn window(&self, row: usize, photo: &Photo) -> anyhow::Result<Option<CropBox>> {
        let row = &self.dataset.rows[row];
        let Some(bounds) = row.bounds else { return Ok(None) };
        let size = (photo.width() as usize, photo.height() as usize);
        let plain = InputSpec::new(1, 1, shared::input::Fit::Stretch);
        let window = self.spec.as_ref().unwrap_or(&plain).with_margin(bounds, size);
        window.map(Some).with_context(|| {
            format!(
                "the manifest's box of {} (line {}) does not fit; correct or remove it",
                row.path, row.line
            )
        })
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
