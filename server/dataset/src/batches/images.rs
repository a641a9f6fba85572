//! Images and masks of a dataset, cropped to their boxes and cached in memory up to a limit.

use crate::decode::{Mask, Photo};
use crate::manifest::Dataset;
use anyhow::Context;
use shared::input::{CropBox, InputSpec};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Default size of the cache in bytes.
const CACHE_BYTES: u64 = 3 << 30;

/// Images and masks of a dataset by row.
#[derive(Debug)]
pub struct Images {
    dataset: Arc<Dataset>,
    photos: Vec<OnceLock<Arc<Photo>>>,
    masks: Vec<OnceLock<Arc<Mask>>>,
    cached: AtomicU64,
    limit: u64,
    /// Input whose margin is added to boxes.
    spec: Option<InputSpec>,
}

impl Images {
    /// Creates an empty cache of the default size. Images are read on demand.
    pub fn new(dataset: Arc<Dataset>) -> Self {
        Self::keeping(dataset, CACHE_BYTES)
    }

    /// Like [`Images::new`], with a cache of at most `limit` bytes. 0 disables the cache.
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

    /// Adds the margin of an input to the boxes of the manifest. By default there is no margin.
    pub fn with_margin_of(mut self, spec: &InputSpec) -> Self {
        self.spec = Some(spec.clone());
        self
    }

    /// Dataset of the images.
    pub fn dataset(&self) -> &Arc<Dataset> {
        &self.dataset
    }

    /// Returns the image of a row, cropped to its box with margin.
    ///
    /// # Errors
    /// If the file cannot be read or decoded, or the box exceeds the image. Names the file.
    pub fn get(&self, row: usize) -> anyhow::Result<Arc<Photo>> {
        self.cached(&self.photos[row], Photo::bytes, || {
            let photo = self.read(row)?;
            Ok(match self.window(row, &photo)? {
                Some(window) => photo.cropped(window)?,
                None => photo,
            })
        })
    }

    /// Returns the label map of a row, or `None` for a row without a mask.
    ///
    /// # Errors
    /// Like [`Images::get`], and if mask and image differ in size.
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
            // A mask has the size of the whole image.
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

    /// Returns the box of a row with margin, or `None` for the whole image.
    fn window(&self, row: usize, photo: &Photo) -> anyhow::Result<Option<CropBox>> {
        let row = &self.dataset.rows[row];
        let Some(bounds) = row.bounds else { return Ok(None) };
        let size = (photo.width() as usize, photo.height() as usize);
        let plain = InputSpec::new(1, 1, shared::input::Fit::Stretch);
        let window = self.spec.as_ref().unwrap_or(&plain).with_margin(bounds, size);
        window.map(Some).with_context(|| {
            format!(
                "the manifest's box of {} (line {}) exceeds the image; correct or remove it",
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
            // Another thread may have stored the same value before.
            let _ = place.set(Arc::clone(&value));
        } else {
            self.cached.fetch_sub(bytes, Ordering::Relaxed);
        }
        Ok(value)
    }
}
