//! The catalogue folder: what is in it, how it is written so that a crash harms nothing, and how it is read back.
//!
//! `catalog.json` names the data files with their sizes and sha256; the names carry the checksum, so new data never
//! overwrite old. Data files are written and synced first, `catalog.json` is renamed into place last, and only then are
//! the files of the catalogue before removed.

use std::fs::{self, File};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use super::CatalogError;
use super::storage::Storage;

/// The newest format, of embeddings that are not kept as f32; others are written in the first, which older versions read.
pub(super) const FORMAT: u32 = 2;

const HEADER: &str = "catalog.json";
const LOCK: &str = "catalog.lock";
const TEMPORARY: &str = ".tmp";
/// Every data file's name begins with one of these and a dash.
const DATA: [&str; 4] = ["embeddings", "rows", "products", "samples"];

/// `catalog.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    /// At most [`FORMAT`].
    pub(super) format: u32,
    /// The model that made the embeddings.
    pub(super) model_id: String,
    /// Numbers of an embedding.
    pub(super) dim: usize,
    /// Photos embedded.
    pub(super) count: usize,
    /// Absolute path of the dataset folder when it was indexed.
    pub(super) dataset: PathBuf,
    /// How the numbers of the embeddings are kept.
    #[serde(default)]
    pub(super) storage: Storage,
    /// `count` embeddings of unit norm as [`Storage::encode`] writes them.
    pub(super) embeddings: DataFile,
    /// One [`Row`] a line, in the order of the embeddings.
    pub(super) rows: DataFile,
    /// One product a line, by id.
    pub(super) products: DataFile,
    /// One sample photo a line.
    pub(super) samples: DataFile,
}

/// A data file and how to know it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DataFile {
    name: String,
    bytes: u64,
    sha256: String,
}

/// Which product a row of the embeddings shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    /// The product's id.
    pub(super) product_id: String,
    /// The photo, relative to the dataset folder.
    pub(super) image: String,
}

/// The only writer of a catalogue folder, until it is dropped.
pub(super) struct Writer {
    dir: PathBuf,
    _lock: File,
}

impl Writer {
    /// Makes the folder if need be and takes its lock.
    ///
    /// # Errors
    /// [`CatalogError::Busy`] when another process has it.
    pub(super) fn open(dir: &Path) -> Result<Self, CatalogError> {
        fs::create_dir_all(dir).map_err(CatalogError::io("create", dir))?;
        let path = dir.join(LOCK);
        let lock = File::create(&path).map_err(CatalogError::io("create", &path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { dir: dir.to_owned(), _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => Err(CatalogError::Busy { path: dir.to_owned() }),
            Err(fs::TryLockError::Error(error)) => Err(CatalogError::io("lock", &path)(error)),
        }
    }

    /// Begins a data file, `stem-checksum.extension`.
    pub(super) fn file(&self, stem: &'static str, extension: &'static str) -> Result<DataWriter, CatalogError> {
        let temporary = self.dir.join(format!("{stem}{TEMPORARY}"));
        let file = File::create(&temporary).map_err(CatalogError::io("create", &temporary))?;
        let out = BufWriter::with_capacity(1 << 20, file);
        Ok(DataWriter { out, temporary, stem, extension, hash: Sha256::new(), bytes: 0 })
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
    pub(super) fn commit(self, header: &Header) -> Result<(), CatalogError> {
        let temporary = self.dir.join(format!("{HEADER}{TEMPORARY}"));
        let mut text = serde_json::to_vec_pretty(header).map_err(|error| unwritable(&self.dir, &error))?;
        text.push(b'\n');
        let mut file = File::create(&temporary).map_err(CatalogError::io("create", &temporary))?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(CatalogError::io("write", &temporary))?;
        // The data files' names must be on disk before the header that names them is.
        sync(&self.dir)?;
        let path = self.dir.join(HEADER);
        fs::rename(&temporary, &path).map_err(CatalogError::io("replace", &path))?;
        sync(&self.dir)?;
        self.sweep(header);
        Ok(())
    }

    /// Removes the data files that `header` does not name. What cannot be removed only wastes space.
    fn sweep(&self, header: &Header) {
        let kept = [&header.embeddings, &header.rows, &header.products, &header.samples].map(|file| &file.name);
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let ours = DATA.iter().any(|stem| name.strip_prefix(stem).is_some_and(|rest| rest.starts_with(['-', '.'])));
            if ours && !kept.contains(&&name) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// A data file being written.
pub(super) struct DataWriter {
    out: BufWriter<File>,
    temporary: PathBuf,
    stem: &'static str,
    extension: &'static str,
    hash: Sha256,
    bytes: u64,
}

impl DataWriter {
    /// Appends `bytes`.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), CatalogError> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.out.write_all(bytes).map_err(CatalogError::io("write", &self.temporary))
    }

    /// Syncs the file and gives it the name its content asks for.
    pub(super) fn finish(self) -> Result<DataFile, CatalogError> {
        let sha256 = format!("{:x}", self.hash.finalize());
        let name = format!("{}-{}.{}", self.stem, &sha256[..16], self.extension);
        let file = self.out.into_inner().map_err(|error| error.into_error());
        file.and_then(|file| file.sync_all()).map_err(CatalogError::io("write", &self.temporary))?;
        let path = self.temporary.with_file_name(&name);
        fs::rename(&self.temporary, &path).map_err(CatalogError::io("create", &path))?;
        Ok(DataFile { name, bytes: self.bytes, sha256 })
    }
}

impl Header {
    /// Reads `catalog.json` of `dir`.
    pub(super) fn read(dir: &Path) -> Result<Self, CatalogError> {
        #[derive(Deserialize)]
        struct Versioned {
            format: u32,
        }
        let path = dir.join(HEADER);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(CatalogError::Missing { path: dir.to_owned() });
            }
            other => other.map_err(CatalogError::io("read", &path))?,
        };
        let unreadable = |error: serde_json::Error| CatalogError::damaged(dir, format!("{HEADER}: {error}"));
        let Versioned { format: found } = serde_json::from_slice(&text).map_err(unreadable)?;
        if !(1..=FORMAT).contains(&found) {
            return Err(CatalogError::Format { path: dir.to_owned(), found, expected: FORMAT });
        }
        serde_json::from_slice(&text).map_err(unreadable)
    }
}

impl DataFile {
    /// Reads the file from `dir` and checks size and checksum.
    pub(super) fn read(&self, dir: &Path) -> Result<Vec<u8>, CatalogError> {
        if self.name.contains(['/', '\\']) {
            return Err(CatalogError::damaged(dir, format!("`{}` is not a file name", self.name)));
        }
        let path = dir.join(&self.name);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(CatalogError::damaged(dir, format!("{} is missing", self.name)));
            }
            other => other.map_err(CatalogError::io("read", &path))?,
        };
        if bytes.len() as u64 != self.bytes {
            let message = format!("{} has {} bytes instead of {}", self.name, bytes.len(), self.bytes);
            return Err(CatalogError::damaged(dir, message));
        }
        if format!("{:x}", Sha256::digest(&bytes)) != self.sha256 {
            return Err(CatalogError::damaged(dir, format!("the checksum of {} is wrong", self.name)));
        }
        Ok(bytes)
    }

    /// Reads the file as JSON objects, one a line.
    pub(super) fn read_lines<T: DeserializeOwned>(&self, dir: &Path) -> Result<Vec<T>, CatalogError> {
        let bytes = self.read(dir)?;
        let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        lines
            .map(|line| {
                serde_json::from_slice(line)
                    .map_err(|error| CatalogError::damaged(dir, format!("{}: {error}", self.name)))
            })
            .collect()
    }
}

fn to_json<T: Serialize>(item: &T, dir: &Path) -> Result<Vec<u8>, CatalogError> {
    serde_json::to_vec(item).map_err(|error| unwritable(dir, &error))
}

fn unwritable(dir: &Path, error: &serde_json::Error) -> CatalogError {
    CatalogError::damaged(dir, format!("it cannot be written as JSON: {error}"))
}

/// Puts the names in `dir` on disk.
fn sync(dir: &Path) -> Result<(), CatalogError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(CatalogError::io("sync", dir))
}
