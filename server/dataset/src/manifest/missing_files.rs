//! Missing image files of a dataset, and files with equal bytes in several splits.

use super::dataset::Dataset;
use super::row::{TEST, TRAIN, VAL};
use rayon::prelude::*;
use shared::bundle::sha256_hex;
use std::collections::HashMap;
use std::fs;
use std::path::{Component, Path};

/// Row whose image file does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Index of the row.
    pub row: usize,
    /// Advice, if there is any.
    pub hint: Option<String>,
}

impl Dataset {
    /// Returns the rows whose image file does not exist.
    pub fn missing(&self) -> Vec<Missing> {
        let check = |row: usize| {
            let path = &self.rows[row].path;
            (!self.dir.join(path).is_file()).then(|| Missing {
                row,
                hint: hint(&self.dir, path),
            })
        };
        (0..self.rows.len()).into_par_iter().filter_map(check).collect()
    }

    /// Returns pairs of rows whose files have equal bytes although they are in different splits of `train`, `val` and
    /// `test`. The second of a pair is the first row with these bytes. Unreadable files are ignored.
    pub fn same_bytes(&self) -> Vec<[usize; 2]> {
        let mut by_size: HashMap<u64, Vec<usize>> = HashMap::new();
        for (at, row) in self
            .rows
            .iter()
            .enumerate()
            .filter(|(_, row)| [TRAIN, VAL, TEST].contains(&&*row.split))
        {
            if let Ok(meta) = fs::metadata(self.dir.join(&row.path)) {
                by_size.entry(meta.len()).or_default().push(at);
            }
        }
        let split = |row: usize| &self.rows[row].split;
        let twice = by_size
            .into_values()
            .filter(|rows| rows.iter().any(|row| split(*row) != split(rows[0])));
        let rows: Vec<usize> = twice.flatten().collect();
        let digest = |row: &usize| Some((*row, sha256_hex(&fs::read(self.dir.join(&self.rows[*row].path)).ok()?)));
        let mut digests: Vec<(usize, String)> = rows.par_iter().filter_map(digest).collect();
        digests.sort();
        let mut first: HashMap<String, usize> = HashMap::new();
        let pairs = digests
            .into_iter()
            .map(|(row, digest)| [row, *first.entry(digest).or_insert(row)]);
        pairs.filter(|[row, first]| split(*row) != split(*first)).collect()
    }
}

/// Advice for a path that is not a file. It names a file that differs only in case or extension, or explains folders,
/// absolute paths and broken links.
pub(super) fn hint(dir: &Path, path: &str) -> Option<String> {
    let whole = dir.join(path);
    if whole.is_dir() {
        return Some("it is a folder; name a file in it".to_owned());
    }
    if let Some(found) = alike(dir, path) {
        return Some(format!("there is {found}; write the name of the file exactly"));
    }
    if Path::new(path).is_absolute() {
        return Some("the path is absolute; name files from the manifest's folder, so that it can be moved".to_owned());
    }
    let broken = fs::symlink_metadata(&whole).is_ok_and(|meta| meta.is_symlink());
    broken.then(|| "it is a link to a file that does not exist".to_owned())
}

/// Returns the path of a file whose name differs only in case or extension, and whose folders differ only in case.
fn alike(dir: &Path, path: &str) -> Option<String> {
    let path = Path::new(path);
    let (mut place, mut found) = (dir.to_owned(), Vec::new());
    let last = path.components().count().checked_sub(1)?;
    for (at, part) in path.components().enumerate() {
        let mut name = part.as_os_str().to_string_lossy().into_owned();
        if let Component::Normal(_) = part
            && !place.join(&name).exists()
        {
            let folded = name.to_lowercase();
            let stem = Path::new(&folded)
                .file_stem()
                .map(|stem| stem.to_string_lossy().into_owned());
            let mut names: Vec<String> = fs::read_dir(&place)
                .ok()?
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect();
            names.sort();
            let same_stem = |other: &&String| {
                at == last
                    && Path::new(&other.to_lowercase())
                        .file_stem()
                        .map(|stem| stem.to_string_lossy().into_owned())
                        == stem
            };
            let other = names.iter().find(|other| other.to_lowercase() == folded);
            name = other.or_else(|| names.iter().find(same_stem))?.clone();
        }
        place.push(&name);
        found.push(name);
    }
    place.is_file().then(|| found.join("/"))
}
