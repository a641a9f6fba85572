//! Looks after the folders of a catalogue in use: they may be moved or emptied while a service runs.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Catalog;
use super::format::Header;

/// Time for which a finding is kept.
const BELIEVED: Duration = Duration::from_secs(1);

/// Photos whose files are looked for.
const WITNESSES: usize = 8;

/// A catalogue in use, and where it and its photos were when it was opened.
#[derive(Debug)]
pub struct Watch {
    dir: PathBuf,
    images: PathBuf,
    header: Header,
    /// Photos of the catalogue, relative to `images`.
    witnesses: Vec<String>,
    found: Mutex<Found>,
}

#[derive(Debug, Default)]
struct Found {
    when: Option<Instant>,
    fault: Option<String>,
    replaced: bool,
}

impl Watch {
    /// Watches the folder `dir`, from which `catalog` was opened, and the folder `images` of its photos.
    pub fn new(dir: &Path, images: &Path, catalog: &Catalog) -> Self {
        let step = catalog.photos().div_ceil(WITNESSES).max(1);
        Self {
            dir: dir.to_owned(),
            images: images.to_owned(),
            header: catalog.header().clone(),
            witnesses: catalog.images().step_by(step).map(str::to_owned).collect(),
            found: Mutex::default(),
        }
    }

    /// Says why the service could not be started again as it is, or sends no photos; nothing if all is well. Looks at the
    /// disk at most once a second: call it off the async threads.
    pub fn fault(&self) -> Option<String> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.when.is_none_or(|when| when.elapsed() >= BELIEVED) {
            let looked = self.look();
            let replaced = matches!(looked, Ok(true));
            if replaced && !found.replaced {
                tracing::warn!(index = %self.dir.display(), "the index was replaced; restart the service to serve the new one");
            }
            let fault = looked.err();
            if fault != found.fault {
                match &fault {
                    Some(fault) => tracing::error!(fault, "the catalogue's folders are not as they were"),
                    None => tracing::info!("the catalogue's folders are there again"),
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

    /// True if another catalogue that the service could serve took the place of this one; or the fault.
    fn look(&self) -> Result<bool, String> {
        let now = Header::read(&self.dir).map_err(|error| error.to_string())?;
        if (&now.model_id, now.dim) != (&self.header.model_id, self.header.dim) {
            return Err(format!(
                "the catalogue in {} was replaced by one of {}, and the service runs {}; restart it with that bundle",
                self.dir.display(),
                now.model_id,
                self.header.model_id
            ));
        }
        if let Some(file) = now.missing_file(&self.dir) {
            return Err(format!(
                "the catalogue in {} lacks its file {file}; index the dataset again",
                self.dir.display()
            ));
        }
        if !self.images.is_dir() {
            return Err(format!(
                "the folder {} of the catalogue's photos is gone; put it back",
                self.images.display()
            ));
        }
        // One photo may have been removed; that all of these were tells that the folder is another.
        if !self.witnesses.iter().any(|image| self.images.join(image).is_file()) {
            return Err(format!(
                "the folder {} holds none of the catalogue's photos any more; put them back, or index again and restart",
                self.images.display()
            ));
        }
        Ok(now != self.header)
    }
}
