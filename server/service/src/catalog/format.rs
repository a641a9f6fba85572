//! File format of the catalog folder, and reading.
//!
//! `catalog.json` lists the data files with their sizes and SHA-256. The file names contain the checksum, so that new data
//! never overwrite old data. [`super::writer`] defines the order of writing.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use super::CatalogError;
use search::storage::Storage;

use crate::embed::PhotoViews;

/// Newest format, for embeddings that are not stored as f32. f32 catalogs have format 1, which older versions read.
pub(super) const FORMAT: u32 = 2;

/// Name of the [`Header`]'s file.
pub(super) const HEADER: &str = "catalog.json";

/// Content of `catalog.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    /// Format, 1 to [`FORMAT`].
    pub(super) format: u32,
    /// The model that made the embeddings.
    pub(super) model_id: String,
    /// Dimension of the embeddings.
    pub(super) dim: usize,
    /// Number of embedded photos.
    pub(super) count: usize,
    /// Absolute path of the dataset folder at the time of indexing.
    pub(super) dataset: PathBuf,
    /// Storage type of the embeddings.
    #[serde(default)]
    pub(super) storage: Storage,
    /// Views whose embeddings were averaged.
    #[serde(default, skip_serializing_if = "PhotoViews::is_none")]
    pub(super) views: PhotoViews,
    /// `count` unit embeddings, encoded by [`Storage::encode`].
    pub(super) embeddings: DataFile,
    /// One [`Row`] per line, in the order of the embeddings.
    pub(super) rows: DataFile,
    /// One product per line, sorted by id.
    pub(super) products: DataFile,
    /// One sample photo per line.
    pub(super) samples: DataFile,
    /// True if the operator chose the samples. Older versions chose them automatically and did not write this key.
    #[serde(default)]
    pub(super) samples_chosen: bool,
}

/// A data file with its size and checksum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DataFile {
    /// File name in the catalog folder.
    pub(super) name: String,
    /// Size in bytes.
    pub(super) bytes: u64,
    /// SHA-256 in hexadecimal digits.
    pub(super) sha256: String,
}

/// Product and photo of one embedding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    /// Id of the product.
    pub(super) product_id: String,
    /// Path of the photo, relative to the dataset folder.
    pub(super) image: String,
}

impl Header {
    /// The data files.
    pub(super) fn files(&self) -> [&DataFile; 4] {
        [&self.embeddings, &self.rows, &self.products, &self.samples]
    }

    /// Name of the first data file that `dir` lacks or that has another size.
    pub(super) fn missing_file(&self, dir: &Path) -> Option<&str> {
        let is_present =
            |file: &&DataFile| fs::metadata(dir.join(&file.name)).is_ok_and(|data| data.len() == file.bytes);
        self.files()
            .into_iter()
            .find(|file| !is_present(file))
            .map(|file| file.name.as_str())
    }

    /// Reads `catalog.json` of `dir`.
    ///
    /// # Errors
    /// If the file is missing, is not a header, or has an unknown format.
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
            result => result.map_err(CatalogError::io("read", &path))?,
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
    /// Reads the file from `dir` in pieces of `piece` bytes and checks size and checksum. The last piece may be shorter.
    /// The consumed bytes are only valid if this returns `Ok`.
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

    /// Reads the file as JSON objects, one per line, and checks size and checksum.
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
            result => result.map_err(CatalogError::io("read", &path))?,
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
