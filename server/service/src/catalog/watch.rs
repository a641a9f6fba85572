//! Watch over the folders of a catalog in use: they may be moved, emptied or replaced while the service runs.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Catalog;
use super::format::Header;

/// Time for which a result is kept.
const KEPT: Duration = Duration::from_secs(1);

/// Number of photos whose files are looked for.
const PROBES: usize = 8;

/// The folders of a catalog in use, with the state in which they were opened.
#[derive(Debug)]
pub(crate) struct Watch {
    dir: PathBuf,
    images: PathBuf,
    header: Header,
    /// Some photos of the catalog, as paths relative to `images`.
    probes: Vec<String>,
    found: Mutex<Found>,
}

#[derive(Debug, Default)]
struct Found {
    when: Option<Instant>,
    fault: Option<String>,
    replaced: bool,
}

impl Watch {
    /// Watches the folder `dir` that `catalog` was opened from, and the folder `images` of its photos.
    pub(crate) fn new(dir: &Path, images: &Path, catalog: &Catalog) -> Self {
        let step = catalog.photos().div_ceil(PROBES).max(1);
        Self {
            dir: dir.to_owned(),
            images: images.to_owned(),
            header: catalog.header().clone(),
            probes: catalog.images().step_by(step).map(str::to_owned).collect(),
            found: Mutex::default(),
        }
    }

    /// Returns why the service could not be restarted or cannot send photos; `None` if the folders are in order. Reads from
    /// the disk at most once per second, so it must not be called on an async thread.
    pub(crate) fn fault(&self) -> Option<String> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.when.is_none_or(|when| when.elapsed() >= KEPT) {
            let looked = self.look();
            let replaced = matches!(looked, Ok(true));
            if replaced && !found.replaced {
                tracing::warn!(catalog = %self.dir.display(), "the catalog was replaced; restart the service to serve the new one");
            }
            let fault = looked.err();
            if fault != found.fault {
                match &fault {
                    Some(fault) => tracing::error!(fault, "a folder of the catalog is missing or was replaced"),
                    None => tracing::info!("the folders of the catalog are in order again"),
                }
            }
            *found = Found {
                when: Some(Instant::now()),
                fault,
                replaced,
            };
        }
        found.fault.clone()
    }

    /// Looks at the folders. `Ok(true)` if the catalog was replaced by another one that the service could serve.
    ///
    /// # Errors
    /// The fault, as text.
    fn look(&self) -> Result<bool, String> {
        let now = Header::read(&self.dir).map_err(|error| error.to_string())?;
        if (&now.model_id, now.dim) != (&self.header.model_id, self.header.dim) {
            return Err(format!(
                "the catalog in {} was replaced by one of {}, and the service runs {}; restart the service with that bundle",
                self.dir.display(),
                now.model_id,
                self.header.model_id
            ));
        }
        if let Some(file) = now.missing_file(&self.dir) {
            return Err(format!(
                "the catalog in {} lacks its file {file}; index the dataset again",
                self.dir.display()
            ));
        }
        if !self.images.is_dir() {
            return Err(format!(
                "the folder {} of the catalog's photos is gone; put it back",
                self.images.display()
            ));
        }
        // One photo may have been removed. If all probes are missing, it is another folder.
        if !self.probes.iter().any(|image| self.images.join(image).is_file()) {
            return Err(format!(
                "the folder {} no longer holds any of the catalog's photos; put them back, or index again and restart",
                self.images.display()
            ));
        }
        Ok(now != self.header)
    }
}
