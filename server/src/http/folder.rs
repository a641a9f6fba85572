//! Photos of the indexed dataset, and nothing else of the disk.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::Context;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::response::Response;

use super::entity::{Caching, Entity, media_type};
use super::error::ApiError;

/// The endings of what is served.
const ENDINGS: [&str; 6] = ["jpg", "jpeg", "png", "webp", "gif", "bmp"];

/// A folder of photos.
#[derive(Debug)]
pub(super) struct PhotoFolder {
    root: PathBuf,
}

impl PhotoFolder {
    /// Serves the photos below `root`.
    pub(super) fn open(root: &Path) -> anyhow::Result<Self> {
        let root = fs::canonicalize(root).with_context(|| {
            format!("cannot open {}; name the folder that holds the catalogue's photos", root.display())
        })?;
        Ok(Self { root })
    }

    /// The answer to a GET of the photo at `path`, as decoded from the address. Reads a file: not for async threads.
    pub(super) fn get(&self, path: &str, request: &HeaderMap) -> Result<Response, ApiError> {
        let missing = || ApiError::NotFound("photo");
        if !is_plain(path) {
            return Err(missing());
        }
        let file = match fs::canonicalize(self.root.join(path)) {
            // A link may not lead outside either.
            Ok(file) if file.starts_with(&self.root) => file,
            Ok(_) => return Err(missing()),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Err(missing());
            }
            Err(error) => return Err(unreadable(error)),
        };
        let data = file.metadata().map_err(unreadable)?;
        if !data.is_file() {
            return Err(missing());
        }
        let modified = data.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        let etag = format!("\"{:x}-{:x}\"", data.len(), modified.as_nanos());
        let bytes = Bytes::from(fs::read(&file).map_err(unreadable)?);
        Ok(Entity::plain(bytes, media_type(path), etag, Caching::Revalidate).respond(request))
    }
}

/// Whether `path` names a photo below the folder: no step up, nothing hidden, nothing absolute, no odd characters.
fn is_plain(path: &str) -> bool {
    let segments = path.split('/').all(|segment| !segment.is_empty() && !segment.starts_with('.'));
    let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
    segments && !path.contains(['\\', '\0', ':']) && ENDINGS.contains(&ending.as_str())
}

fn unreadable(error: std::io::Error) -> ApiError {
    ApiError::Internal(anyhow::Error::new(error).context("cannot read a photo"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_photos_below_the_folder() {
        for (path, expected) in [
            ("shop/P000001.jpg", true),
            ("user/P1_2.PNG", true),
            ("../secret.jpg", false),
            ("shop/../../secret.jpg", false),
            ("/etc/passwd.jpg", false),
            ("shop//a.jpg", false),
            (".git/a.jpg", false),
            ("a\\..\\b.jpg", false),
            ("C:a.jpg", false),
            ("manifest.csv", false),
            ("a.jpg\0", false),
            ("", false),
        ] {
            assert_eq!(is_plain(path), expected, "{path:?}");
        }
    }
}
