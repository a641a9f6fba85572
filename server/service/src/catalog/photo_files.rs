//! Image files of a store: their folder, and reading.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use dataset::Photo;
use store::{FolderImages, ImageFault, ImageFile, ImageSource, Store, StoreError, UNPACKED, UPLOADS};

/// Begin of the source of an uploaded image.
const UPLOADED: &str = "upload:";

/// Image files: those in the shop's folder, those of archives, and those that clients uploaded.
#[derive(Debug, Clone)]
pub struct PhotoFiles {
    /// The shop's folder, then those of archives, if they exist.
    folders: Vec<FolderImages>,
    /// Why the shop's folder cannot be opened.
    fault: Option<String>,
    uploads: PathBuf,
}

impl PhotoFiles {
    /// Files below the folder `images`, and files that were given to the store in the folder `store`. If there is no folder
    /// `images`, only the latter can be read.
    #[must_use]
    pub fn new(images: Option<&Path>, store: &Path) -> Self {
        Self::with_unpacked(images, None, store)
    }

    /// [`new`](Self::new) with the folder of an archive that was unpacked and not kept yet.
    #[must_use]
    pub fn with_unpacked(images: Option<&Path>, unpacked: Option<&Path>, store: &Path) -> Self {
        let opened = images.map(|folder| {
            let cannot = |error| format!("the folder of photos {} cannot be opened: {error}", folder.display());
            FolderImages::new(folder).map_err(cannot)
        });
        let (shop, fault) = match opened {
            Some(Ok(shop)) => (Some(shop), None),
            Some(Err(fault)) => (None, Some(fault)),
            None => (None, None),
        };
        let photos = store.join(UNPACKED);
        let archives = [unpacked, Some(photos.as_path())].into_iter().flatten();
        let archives = archives.filter_map(|folder| FolderImages::new(folder).ok());
        Self {
            folders: shop.into_iter().chain(archives).collect(),
            fault,
            uploads: store.join(UPLOADS),
        }
    }

    /// Files of a store. `images` replaces the folder that the store remembers.
    ///
    /// # Errors
    /// Errors of the database.
    pub fn of(store: &Store, images: Option<&Path>) -> Result<Self, StoreError> {
        let folder = match images {
            Some(images) => Some(images.to_owned()),
            None => store.image_folder()?,
        };
        Ok(Self::new(folder.as_deref(), store.dir()))
    }

    /// Reads the file of an image and compares its checksum. A photo that an archive has replaced is still found.
    ///
    /// # Errors
    /// The reason in words.
    pub fn bytes(&self, source: &str, sha256: &str) -> Result<Vec<u8>, String> {
        let path = self.path(source).map_err(|fault| fault.message);
        let read = |path| fs::read(path).map_err(|error| format!("`{source}` cannot be read: {error}"));
        match path.and_then(read) {
            Ok(bytes) if checksum(&bytes) == sha256 => Ok(bytes),
            found => self.kept(sha256).ok_or_else(|| match found {
                Ok(_) => format!("`{source}` has changed since it was imported; import it again"),
                Err(reason) => reason,
            }),
        }
    }

    /// The file that is kept by this checksum, if there is one.
    fn kept(&self, sha256: &str) -> Option<Vec<u8>> {
        let path = self.uploads.join(Some(sha256).filter(|name| is_name(name))?);
        fs::read(path).ok().filter(|bytes| checksum(bytes) == sha256)
    }

    /// Stores an uploaded image, which was decoded to `photo`. Returns its source and its checksum.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep(&self, bytes: &[u8], photo: &Photo) -> anyhow::Result<(String, ImageFile)> {
        let file = described(bytes, photo);
        let path = self.uploads.join(&file.sha256);
        fs::create_dir_all(&self.uploads).with_context(|| format!("cannot create {}", self.uploads.display()))?;
        if !path.exists() {
            dataset::atomic::write(&path, bytes)?;
        }
        Ok((format!("{UPLOADED}{}", file.sha256), file))
    }

    fn path(&self, source: &str) -> Result<PathBuf, ImageFault> {
        if let Some(name) = source.strip_prefix(UPLOADED) {
            let path = self.uploads.join(name);
            return if is_name(name) && path.is_file() {
                Ok(path)
            } else {
                Err(ImageFault::new("image_missing", format!("`{source}` was not uploaded")))
            };
        }
        self.in_folders(source, |folder| folder.path(source))
    }

    /// The first result of the folders, or the fault of the shop's folder, or else of the first one.
    fn in_folders<T>(
        &self,
        source: &str,
        find: impl Fn(&FolderImages) -> Result<T, ImageFault>,
    ) -> Result<T, ImageFault> {
        let mut fault = None;
        for folder in &self.folders {
            match find(folder) {
                Ok(found) => return Ok(found),
                Err(found) => fault = fault.or(Some(found)),
            }
        }
        if let Some(closed) = &self.fault {
            return Err(ImageFault::new("image_folder", format!("`{source}`: {closed}")));
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
        self.in_folders(source, |folder| folder.stamp(source))
    }

    fn read(&self, source: &str, given: Option<&str>) -> Result<ImageFile, ImageFault> {
        let path = self.path(source)?;
        let bytes = fs::read(&path)
            .map_err(|error| ImageFault::new("image_unreadable", format!("`{source}` cannot be read: {error}")))?;
        // A photo that an archive has replaced is still the one that an export names.
        let kept = given.filter(|given| *given != checksum(&bytes));
        let bytes = kept.and_then(|given| self.kept(given)).unwrap_or(bytes);
        let photo = Photo::decode(&bytes)
            .map_err(|error| ImageFault::new("image_undecodable", format!("`{source}`: {error}")))?;
        let file = described(&bytes, &photo);
        if given.is_some_and(|given| given != file.sha256) {
            let message = format!("`{source}` has another SHA-256 than the row gives");
            return Err(ImageFault::new("image_changed", message));
        }
        Ok(file)
    }
}

/// Checksum and size of an image.
fn described(bytes: &[u8], photo: &Photo) -> ImageFile {
    ImageFile {
        sha256: checksum(bytes),
        width: Some(photo.width()),
        height: Some(photo.height()),
    }
}

/// True if the name of a file can be a checksum.
fn is_name(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// SHA-256 in lower-case hexadecimal digits.
pub(super) fn checksum(bytes: &[u8]) -> String {
    shared::bundle::sha256_hex(bytes)
}
