//! Snapshots and their restore.
//!
//! A snapshot is a folder with `store.sqlite`, `segments/`, the photos in `uploads/` and `photos/`, and `SHA256SUMS`, which
//! `sha256sum -c` reads. `SHA256SUMS` lists all files. It is written last, so a folder without it is not a snapshot.

mod photos;
mod sums;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::Progress;
use sha2::{Digest, Sha256};

use crate::db::{self, outbox, segments};
use crate::error::StoreError;
use crate::folder::{
    DATABASE, RESTORING, SEGMENTS, copy, create_empty, link_or_copy, segment_path, sync_file, sync_folder,
};
use crate::image::hex;
use crate::repair::open_segment;
use crate::segment::Check;
use crate::store::Store;
use photos::{copy_photos, photo_names};
use sums::{SUMS, read_sums, sum_line};

/// Size of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SnapshotSummary {
    /// Number of files without the checksums.
    pub files: usize,
    /// Bytes of these files.
    pub bytes: u64,
}

impl Store {
    /// Writes a snapshot into the new or empty folder `dir`. Segments and photos are linked where the file system can.
    ///
    /// Writes wait only while the database is copied. A link shares the file, so a copy on another disk protects better.
    ///
    /// # Errors
    /// [`StoreError::NotEmpty`], [`StoreError::Damaged`] if a segment is damaged, and errors of files and of the database.
    /// Then the folder is not a snapshot. [`Store::discard_damaged`] removes damaged segments.
    pub fn snapshot(&self, dir: &Path) -> Result<SnapshotSummary, StoreError> {
        let _maintenance = self.maintain();
        create_empty(dir)?;
        let folder = dir.join(SEGMENTS);
        fs::create_dir(&folder).map_err(StoreError::io("create", &folder))?;
        let named = self.freeze(|db| {
            let named = segments::list(db, None)?;
            db.backup("main", dir.join(DATABASE), None::<fn(Progress)>)?;
            for named in &named {
                link_or_copy(&segment_path(self.dir(), &named.file), &segment_path(dir, &named.file))?;
            }
            Ok(named)
        })?;
        sync_file(&dir.join(DATABASE))?;
        for named in &named {
            // A snapshot of a damaged segment would be taken for a good one.
            open_segment(dir, named, Check::Full)?;
        }
        let photos = copy_photos(self.dir(), dir)?;
        let names = named.iter().map(|named| format!("{SEGMENTS}/{}", named.file));
        let (mut sums, mut summary) = (String::new(), SnapshotSummary::default());
        for name in names.chain([DATABASE.to_owned()]).chain(photos) {
            let (sum, bytes) = sha256(&dir.join(&name))?;
            sums.push_str(&sum_line(&sum, &name));
            summary.files += 1;
            summary.bytes += bytes;
        }
        sync_folder(&folder)?;
        let (path, temporary) = (dir.join(SUMS), dir.join(format!("{SUMS}.tmp")));
        File::create_new(&temporary)
            .and_then(|mut file| file.write_all(sums.as_bytes()).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&temporary, &path))
            .map_err(StoreError::io("write", &path))?;
        sync_folder(dir)?;
        Ok(summary)
    }
}

/// Checks a snapshot and copies it into the new or empty folder `target`, which is a store afterwards. Its changes have sequences that the
/// old store never used, so engines that follow it compare all products.
///
/// # Errors
/// [`StoreError::NotEmpty`] for the target, and [`StoreError::Damaged`] for a snapshot with missing, other or damaged files.
/// A restore that did not finish leaves a folder that [`Store::open`] refuses.
pub fn restore(snapshot: &Path, target: &Path) -> Result<SnapshotSummary, StoreError> {
    let sums = read_sums(snapshot)?;
    let mut summary = SnapshotSummary::default();
    for (name, expected) in &sums {
        let path = snapshot.join(name);
        let (sum, bytes) = sha256(&path)?;
        if sum != *expected {
            return Err(StoreError::damaged(&path, "its SHA-256 is not the one of the snapshot"));
        }
        summary.files += 1;
        summary.bytes += bytes;
    }
    check_names(snapshot, &sums)?;
    if target.join(RESTORING).exists() {
        return Err(StoreError::Unfinished {
            path: target.to_owned(),
        });
    }
    create_empty(target)?;
    let marker = target.join(RESTORING);
    File::create_new(&marker)
        .and_then(|file| file.sync_all())
        .map_err(StoreError::io("create", &marker))?;
    sync_folder(target)?;
    let folder = target.join(SEGMENTS);
    fs::create_dir(&folder).map_err(StoreError::io("create", &folder))?;
    let mut folders = BTreeSet::from([folder]);
    for (name, expected) in &sums {
        let path = target.join(name);
        for parent in Path::new(name).ancestors().skip(1) {
            folders.insert(target.join(parent));
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(StoreError::io("create", parent))?;
        }
        copy(&snapshot.join(name), &path)?;
        // The copy is compared, because the snapshot may have changed after it was checked.
        if sha256(&path)?.0 != *expected {
            return Err(StoreError::damaged(&path, "the copy differs from the snapshot"));
        }
    }
    let db = db::open(target)?;
    outbox::pass_over(&db)?;
    db.close().map_err(|(_, error)| error)?;
    folders.iter().try_for_each(|folder| sync_folder(folder))?;
    fs::remove_file(&marker).map_err(StoreError::io("remove", &marker))?;
    sync_folder(target)?;
    Ok(summary)
}

/// Compares the segments that the database names, and the photos, with the files of the checksums.
fn check_names(snapshot: &Path, sums: &BTreeMap<String, String>) -> Result<(), StoreError> {
    let path = snapshot.join(DATABASE);
    let text = path.display().to_string();
    if text.contains(['?', '#', '%']) {
        return Err(StoreError::damaged(
            &path,
            "its path contains ?, # or %; move the snapshot",
        ));
    }
    // The copy of the database has no log, and `immutable` keeps SQLite from making one in the snapshot.
    let address = format!("file:{text}?immutable=1");
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_URI;
    let db = Connection::open_with_flags(address, flags)?;
    for named in segments::list(&db, None)? {
        if !sums.contains_key(&format!("{SEGMENTS}/{}", named.file)) {
            return Err(StoreError::damaged(
                snapshot,
                format!("the segment {} is missing", named.file),
            ));
        }
    }
    match photo_names(snapshot)?.into_iter().find(|name| !sums.contains_key(name)) {
        None => Ok(()),
        Some(name) => Err(StoreError::damaged(
            &snapshot.join(name),
            format!("{SUMS} does not list it; add its SHA-256 or remove it"),
        )),
    }
}

/// SHA-256 and length of a file. Links are refused.
fn sha256(path: &Path) -> Result<(String, u64), StoreError> {
    let is_file = fs::symlink_metadata(path)
        .map_err(StoreError::io("read", path))?
        .is_file();
    if !is_file {
        return Err(StoreError::damaged(path, "it is not a plain file"));
    }
    let mut file = File::open(path).map_err(StoreError::io("read", path))?;
    let mut hash = Sha256::new();
    let bytes = io::copy(&mut file, &mut hash).map_err(StoreError::io("read", path))?;
    Ok((hex(&hash.finalize()), bytes))
}
