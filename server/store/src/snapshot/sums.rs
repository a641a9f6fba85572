//! The file of checksums of a snapshot.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path};

use crate::error::StoreError;
use crate::folder::{DATABASE, SEGMENTS, UNPACKED, UPLOADS};
use crate::image::is_sha256;

/// File name of the checksums.
pub(super) const SUMS: &str = "SHA256SUMS";

/// Reads the checksums by file name. Names are `store.sqlite`, a file in `segments`, or a photo.
pub(super) fn read_sums(snapshot: &Path) -> Result<BTreeMap<String, String>, StoreError> {
    let path = snapshot.join(SUMS);
    let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => StoreError::damaged(snapshot, format!("it has no {SUMS}, so it is not a snapshot")),
        _ => StoreError::io("read", &path)(error),
    })?;
    let mut sums = BTreeMap::new();
    for line in text.lines() {
        let entry = parse_line(line).filter(|(sum, name)| is_sha256(sum) && is_inside(name));
        let (sum, name) =
            entry.ok_or_else(|| StoreError::damaged(&path, format!("`{line}` is no checksum of a file")))?;
        if sums.insert(name, sum).is_some() {
            return Err(StoreError::damaged(&path, format!("`{line}` names a file twice")));
        }
    }
    if !sums.contains_key(DATABASE) {
        return Err(StoreError::damaged(&path, format!("{DATABASE} is missing")));
    }
    Ok(sums)
}

fn is_inside(name: &str) -> bool {
    let mut parts = Vec::new();
    for part in Path::new(name).components() {
        match part {
            Component::Normal(part) => parts.push(part),
            _ => return false,
        }
    }
    match parts.as_slice() {
        [_] => name == DATABASE,
        [folder, _] if *folder == SEGMENTS => true,
        [folder, _, ..] => *folder == UPLOADS || *folder == UNPACKED,
        [] => false,
    }
}

/// Characters of a name that a line cannot have, with what `sha256sum` writes instead.
const ESCAPES: [(char, char); 3] = [('\\', '\\'), ('\n', 'n'), ('\r', 'r')];

/// The line of a file, as `sha256sum` writes it. A backslash at its begin tells that the name has escapes.
pub(super) fn sum_line(sum: &str, name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for character in name.chars() {
        match ESCAPES.iter().find(|(plain, _)| *plain == character) {
            Some((_, letter)) => escaped.extend(['\\', *letter]),
            None => escaped.push(character),
        }
    }
    let begin = if escaped == name { "" } else { "\\" };
    format!("{begin}{sum}  {escaped}\n")
}

/// Sum and name of a line.
fn parse_line(line: &str) -> Option<(String, String)> {
    let Some(escaped) = line.strip_prefix('\\') else {
        let (sum, name) = line.split_once("  ")?;
        return Some((sum.to_owned(), name.to_owned()));
    };
    let (sum, escaped) = escaped.split_once("  ")?;
    let mut name = String::with_capacity(escaped.len());
    let mut characters = escaped.chars();
    while let Some(character) = characters.next() {
        name.push(if character == '\\' {
            let letter = characters.next()?;
            ESCAPES.iter().find(|(_, known)| *known == letter)?.0
        } else {
            character
        });
    }
    Some((sum.to_owned(), name))
}
