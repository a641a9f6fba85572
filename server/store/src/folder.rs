//! The folder of a store: names, lock, and the operations that make files durable.
//!
//! ```text
//! store.lock      lock of the one process that has the store open; it contains the process id
//! store.sqlite    the truth
//! segments/       files of embeddings; only those count that SQLite names
//! uploads/        photos that clients uploaded, by checksum
//! photos/         photos of archives, by path
//! restoring       present while a restore runs
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::error::StoreError;

/// File name of the database.
pub(crate) const DATABASE: &str = "store.sqlite";
/// Folder name of the segments.
pub(crate) const SEGMENTS: &str = "segments";
/// File name of the marker of an unfinished restore.
pub(crate) const RESTORING: &str = "restoring";
/// Folder name of uploaded photos. The owner of the store writes them, and snapshots have them.
pub const UPLOADS: &str = "uploads";
/// Folder name of photos of archives. The owner of the store writes them, and snapshots have them.
pub const UNPACKED: &str = "photos";
const LOCK: &str = "store.lock";

/// Exclusive lock of a store's folder. The system releases it when the process ends.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    /// Takes the lock of the folder `dir`.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if another process has it.
    pub(crate) fn take(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(LOCK);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(StoreError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = Read::take(&mut file, 20).read_to_string(&mut holder);
                let holder = holder.trim().parse::<u32>().map(|id| format!(" (process {id})"));
                return Err(StoreError::Busy {
                    path: dir.to_owned(),
                    holder: holder.unwrap_or_default(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(StoreError::io("lock", &path)(error)),
        }
        // The process id only serves the message of another process.
        let _ = file.set_len(0).and_then(|()| file.rewind());
        let _ = writeln!(file, "{}", std::process::id());
        Ok(Self(file))
    }
}

impl Drop for Lock {
    /// Releases the lock. Closing the file would not release it while a process that this one starts has a copy of it.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// Path of a segment file.
pub(crate) fn segment_path(dir: &Path, file: &str) -> PathBuf {
    dir.join(SEGMENTS).join(file)
}

/// Syncs the folder `dir`, so that the names of its files are on the disk.
pub(crate) fn sync_folder(dir: &Path) -> Result<(), StoreError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(StoreError::io("sync", dir))
}

/// Syncs the file at `path`.
pub(crate) fn sync_file(path: &Path) -> Result<(), StoreError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(StoreError::io("sync", path))
}

/// Creates the folder `dir` unless it exists.
///
/// # Errors
/// [`StoreError::NotEmpty`] if it contains anything.
pub(crate) fn create_empty(dir: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(dir).map_err(StoreError::io("create", dir))?;
    let mut entries = fs::read_dir(dir).map_err(StoreError::io("read", dir))?;
    if entries.next().is_some() {
        return Err(StoreError::NotEmpty { path: dir.to_owned() });
    }
    Ok(())
}

/// Links the file `from` at `to`, or copies it where the file system cannot link.
pub(crate) fn link_or_copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(StoreError::io("link", from)(error)),
        Err(_) => copy(from, to),
    }
}

/// Copies the file `from` to the new file `to` and syncs it.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    let mut source = File::open(from).map_err(StoreError::io("read", from))?;
    let mut target = File::create_new(to).map_err(StoreError::io("create", to))?;
    io::copy(&mut source, &mut target)
        .and_then(|_| target.sync_all())
        .map_err(StoreError::io("write", to))
}
