//! Writing a catalogue folder so that a crash, a full disk or a kill harms nothing.
//!
//! Data files are written and synced first, `catalog.json` is renamed into place last, and only then are the files of the
//! catalogue before removed. A run that fails removes what it wrote; what a killed one left behind, the next one removes
//! before it writes.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::CatalogError;
use super::format::{DataFile, HEADER, Header};

const LOCK: &str = "catalog.lock";
const TEMPORARY: &str = ".tmp";
/// Every data file's name begins with one of these and a dash.
const DATA: [&str; 4] = ["embeddings", "rows", "products", "samples"];

/// The only writer of a catalogue folder, until it is dropped; what it wrote goes with it unless it was committed.
pub(super) struct Writer {
    dir: PathBuf,
    /// True if this run made the folder.
    created: bool,
    /// Files that this run made.
    made: RefCell<Vec<PathBuf>>,
    /// Puts the names in a folder on the disk.
    sync: fn(&Path) -> io::Result<()>,
    _lock: File,
}

impl Writer {
    /// Makes the folder if need be, takes its lock, and removes what killed runs left in it.
    ///
    /// # Errors
    /// [`CatalogError::Busy`] when another process has it.
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
            made: RefCell::default(),
            sync: sync_names,
            _lock: lock,
        };
        // Without a catalogue that can be read, nobody knows what is left over.
        if let Ok(header) = Header::read(dir) {
            writer.sweep(&header);
        }
        Ok(writer)
    }

    /// Sees that about `needed` bytes are free.
    ///
    /// # Errors
    /// [`CatalogError::NoSpace`].
    pub(super) fn check_space(&self, needed: u64) -> Result<(), CatalogError> {
        // Where the system does not say, writing will.
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

    /// Begins a data file, `stem-checksum.extension`.
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
        self.made.borrow_mut().push(path.to_owned());
        Ok(file)
    }

    /// Writes `items` as a data file, one JSON object a line.
    pub(super) fn lines<T: Serialize>(&self, stem: &'static str, items: &[T]) -> Result<DataFile, CatalogError> {
        let mut file = self.file(stem, "jsonl")?;
        for item in items {
            let mut line = to_json(item, &self.dir)?;
            line.push(b'\n');
            file.write(&line)?;
        }
        file.finish()
    }

    /// Makes `header` the catalogue, in one step, and removes what belongs to no catalogue any more.
    ///
    /// # Errors
    /// [`CatalogError::Unsynced`] when the new catalogue is in place but perhaps not on the disk; after every other error the
    /// old one is.
    pub(super) fn commit(self, header: &Header) -> Result<(), CatalogError> {
        let temporary = self.dir.join(format!("{HEADER}{TEMPORARY}"));
        let mut text = serde_json::to_vec_pretty(header).map_err(|error| unwritable(&self.dir, &error))?;
        text.push(b'\n');
        let mut file = self.create(&temporary)?;
        file.write_all(&text)
            .and_then(|()| file.sync_all())
            .map_err(CatalogError::io("write", &temporary))?;
        // The data files' names must be on disk before the header that names them is.
        (self.sync)(&self.dir).map_err(CatalogError::io("sync", &self.dir))?;
        let path = self.dir.join(HEADER);
        fs::rename(&temporary, &path).map_err(CatalogError::io("replace", &path))?;
        self.made.borrow_mut().clear();
        // The old header may still come back, so the files that it names stay.
        (self.sync)(&self.dir).map_err(|source| CatalogError::Unsynced {
            path: self.dir.clone(),
            source,
        })?;
        self.sweep(header);
        Ok(())
    }

    /// Removes the data files that `header` does not name. What cannot be removed only wastes space.
    fn sweep(&self, header: &Header) {
        let kept = header.files().map(|file| &file.name);
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let ours = DATA
                .iter()
                .any(|stem| name.strip_prefix(stem).is_some_and(|rest| rest.starts_with(['-', '.'])));
            if ours && !kept.contains(&&name) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

impl Drop for Writer {
    /// Removes what a run wrote that was not committed. What cannot be removed only wastes space.
    fn drop(&mut self) {
        for path in self.made.take() {
            let _ = fs::remove_file(path);
        }
        if self.created && !self.dir.join(HEADER).exists() {
            let _ = fs::remove_file(self.dir.join(LOCK));
            let _ = fs::remove_dir(&self.dir);
        }
    }
}

/// A data file being written.
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

    /// Syncs the file and gives it the name its content asks for.
    pub(super) fn finish(self) -> Result<DataFile, CatalogError> {
        let sha256 = format!("{:x}", self.hash.finalize());
        let name = format!("{}-{}.{}", self.stem, &sha256[..16], self.extension);
        let file = self.out.into_inner().map_err(|error| error.into_error());
        file.and_then(|file| file.sync_all())
            .map_err(CatalogError::io("write", &self.temporary))?;
        let path = self.temporary.with_file_name(&name);
        // One of this name has this content, and belongs to the catalogue that is there.
        let known = path.exists();
        fs::rename(&self.temporary, &path).map_err(CatalogError::io("create", &path))?;
        if !known {
            self.writer.made.borrow_mut().push(path);
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

/// Puts the names in `dir` on disk.
fn sync_names(dir: &Path) -> io::Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all())
}

#[cfg(test)]
mod tests {
    use super::super::format::{FORMAT, Row};
    use super::*;
    use search::storage::Storage;

    /// Writes a catalogue whose rows are `count` lines; its folder's names are synced by `sync`.
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
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_failed_sync_after_the_change_says_that_the_change_was_made() {
        let dir = tempfile::tempdir().expect("a folder");
        write(dir.path(), 1, sync_names).expect("writes");
        let before = names(dir.path());
        let unsynced = write(dir.path(), 2, |dir| {
            if Header::read(dir).is_ok_and(|header| header.count == 2) {
                return Err(io::Error::other("no"));
            }
            Ok(())
        });
        let error = unsynced.expect_err("not synced");
        assert!(
            matches!(error, CatalogError::Unsynced { .. }) && error.to_string().contains("is in place"),
            "{error}"
        );
        let header = Header::read(dir.path()).expect("reads");
        assert_eq!(header.count, 2);
        assert_eq!(header.rows.read_lines::<Row>(dir.path()).expect("reads").len(), 2);
        assert!(
            before.iter().all(|name| names(dir.path()).contains(name)),
            "the old files stay"
        );
        // A sync that fails before the change leaves the old catalogue and nothing else.
        let before = names(dir.path());
        assert!(matches!(
            write(dir.path(), 3, |_| Err(io::Error::other("no"))),
            Err(CatalogError::Io { .. })
        ));
        let after = names(dir.path());
        assert!(after.iter().all(|name| before.contains(name)), "{after:?}");
        assert_eq!(Header::read(dir.path()).expect("reads").count, 2);
    }

    #[test]
    fn leftovers_of_killed_runs_go_before_anything_is_written() {
        let dir = tempfile::tempdir().expect("a folder");
        write(dir.path(), 1, sync_names).expect("writes");
        let whole = names(dir.path());
        for name in ["embeddings.tmp", "rows-0123456789abcdef.jsonl"] {
            fs::write(dir.path().join(name), "left over").expect("writes");
        }
        drop(Writer::open(dir.path()).expect("opens"));
        assert_eq!(names(dir.path()), whole);
        let fresh = dir.path().join("fresh");
        drop(Writer::open(&fresh).expect("opens"));
        assert!(!fresh.exists(), "a folder that a failed run made");
    }

    #[test]
    fn space_is_looked_for() {
        let dir = tempfile::tempdir().expect("a folder");
        let writer = Writer::open(dir.path()).expect("opens");
        writer.check_space(1).expect("there is a byte");
        let error = writer.check_space(u64::MAX).expect_err("too much").to_string();
        assert!(
            error.contains(&u64::MAX.to_string()) && error.contains("make room"),
            "{error}"
        );
    }
}
