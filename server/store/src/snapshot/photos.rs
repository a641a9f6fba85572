//! Photos that were given to a store, in its snapshots.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::error::StoreError;
use crate::folder::{UNPACKED, UPLOADS, copy, link_or_copy, sync_file, sync_folder};

/// Extension of files that are being written.
const PART: &str = ".part";

/// Links or copies the photos of the store in the folder `from`, and syncs them. Returns their names in the snapshot.
///
/// A photo never changes, so links are safe.
pub(super) fn copy_photos(from: &Path, to: &Path) -> Result<Vec<String>, StoreError> {
    let mut copied = Vec::new();
    let mut folders = BTreeSet::new();
    for name in photo_names(from)? {
        let (source, target) = (from.join(&name), to.join(&name));
        for parent in Path::new(&name).ancestors().skip(1) {
            folders.insert(to.join(parent));
        }
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(StoreError::io("create", parent))?;
        }
        let is_link = fs::symlink_metadata(&source).is_ok_and(|data| data.is_symlink());
        let linked = if is_link {
            copy(&source, &target)
        } else {
            link_or_copy(&source, &target)
        };
        match linked {
            // Uploads that no product uses are removed at any time.
            Err(StoreError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => continue,
            linked => linked?,
        }
        sync_file(&target)?;
        copied.push(name);
    }
    folders.iter().try_for_each(|folder| sync_folder(folder))?;
    Ok(copied)
}

/// Names of the photos in the folder `dir` of a store or a snapshot, relative to it and with `/`.
///
/// Files that are being written are left out, and files whose names are not UTF-8, which no product can name.
pub(super) fn photo_names(dir: &Path) -> Result<Vec<String>, StoreError> {
    let mut names = Vec::new();
    let mut folders = vec![UPLOADS.to_owned(), UNPACKED.to_owned()];
    while let Some(folder) = folders.pop() {
        let path = dir.join(&folder);
        let entries = match fs::read_dir(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries.map_err(StoreError::io("read", &path))?,
        };
        for entry in entries {
            let entry = entry.map_err(StoreError::io("read", &path))?;
            let Ok(file) = entry.file_name().into_string() else {
                continue;
            };
            let name = format!("{folder}/{file}");
            match kind(&entry).map_err(StoreError::io("read", &entry.path()))? {
                Kind::Folder => folders.push(name),
                Kind::File if !file.ends_with(PART) => names.push(name),
                Kind::File | Kind::Other => {}
            }
        }
    }
    names.sort();
    Ok(names)
}

enum Kind {
    Folder,
    /// A file, or a link to one.
    File,
    Other,
}

fn kind(entry: &fs::DirEntry) -> io::Result<Kind> {
    let kind = entry.file_type()?;
    let is_link_to_file = || fs::metadata(entry.path()).is_ok_and(|data| data.is_file());
    Ok(if kind.is_dir() {
        Kind::Folder
    } else if kind.is_file() || kind.is_symlink() && is_link_to_file() {
        Kind::File
    } else {
        Kind::Other
    })
}
