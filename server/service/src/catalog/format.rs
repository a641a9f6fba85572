//! The catalogue folder: what is in it, and how it is read.
//!
//! `catalog.json` names the data files with their sizes and sha256; the names carry the checksum, so new data never
//! overwrite old. See [`super::writer`] for the order in which they are written.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use super::CatalogError;
use search::storage::Storage;

/// The newest format, of embeddings that are not kept as f32; others are written in the first, which older versions read.
pub(super) const FORMAT: u32 = 2;

/// The name of the [`Header`]'s file.
pub(super) const HEADER: &str = "catalog.json";

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
    /// Storage type of the embeddings' numbers.
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
    /// True if the operator chose the samples; versions that chose them by themselves did not write this.
    #[serde(default)]
    pub(super) samples_chosen: bool,
}

/// A data file and how to know it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DataFile {
    /// In the catalogue folder.
    pub(super) name: String,
    /// Size.
    pub(super) bytes: u64,
    /// Checksum in hexadecimal digits.
    pub(super) sha256: String,
}

/// Product and photo of a row of the embeddings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    /// The product's id.
    pub(super) product_id: String,
    /// The photo, relative to the dataset folder.
    pub(super) image: String,
}

impl Header {
    /// All data files.
    pub(super) fn files(&self) -> [&DataFile; 4] {
        [&self.embeddings, &self.rows, &self.products, &self.samples]
    }

    /// The name of a data file that is not in `dir`, or of another size.
    pub(super) fn missing_file(&self, dir: &Path) -> Option<&str> {
        let there = |file: &&DataFile| fs::metadata(dir.join(&file.name)).is_ok_and(|data| data.len() == file.bytes);
        self.files()
            .into_iter()
            .find(|file| !there(file))
            .map(|file| file.name.as_str())
    }

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
            return Err(CatalogError::Format {
                path: dir.to_owned(),
                found,
                expected: FORMAT,
            });
        }
        serde_json::from_slice(&text).map_err(unreadable)
    }
}

impl DataFile {
    /// Reads the file from `dir`, `piece` bytes at a time, the last perhaps fewer, and checks size and checksum. What was
    /// consumed is only to be trusted after this returns `Ok`.
    pub(super) fn read(&self, dir: &Path, piece: usize, mut consume: impl FnMut(&[u8])) -> Result<(), CatalogError> {
        let (path, mut file) = self.open(dir)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; piece.clamp(1, usize::try_from(self.bytes).unwrap_or(usize::MAX).max(1))];
        let mut left = self.bytes;
        while left > 0 {
            let take = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
            file.read_exact(&mut buffer[..take])
                .map_err(CatalogError::io("read", &path))?;
            hash.update(&buffer[..take]);
            consume(&buffer[..take]);
            left -= take as u64;
        }
        self.check(dir, hash)
    }

    /// Reads the file as JSON objects, one a line.
    pub(super) fn read_lines<T: DeserializeOwned>(&self, dir: &Path) -> Result<Vec<T>, CatalogError> {
        let (path, file) = self.open(dir)?;
        let mut file = BufReader::new(file);
        let mut hash = Sha256::new();
        let mut items = Ok(Vec::new());
        let mut line = Vec::new();
        while file
            .read_until(b'\n', &mut line)
            .map_err(CatalogError::io("read", &path))?
            > 0
        {
            hash.update(&line);
            if let (Ok(list), Some(text)) = (&mut items, line.strip_suffix(b"\n").filter(|text| !text.is_empty())) {
                match serde_json::from_slice(text) {
                    Ok(item) => list.push(item),
                    Err(error) => items = Err(error),
                }
            }
            line.clear();
        }
        self.check(dir, hash)?;
        items.map_err(|error| CatalogError::damaged(dir, format!("{}: {error}", self.name)))
    }

    /// Opens the file and checks its size.
    fn open(&self, dir: &Path) -> Result<(PathBuf, File), CatalogError> {
        if self.name.contains(['/', '\\']) {
            return Err(CatalogError::damaged(
                dir,
                format!("`{}` is not a file name", self.name),
            ));
        }
        let path = dir.join(&self.name);
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(CatalogError::damaged(dir, format!("{} is missing", self.name)));
            }
            other => other.map_err(CatalogError::io("read", &path))?,
        };
        let bytes = file.metadata().map_err(CatalogError::io("read", &path))?.len();
        if bytes != self.bytes {
            let message = format!("{} has {bytes} bytes instead of {}", self.name, self.bytes);
            return Err(CatalogError::damaged(dir, message));
        }
        Ok((path, file))
    }

    fn check(&self, dir: &Path, hash: Sha256) -> Result<(), CatalogError> {
        if format!("{:x}", hash.finalize()) == self.sha256 {
            Ok(())
        } else {
            Err(CatalogError::damaged(
                dir,
                format!("the checksum of {} is wrong", self.name),
            ))
        }
    }
}
