//! Upkeep of the files that a catalog keeps beside its store: uploaded photos and derived sizes.

use std::fs;
use std::time::Duration;

use store::{CompactOptions, Compacted, Store, UPLOADS};

use super::CatalogError;

/// Folder in the store for derived sizes of images.
pub(crate) const SHOWN: &str = "shown";

/// Files of fewer rows than one of these numbers are merged when there are many of them.
///
/// Each number is at most half of the rows of a merged file, so after a merge only one such file is left per generation.
const FEW_ROWS: [usize; 2] = [1 << 12, 1 << 17];

/// Number of files that are many.
const MANY: u64 = 64;

/// Age from which an uploaded photo that no product names is removed.
const UNUSED: Duration = Duration::from_secs(24 * 60 * 60);

/// Merges small files of embeddings if there are many, so that a catalog of any size has few memory maps. Returns true if it
/// merged some.
///
/// # Errors
/// Errors of files and of the database.
pub(super) fn merge(store: &Store) -> Result<bool, CatalogError> {
    let mut has_merged = false;
    for small in FEW_ROWS {
        if store.segments_below(small)? >= MANY {
            store.compact(&CompactOptions {
                small,
                ..CompactOptions::default()
            })?;
            has_merged = true;
        }
    }
    Ok(has_merged)
}

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
