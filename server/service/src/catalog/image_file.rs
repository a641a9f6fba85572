//! Image files of a dataset: the paths that a catalog may contain, and reading.

use std::fs;
use std::path::{Path, PathBuf};

use dataset::Photo;

/// Returns why a catalog cannot contain `path`; `None` for a plain relative path.
pub(super) fn path_fault(path: &str) -> Option<&'static str> {
    let has_drive = |path: &str| path.as_bytes().get(1) == Some(&b':');
    if path.is_empty() {
        Some("is empty; give the path of an image, relative to the dataset folder")
    } else if path.contains("://") {
        Some("is a web address; download the image into the dataset folder and give its path there")
    } else if path.starts_with('/') || has_drive(path) {
        Some(
            "is an absolute path, and only files below the dataset folder are served; put the image there and give its \
             relative path",
        )
    } else if path.contains('\\') {
        Some("has backslashes; separate folders by `/`")
    } else if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        Some("is not a path inside the dataset folder; write it without `.`, `..` and `//`")
    } else if path.chars().any(char::is_control) {
        Some("has control characters; rename the file")
    } else {
        None
    }
}

/// Finds the image file `path` below `root`, which is canonical.
///
/// # Errors
/// The reason why the service could not send the file.
pub(super) fn locate(root: &Path, path: &str) -> Result<PathBuf, String> {
    let file = fs::canonicalize(root.join(path)).map_err(|error| error.to_string())?;
    if !file.starts_with(root) {
        return Err("it is a link out of the dataset folder, which is not served; put the file itself there".into());
    }
    match file.metadata() {
        Ok(data) if data.is_file() => Ok(file),
        Ok(data) if data.is_dir() => Err("it is a folder, not an image".into()),
        Ok(_) => Err("it is not a file".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// Decodes the image file `path` below `root`, which is canonical.
///
/// # Errors
/// The reason why the service could not send the file or a browser could not show it.
pub(super) fn read(root: &Path, path: &str) -> Result<Photo, String> {
    let bytes = fs::read(locate(root, path)?).map_err(|error| error.to_string())?;
    Photo::decode(&bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_relative_paths_are_accepted() {
        for (path, says) in [
            ("shop/P1.jpg", None),
            ("a b/鞋?.jfif", None),
            ("shop/..a.jpg", None),
            ("", Some("empty")),
            ("https://example.org/a.jpg", Some("web address")),
            ("/etc/a.jpg", Some("absolute")),
            ("C:\\a.jpg", Some("absolute")),
            ("shop\\a.jpg", Some("backslashes")),
            ("../a.jpg", Some("inside the dataset")),
            ("shop/../../a.jpg", Some("inside the dataset")),
            ("./a.jpg", Some("inside the dataset")),
            ("shop//a.jpg", Some("inside the dataset")),
            ("shop/", Some("inside the dataset")),
            ("a\n.jpg", Some("control characters")),
        ] {
            let fault = path_fault(path);
            assert_eq!(fault.is_some(), says.is_some(), "{path:?}");
            assert!(
                fault.zip(says).is_none_or(|(fault, says)| fault.contains(says)),
                "{path:?}: {fault:?}"
            );
        }
    }
}
