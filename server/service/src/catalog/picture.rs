//! Pictures of a dataset: which paths a catalogue may name, and reading them.

use std::fs;
use std::path::{Path, PathBuf};

use dataset::Photo;

/// Fault of `path` as the name of a picture below the dataset folder; `None` if it is a plain relative path.
pub(super) fn fault_of(path: &str) -> Option<&'static str> {
    let drive = |path: &str| path.as_bytes().get(1) == Some(&b':');
    if path.is_empty() {
        Some("is empty; give the path of a picture, from the dataset folder")
    } else if path.contains("://") {
        Some("is a web address; download the picture into the dataset folder and give its path there")
    } else if path.starts_with('/') || drive(path) {
        Some(
            "is an absolute path, and only what lies below the dataset folder is served; put the picture there and give \
             its path from there",
        )
    } else if path.contains('\\') {
        Some("has backslashes; separate folders by `/`")
    } else if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        Some("is not a path inside the dataset folder, written without `.`, `..` and doubled `/`; correct it")
    } else if path.chars().any(char::is_control) {
        Some("has control characters; rename the file")
    } else {
        None
    }
}

/// The file of the picture that is named `path` below `root`, which is canonical.
///
/// # Errors
/// Says why the service could not send it.
pub(super) fn locate(root: &Path, path: &str) -> Result<PathBuf, String> {
    let file = fs::canonicalize(root.join(path)).map_err(|error| error.to_string())?;
    if !file.starts_with(root) {
        return Err("it is a link out of the dataset folder, which is not served; put the file itself there".into());
    }
    match file.metadata() {
        Ok(data) if data.is_file() => Ok(file),
        Ok(data) if data.is_dir() => Err("it is a folder, not a picture".into()),
        Ok(_) => Err("it is not a file".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// Decodes the picture that is named `path` below `root`, which is canonical.
///
/// # Errors
/// Says why the service could not send it, or a browser not show it.
pub(super) fn read(root: &Path, path: &str) -> Result<Photo, String> {
    let bytes = fs::read(locate(root, path)?).map_err(|error| error.to_string())?;
    Photo::decode(&bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_only() {
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
            let fault = fault_of(path);
            assert_eq!(fault.is_some(), says.is_some(), "{path:?}");
            assert!(
                fault.zip(says).is_none_or(|(fault, says)| fault.contains(says)),
                "{path:?}: {fault:?}"
            );
        }
    }
}
