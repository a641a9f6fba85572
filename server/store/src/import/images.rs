//! Images that rows of an import name.

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

use sha2::{Digest, Sha256};

use crate::db::images::ImageFile;
use crate::image::{hex, is_sha256};

/// Reason why an image cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFault {
    /// Stable code, such as `image_missing`.
    pub code: &'static str,
    /// The fault, and what to do.
    pub message: String,
}

impl ImageFault {
    /// A fault with a code and a message.
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

/// Source of images. An implementation may also decode them, and refuse those that cannot be decoded.
pub trait ImageSource {
    /// Text that changes when the bytes at `source` change, such as size and time. With `None` the image is always read.
    ///
    /// # Errors
    /// If there is no such image.
    fn stamp(&self, source: &str) -> Result<Option<String>, ImageFault>;

    /// Reads the image. `given` is the SHA-256 that the row gives.
    ///
    /// # Errors
    /// If the image cannot be used.
    fn read(&self, source: &str, given: Option<&str>) -> Result<ImageFile, ImageFault>;
}

/// Takes the hashes of the rows and reads no files. Rows without hashes have no images.
#[derive(Debug, Clone, Copy, Default)]
pub struct GivenHashes;

impl ImageSource for GivenHashes {
    fn stamp(&self, _: &str) -> Result<Option<String>, ImageFault> {
        Ok(None)
    }

    fn read(&self, _: &str, given: Option<&str>) -> Result<ImageFile, ImageFault> {
        let given = given.filter(|given| is_sha256(given));
        let sha256 = given.ok_or_else(|| ImageFault::new("image_hash", "the row gives no SHA-256 of the image"))?;
        Ok(ImageFile {
            sha256: sha256.to_owned(),
            width: None,
            height: None,
        })
    }
}

/// Images in a folder. An address is taken for the file with the last part of its path, because nothing is downloaded.
#[derive(Debug, Clone)]
pub struct FolderImages {
    root: PathBuf,
}

impl FolderImages {
    /// Images below the folder `root`.
    ///
    /// # Errors
    /// If there is no such folder.
    pub fn new(root: &Path) -> io::Result<Self> {
        Ok(Self {
            root: root.canonicalize()?,
        })
    }

    /// Path of the image's file, which is in the folder.
    ///
    /// # Errors
    /// If the path leads outside, or there is no such file.
    pub fn path(&self, source: &str) -> Result<PathBuf, ImageFault> {
        let name = match source.split_once("://") {
            None => source,
            Some((_, address)) => {
                let path = address.split(['?', '#']).next().unwrap_or_default();
                path.rsplit('/').next().unwrap_or_default()
            }
        };
        let relative = Path::new(name);
        let is_plain = relative
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if name.is_empty() || !is_plain {
            let message = format!("`{source}` is not a path below the folder of images");
            return Err(ImageFault::new("image_path", message));
        }
        let missing = || {
            let hint = if name == source {
                "copy the file there or correct the path"
            } else {
                "addresses are not downloaded; copy the file there"
            };
            ImageFault::new(
                "image_missing",
                format!("`{name}` is not in {}; {hint}", self.root.display()),
            )
        };
        let path = self.root.join(relative).canonicalize().map_err(|_| missing())?;
        if !path.starts_with(&self.root) {
            let message = format!("`{source}` is a link that leads outside of the folder of images");
            return Err(ImageFault::new("image_path", message));
        }
        if path.is_file() { Ok(path) } else { Err(missing()) }
    }
}

impl ImageSource for FolderImages {
    fn stamp(&self, source: &str) -> Result<Option<String>, ImageFault> {
        let path = self.path(source)?;
        let data = fs::metadata(&path).map_err(|error| unreadable(source, &error))?;
        let time = data
            .modified()
            .ok()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        // The path is part of the stamp, so that another folder is read anew.
        Ok(time.map(|time| format!("{} {} {}", data.len(), time.as_nanos(), path.display())))
    }

    fn read(&self, source: &str, given: Option<&str>) -> Result<ImageFile, ImageFault> {
        let mut file = File::open(self.path(source)?).map_err(|error| unreadable(source, &error))?;
        let mut hash = Sha256::new();
        let bytes = io::copy(&mut file, &mut hash).map_err(|error| unreadable(source, &error))?;
        if bytes == 0 {
            return Err(ImageFault::new("image_empty", format!("`{source}` is empty")));
        }
        let sha256 = hex(&hash.finalize());
        if given.is_some_and(|given| given != sha256) {
            let message = format!("`{source}` has another SHA-256 than the row gives");
            return Err(ImageFault::new("image_changed", message));
        }
        Ok(ImageFile {
            sha256,
            width: None,
            height: None,
        })
    }
}

fn unreadable(source: &str, error: &io::Error) -> ImageFault {
    ImageFault::new("image_unreadable", format!("`{source}` cannot be read: {error}"))
}
