//! Image files of a store: their folder, and reading.

use std::fs;
use std::path::{Path, PathBuf};

use dataset::Photo;
use store::{FolderImages, ImageFault, ImageFile, ImageSource};

/// Folder inside a store for images that clients uploaded, by checksum.
pub(super) const UPLOADS: &str = "uploads";
/// Folder inside a store for images of archives, by path.
pub(super) const UNPACKED: &str = "photos";
/// Begin of the source of an uploaded image.
const UPLOADED: &str = "upload:";

/// Image files: those in the shop's folder, those of archives, and those that clients uploaded.
#[derive(Debug, Clone)]
pub struct PhotoFiles {
    /// The shop's folder, then the one of archives, if they exist.
    folders: Vec<FolderImages>,
    uploads: PathBuf,
}

impl PhotoFiles {
    /// Files below the folder `images`, and files that were given to the store in the folder `store`. If there is no folder
    /// `images`, only the latter can be read.
    #[must_use]
    pub fn new(images: Option<&Path>, store: &Path) -> Self {
        let folders = images.map(Path::to_owned).into_iter().chain([store.join(UNPACKED)]);
        Self {
            folders: folders.filter_map(|folder| FolderImages::new(&folder).ok()).collect(),
            uploads: store.join(UPLOADS),
        }
    }

    /// Reads the file of an image and compares its checksum.
    ///
    /// # Errors
    /// The reason in words.
    pub fn bytes(&self, source: &str, sha256: &str) -> Result<Vec<u8>, String> {
        let path = self.path(source).map_err(|fault| fault.message)?;
        let bytes = fs::read(&path).map_err(|error| format!("`{source}` cannot be read: {error}"))?;
        if checksum(&bytes) != sha256 {
            return Err(format!("`{source}` has changed since it was imported; import it again"));
        }
        Ok(bytes)
    }

    /// Stores an uploaded image, which must be readable. Returns its source and its checksum.
    ///
    /// # Errors
    /// If it cannot be decoded or written.
    pub fn keep(&self, bytes: &[u8]) -> Result<(String, ImageFile), ImageFault> {
        let file = described(bytes, UPLOADS)?;
        let path = self.uploads.join(&file.sha256);
        let failed = |error: &dyn std::fmt::Display| {
            ImageFault::new("image_write", format!("the image cannot be stored: {error}"))
        };
        fs::create_dir_all(&self.uploads).map_err(|error| failed(&error))?;
        if !path.exists() {
            dataset::atomic::write(&path, bytes).map_err(|error| failed(&error))?;
        }
        Ok((format!("{UPLOADED}{}", file.sha256), file))
    }

    fn path(&self, source: &str) -> Result<PathBuf, ImageFault> {
        if let Some(name) = source.strip_prefix(UPLOADED) {
            let is_name = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
            let path = self.uploads.join(name);
            return if is_name && path.is_file() {
                Ok(path)
            } else {
                Err(ImageFault::new("image_missing", format!("`{source}` was not uploaded")))
            };
        }
        let mut fault = None;
        for folder in &self.folders {
            match folder.path(source) {
                Ok(path) => return Ok(path),
                Err(found) => fault = fault.or(Some(found)),
            }
        }
        Err(fault.unwrap_or_else(|| {
            ImageFault::new(
                "image_folder",
                format!("there is no folder of images for `{source}`; name it with --images"),
            )
        }))
    }
}

impl ImageSource for PhotoFiles {
    fn stamp(&self, source: &str) -> Result<Option<String>, ImageFault> {
        if source.starts_with(UPLOADED) {
            return self.path(source).map(|_| None);
        }
        let path = self.path(source)?;
        let folder = self
            .folders
            .iter()
            .find(|folder| folder.path(source).is_ok_and(|found| found == path));
        folder.map_or(Ok(None), |folder| folder.stamp(source))
    }

    fn read(&self, source: &str, given: Option<&str>) -> Result<ImageFile, ImageFault> {
        let path = self.path(source)?;
        let bytes = fs::read(&path)
            .map_err(|error| ImageFault::new("image_unreadable", format!("`{source}` cannot be read: {error}")))?;
        let file = described(&bytes, source)?;
        if given.is_some_and(|given| given != file.sha256) {
            let message = format!("`{source}` has another SHA-256 than the row gives");
            return Err(ImageFault::new("image_changed", message));
        }
        Ok(file)
    }
}

/// Checksum and size of an image that can be decoded.
fn described(bytes: &[u8], source: &str) -> Result<ImageFile, ImageFault> {
    let undecodable = |error| ImageFault::new("image_undecodable", format!("`{source}`: {error}"));
    let photo = Photo::decode(bytes).map_err(undecodable)?;
    Ok(ImageFile {
        sha256: checksum(bytes),
        width: Some(photo.width()),
        height: Some(photo.height()),
    })
}

/// SHA-256 in lower-case hexadecimal digits.
fn checksum(bytes: &[u8]) -> String {
    shared::bundle::sha256_hex(bytes)
}
