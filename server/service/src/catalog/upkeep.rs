//! Upkeep of the files that a catalog keeps beside its store: uploaded photos and derived sizes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use store::{CompactOptions, Compacted, SnapshotSummary, Store};

use super::CatalogError;
use super::photo_files::{UNPACKED, UPLOADS};

/// Folder in the store for derived sizes of images.
pub(crate) const SHOWN: &str = "shown";

/// Age from which an uploaded photo that no product names is removed.
const UNUSED: Duration = Duration::from_secs(24 * 60 * 60);

/// Merges files of embeddings, removes unused embeddings, and removes uploads and derived sizes that no product or sample uses.
///
/// # Errors
/// Errors of files and of the database.
pub fn compact(store: &Store) -> Result<Compacted, CatalogError> {
    let compacted = store.compact(&CompactOptions::default())?;
    for (folder, age) in [(UPLOADS, UNUSED), (SHOWN, Duration::ZERO)] {
        let Ok(entries) = fs::read_dir(store.dir().join(folder)) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let hash: String = name.chars().take(64).collect();
            let modified = entry.metadata().and_then(|data| data.modified()).ok();
            let is_old = modified
                .and_then(|time| time.elapsed().ok())
                .is_some_and(|elapsed| elapsed >= age);
            if is_old && store.shown_image(&hash)?.is_none() {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
    Ok(compacted)
}

/// Copies the store and the photos that were given to it into the new folder `dir`. Photos in the shop's own folder are not
/// copied.
///
/// # Errors
/// As [`Store::snapshot`], and errors of files.
pub fn snapshot(store: &Store, dir: &Path) -> anyhow::Result<SnapshotSummary> {
    let summary = store.snapshot(dir)?;
    copy_photos(store.dir(), dir)?;
    Ok(summary)
}

/// Checks a snapshot and copies it into the new folder `target`, which is a catalog afterwards.
///
/// # Errors
/// As [`store::restore`], and errors of files.
pub fn restore(snapshot: &Path, target: &Path) -> anyhow::Result<SnapshotSummary> {
    let summary = store::restore(snapshot, target)?;
    copy_photos(snapshot, target)?;
    Ok(summary)
}

/// Links or copies the photos that were given to a store. A file never changes, so links are safe.
fn copy_photos(from: &Path, to: &Path) -> anyhow::Result<()> {
    for folder in [UPLOADS, UNPACKED] {
        let source = from.join(folder);
        if source.is_dir() {
            copy_folder(&source, &to.join(folder)).with_context(|| format!("cannot copy {}", source.display()))?;
        }
    }
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else if fs::hard_link(entry.path(), &target).is_err() {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
