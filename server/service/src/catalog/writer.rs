//! Writing of a catalog folder.
//!
//! **Invariants:** data files are written and synced first, `catalog.json` is renamed into place last, and only then are
//! the files of the old catalog removed. Names of data files contain their checksum, so data files cannot be written by
//! [`dataset::atomic`], which needs the name first. A run that fails removes its files; the next run removes the files that
//! a killed run left.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::CatalogError;
use super::format::{DataFile, HEADER, Header};
use dataset::atomic;

const LOCK: &str = "catalog.lock";
const TEMPORARY: &str = ".tmp";
/// Names of data files begin with one of these and a dash.
const DATA: [&str; 4] = ["embeddings", "rows", "products", "samples"];

/// Exclusive writer of a catalog folder. When it is dropped without a commit, it removes the files that it wrote.
pub(super) struct Writer {
    dir: PathBuf,
    /// True if this run created the folder.
    created: bool,
    /// Files that this run created.
    created_files: RefCell<Vec<PathBuf>>,
    /// Syncs a folder, so that the names of its files are on the disk.
    sync: fn(&Path) -> io::Result<()>,
    _lock: File,
}

impl Writer {
    /// Creates the folder if it is missing, takes its lock, and removes the files of killed runs.
    ///
    /// # Errors
    /// [`CatalogError::Busy`] if another process has the lock.
    pub(super) fn open(dir: &Path) -> Result<Self, CatalogError> {
        let created = !dir.exists();
        fs::create_dir_all(dir).map_err(CatalogError::io("create", dir))?;
        let path = dir.join(LOCK);
        let lock = File::create(&path).map_err(CatalogError::io("create", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(CatalogError::Busy { path: dir.to_owned() }),
            Err(fs::TryLockError::Error(error)) => return Err(CatalogError::io("lock", &path)(error)),
        }
        let writer = Self {
            dir: dir.to_owned(),
            created,
            created_files: RefCell::default(),
            sync: sync_folder,
            _lock: lock,
        };
        // Without a readable header it is unknown which files belong to the catalog.
        if let Ok(header) = Header::read(dir) {
            writer.remove_unlisted(&header);
        }
        Ok(writer)
    }

    /// Checks that `needed` bytes are free.
    ///
    /// # Errors
    /// [`CatalogError::NoSpace`] if they are not.
    pub(super) fn check_space(&self, needed: u64) -> Result<(), CatalogError> {
        // If the system does not tell, writing will fail instead.
        let Ok(disk) = rustix::fs::statvfs(&self.dir) else {
            return Ok(());
        };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if needed <= free {
            Ok(())
        } else {
            Err(CatalogError::NoSpace {
                path: self.dir.clone(),
                needed,
                free,
            })
        }
    }

    /// Begins a data file with the name `stem-checksum.extension`.
    pub(super) fn file(&self, stem: &'static str, extension: &'static str) -> Result<DataWriter<'_>, CatalogError> {
        let temporary = self.dir.join(format!("{stem}{TEMPORARY}"));
        let file = self.create(&temporary)?;
        let out = BufWriter::with_capacity(1 << 20, file);
        Ok(DataWriter {
            writer: self,
            out,
            temporary,
            stem,
            extension,
            hash: Sha256::new(),
            bytes: 0,
        })
    }

    fn create(&self, path: &Path) -> Result<File, CatalogError> {
        let file = File::create(path).map_err(CatalogError::io("create", path))?;
        self.created_files.borrow_mut().push(path.to_owned());
        Ok(file)
    }

    /// Writes `items` as a data file, one JSON object per line.
    pub(super) fn lines<T: Serialize>(&self, stem: &'static str, items: &[T]) -> Result<DataFile, CatalogError> {
        let mut file = self.file(stem, "jsonl")?;
        for item in items {
            let mut line = to_json(item, &self.dir)?;
            line.push(b'\n');
            file.write(&line)?;
        }
        file.finish()
    }

    /// Replaces the catalog by `header` in one step, and removes the data files of the old one.
    ///
    /// # Errors
    /// [`CatalogError::Unsynced`] if the new catalog is in place but perhaps not on the disk. After every other error the
    /// old one is in place.
    pub(super) fn commit(self, header: &Header) -> Result<(), CatalogError> {
        let mut text = serde_json::to_vec_pretty(header).map_err(|error| unwritable(&self.dir, &error))?;
        text.push(b'\n');
        // The data files' names must be on disk before the header that lists them.
        (self.sync)(&self.dir).map_err(CatalogError::io("sync", &self.dir))?;
        atomic::write(&self.dir.join(HEADER), &text).map_err(CatalogError::Header)?;
        self.created_files.borrow_mut().clear();
        // After a failed sync the old header may come back, so its files must stay.
        (self.sync)(&self.dir).map_err(|source| CatalogError::Unsynced {
            path: self.dir.clone(),
            source,
        })?;
        self.remove_unlisted(header);
        Ok(())
    }

    /// Removes the data files that `header` does not list. A file that cannot be removed only wastes space.
    fn remove_unlisted(&self, header: &Header) {
        let kept = header.files().map(|file| &file.name);
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_data = DATA
                .iter()
                .any(|stem| name.strip_prefix(stem).is_some_and(|rest| rest.starts_with(['-', '.'])));
            if is_data && !kept.contains(&&name) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

impl Drop for Writer {
    /// Removes the files of a run without a commit. A file that cannot be removed only wastes space.
    fn drop(&mut self) {
        for path in self.created_files.take() {
            let _ = fs::remove_file(path);
        }
        if self.created && !self.dir.join(HEADER).exists() {
            let _ = fs::remove_file(self.dir.join(LOCK));
            let _ = fs::remove_dir(&self.dir);
        }
    }
}

/// A data file that is being written.
pub(super) struct DataWriter<'a> {
    writer: &'a Writer,
    out: BufWriter<File>,
    temporary: PathBuf,
    stem: &'static str,
    extension: &'static str,
    hash: Sha256,
    bytes: u64,
}

impl DataWriter<'_> {
    /// Appends `bytes`.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), CatalogError> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.out
            .write_all(bytes)
            .map_err(CatalogError::io("write", &self.temporary))
    }

    /// Syncs the file and renames it to the name with its checksum.
    pub(super) fn finish(self) -> Result<DataFile, CatalogError> {
        let sha256 = format!("{:x}", self.hash.finalize());
        let name = format!("{}-{}.{}", self.stem, &sha256[..16], self.extension);
        let file = self.out.into_inner().map_err(|error| error.into_error());
        file.and_then(|file| file.sync_all())
            .map_err(CatalogError::io("write", &self.temporary))?;
        let path = self.temporary.with_file_name(&name);
        // An existing file of this name has the same content and belongs to the old catalog.
        let is_known = path.exists();
        fs::rename(&self.temporary, &path).map_err(CatalogError::io("create", &path))?;
        if !is_known {
            self.writer.created_files.borrow_mut().push(path);
        }
        Ok(DataFile {
            name,
            bytes: self.bytes,
            sha256,
        })
    }
}

fn to_json<T: Serialize>(item: &T, dir: &Path) -> Result<Vec<u8>, CatalogError> {
    serde_json::to_vec(item).map_err(|error| unwritable(dir, &error))
}

fn unwritable(dir: &Path, error: &serde_json::Error) -> CatalogError {
    CatalogError::damaged(dir, format!("it cannot be written as JSON: {error}"))
}

/// Syncs the folder `dir`.
fn sync_folder(dir: &Path) -> io::Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all())
}

#[cfg(test)]
mod tests {
    use super::super::format::{FORMAT, Row};
    use super::*;
    use crate::embed::PhotoViews;
    use search::storage::Storage;

    /// Writes a catalog of `count` rows; `sync` syncs its folder.
    fn write(dir: &Path, count: usize, sync: fn(&Path) -> io::Result<()>) -> Result<(), CatalogError> {
        let mut writer = Writer::open(dir)?;
        writer.sync = sync;
        let rows: Vec<Row> = (0..count)
            .map(|at| Row {
                product_id: at.to_string(),
                image: "a.jpg".into(),
            })
            .collect();
        let header = Header {
            format: FORMAT,
            model_id: "m".into(),
            dim: 1,
            count,
            dataset: "d".into(),
            storage: Storage::F32,
            views: PhotoViews::None,
            embeddings: writer.file("embeddings", "f32")?.finish()?,
            rows: writer.lines("rows", &rows)?,
            products: writer.lines::<Row>("products", &[])?,
            samples: writer.lines::<Row>("samples", &[])?,
            samples_chosen: true,
        };
        writer.commit(&header)
    }

    fn names(dir: &Path) -> Vec<String> {
        let names = fs::read_dir(dir)
            .expect("the folder exists")
            .map(|entry| entry.expect("the folder is readable").file_name());
        let mut names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_failed_sync_after_the_rename_reports_that_the_catalog_was_replaced() {
        let dir = tempfile::tempdir().expect("a temporary folder is created");
        write(dir.path(), 1, sync_folder).expect("the catalog is written");
        let before = names(dir.path());
        let unsynced = write(dir.path(), 2, |dir| {
            if Header::read(dir).is_ok_and(|header| header.count == 2) {
                return Err(io::Error::other("no"));
            }
            Ok(())
        });
        let error = unsynced.expect_err("the sync fails");
        assert!(
            matches!(error, CatalogError::Unsynced { .. }) && error.to_string().contains("is in place"),
            "{error}"
        );
        let header = Header::read(dir.path()).expect("the catalog is readable");
        assert_eq!(header.count, 2);
        assert_eq!(
            header
                .rows
                .read_lines::<Row>(dir.path())
                .expect("the catalog is readable")
                .len(),
            2
        );
        assert!(
            before.iter().all(|name| names(dir.path()).contains(name)),
            "the old files stay after a failed sync"
        );
        // A sync that fails before the change leaves the old catalog and nothing else.
        let before = names(dir.path());
        assert!(matches!(
            write(dir.path(), 3, |_| Err(io::Error::other("no"))),
            Err(CatalogError::Io { .. })
        ));
        let after = names(dir.path());
        assert!(after.iter().all(|name| before.contains(name)), "{after:?}");
        assert_eq!(Header::read(dir.path()).expect("the catalog is readable").count, 2);
    }

    #[test]
    fn opening_removes_the_files_of_killed_runs() {
        let dir = tempfile::tempdir().expect("a temporary folder is created");
        write(dir.path(), 1, sync_folder).expect("the catalog is written");
        let whole = names(dir.path());
        for name in ["embeddings.tmp", "rows-0123456789abcdef.jsonl"] {
            fs::write(dir.path().join(name), "left over").expect("the file is written");
        }
        drop(Writer::open(dir.path()).expect("the folder can be locked"));
        assert_eq!(names(dir.path()), whole);
        let fresh = dir.path().join("fresh");
        drop(Writer::open(&fresh).expect("the folder can be locked"));
        assert!(!fresh.exists(), "the folder that a failed run created is gone");
    }

    #[test]
    fn a_catalog_that_does_not_fit_is_refused() {
        let dir = tempfile::tempdir().expect("a temporary folder is created");
        let writer = Writer::open(dir.path()).expect("the folder can be locked");
        writer.check_space(1).expect("one byte is free");
        let error = writer
            .check_space(u64::MAX)
            .expect_err("the disk is smaller")
            .to_string();
        assert!(
            error.contains(&u64::MAX.to_string()) && error.contains("make room"),
            "{error}"
        );
    }
}
