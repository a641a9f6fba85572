//! Rows of a manifest beside each other: photos listed twice, items and groups in several splits, names that differ in
//! capitals only.

use super::manifest::{Row, TEST, TRAIN, VAL};
use super::rows::LineError;
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Component, Path};

/// Splits that must not show what another of them shows: one is learnt from, one chooses, one measures.
const APART: [&str; 3] = [TRAIN, VAL, TEST];

/// Checks rows beside each other, and takes those once that repeat another; `dir` is the manifest's folder. Returns how
/// many repeat another, with the lines of the first such pair.
///
/// # Errors
/// The later of two lines that contradict each other, and what to do.
pub(super) fn check(rows: &mut Vec<Row>, dir: &Path) -> Result<Option<(usize, [usize; 2])>, LineError> {
    let repeated = photos(rows, dir)?;
    for (column, of) in [
        ("labels", labels as fn(&Row) -> Vec<&str>),
        ("category", category),
        ("domain", domain),
        ("split", split),
    ] {
        capitals(rows, column, of)?;
    }
    apart(rows, "item", |row| &row.item_id)?;
    apart(rows, "dup_group", |row| &row.dup_group)?;
    Ok(repeated)
}

fn labels(row: &Row) -> Vec<&str> {
    row.labels().collect()
}

fn category(row: &Row) -> Vec<&str> {
    vec![&row.category]
}

fn domain(row: &Row) -> Vec<&str> {
    vec![&row.domain]
}

fn split(row: &Row) -> Vec<&str> {
    vec![&row.split]
}

/// One photo, or one box of it, has one row.
fn photos(rows: &mut Vec<Row>, dir: &Path) -> Result<Option<(usize, [usize; 2])>, LineError> {
    let paths: Vec<OsString> = rows.iter().map(|row| plain(&row.path)).collect();
    let mut by_path: HashMap<&OsString, usize> = HashMap::new();
    let mut by_box = HashMap::new();
    let mut folded: HashMap<String, usize> = HashMap::new();
    let mut repeats = vec![false; rows.len()];
    let mut first_pair = None;
    for (at, row) in rows.iter().enumerate() {
        let other = &rows[*by_path.entry(&paths[at]).or_insert(at)];
        if other.split != row.split {
            return Err((
                row.line,
                format!(
                    "the photo {} is in '{}' and, on line {}, in '{}'; give it one split",
                    row.path, row.split, other.line, other.split
                ),
            ));
        }
        let spelled = *folded.entry(fold(&paths[at].to_string_lossy())).or_insert(at);
        if paths[spelled] != paths[at] && !are_two_files(&rows[spelled], row, dir) {
            return Err((
                row.line,
                format!(
                    "the path {} differs from {} on line {} in capitals only, and only one such file is there; write it as the file is named",
                    row.path, rows[spelled].path, rows[spelled].line
                ),
            ));
        }
        let corners = row.bounds.map(|b| (b.x, b.y, b.width, b.height));
        let first = *by_box.entry((&paths[at], corners)).or_insert(at);
        if first == at {
            continue;
        }
        if let Some((column, [value, before])) = difference(row, &rows[first]) {
            return Err((
                row.line,
                format!(
                    "the photo {} has the {column} '{value}' and, on line {}, '{before}'; keep the line that is right",
                    row.path, rows[first].line
                ),
            ));
        }
        repeats[at] = true;
        first_pair.get_or_insert([row.line, rows[first].line]);
    }
    let mut kept = repeats.iter().map(|repeats| !repeats);
    rows.retain(|_| kept.next().unwrap_or(true));
    Ok(first_pair.map(|pair| (repeats.iter().filter(|repeats| **repeats).count(), pair)))
}

/// A column in which two rows of one photo differ, with both values.
fn difference<'a>(row: &'a Row, other: &'a Row) -> Option<(&'static str, [String; 2])> {
    let set = |row: &Row| {
        let mut labels = labels(row).into_iter().map(str::to_owned).collect::<Vec<_>>();
        labels.sort();
        labels.dedup();
        labels.join(";")
    };
    let columns = [
        ("labels", [set(row), set(other)]),
        ("item_id", [row.item_id.clone(), other.item_id.clone()]),
        ("category", [row.category.clone(), other.category.clone()]),
        ("domain", [row.domain.clone(), other.domain.clone()]),
        ("mask", [row.mask.clone(), other.mask.clone()]),
        ("dup_group", [row.dup_group.clone(), other.dup_group.clone()]),
    ];
    columns.into_iter().find(|(_, [a, b])| a != b)
}

/// A path without `.`, doubled separators and folders that are left again.
fn plain(path: &str) -> OsString {
    let mut parts: Vec<Component<'_>> = Vec::new();
    for part in Path::new(path).components() {
        match (part, parts.last()) {
            (Component::CurDir, _) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.iter().collect::<std::path::PathBuf>().into_os_string()
}

/// True if both files exist and differ.
fn are_two_files(one: &Row, other: &Row, dir: &Path) -> bool {
    let real = |row: &Row| std::fs::canonicalize(dir.join(&row.path)).ok();
    matches!((real(one), real(other)), (Some(a), Some(b)) if a != b)
}

/// Values of a column are spelled in one way.
fn capitals(rows: &[Row], column: &str, of: fn(&Row) -> Vec<&str>) -> Result<(), LineError> {
    let mut spelled: HashMap<String, (&str, usize)> = HashMap::new();
    let mut seen: HashMap<&str, ()> = HashMap::new();
    for row in rows {
        for value in of(row) {
            if seen.insert(value, ()).is_some() {
                continue;
            }
            let (first, line) = *spelled.entry(fold(value)).or_insert((value, row.line));
            if first != value {
                return Err((
                    row.line,
                    format!(
                        "the column '{column}' has '{value}' and, on line {line}, '{first}', which differ in capitals or width only; write one of them everywhere"
                    ),
                ));
            }
        }
    }
    Ok(())
}

/// Small letters, and full-width letters and signs as the usual ones.
fn fold(text: &str) -> String {
    let usual = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        _ => c,
    };
    text.chars().map(usual).flat_map(char::to_lowercase).collect()
}

/// Checks that a name is in only one of the splits that must be kept apart, unless its rows say that it is meant so.
fn apart(rows: &[Row], what: &str, name: fn(&Row) -> &String) -> Result<(), LineError> {
    let mut first: HashMap<&str, &Row> = HashMap::new();
    for row in rows
        .iter()
        .filter(|row| !name(row).is_empty() && APART.contains(&row.split.as_str()))
    {
        let before = *first.entry(name(row)).or_insert(row);
        if before.split != row.split && !(row.several_splits && before.several_splits) {
            return Err((
                row.line,
                format!(
                    "the {what} '{}' is in '{}' and, on line {}, in '{}', so figures would be too good; give all its photos one split, or write yes in a column 'several_splits' on its rows if that is meant",
                    name(row),
                    row.split,
                    before.line,
                    before.split
                ),
            ));
        }
    }
    Ok(())
}
