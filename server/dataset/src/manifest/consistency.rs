//! Checks between rows of a manifest: repeated images, items and groups in several splits, spellings that differ only in
//! case.

use super::row::{LineError, Row, TEST, TRAIN, VAL};
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Component, Path};

/// Splits that must not share items or near-duplicates.
const APART: [&str; 3] = [TRAIN, VAL, TEST];

/// Checks rows against each other and drops repeated ones. `dir` is the manifest's folder. Returns the number of dropped
/// rows and the lines of the first repeated pair.
///
/// # Errors
/// Names the later of two contradicting lines, with advice.
pub(super) fn check(rows: &mut Vec<Row>, dir: &Path) -> Result<Option<(usize, [usize; 2])>, LineError> {
    let repeated = drop_repeated(rows, dir)?;
    for (column, values) in [
        ("labels", labels as fn(&Row) -> Vec<&str>),
        ("category", category),
        ("domain", domain),
        ("split", split),
    ] {
        check_spelling(rows, column, values)?;
    }
    check_splits(rows, "item", |row| &row.item_id)?;
    check_splits(rows, "dup_group", |row| &row.dup_group)?;
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

/// Drops rows that repeat the image and the box of another row.
fn drop_repeated(rows: &mut Vec<Row>, dir: &Path) -> Result<Option<(usize, [usize; 2])>, LineError> {
    let paths: Vec<OsString> = rows.iter().map(|row| normalised(&row.path)).collect();
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
                    "the image {} is in '{}' and, on line {}, in '{}'; give it one split",
                    row.path, row.split, other.line, other.split
                ),
            ));
        }
        let spelled = *folded.entry(fold(&paths[at].to_string_lossy())).or_insert(at);
        if paths[spelled] != paths[at] && !are_two_files(&rows[spelled], row, dir) {
            return Err((
                row.line,
                format!(
                    "the path {} differs from {} on line {} only in case, and there is only one such file; write it as the file is named",
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
                    "the image {} has the {column} '{value}' and, on line {}, '{before}'; keep the correct line",
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

/// Returns a column in which two rows of one image differ, with both values.
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

/// Normalises a path: removes `.`, repeated separators, and folders followed by `..`.
fn normalised(path: &str) -> OsString {
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

/// Checks that a column does not spell one value in several ways. `values` returns the values of a row.
fn check_spelling(rows: &[Row], column: &str, values: fn(&Row) -> Vec<&str>) -> Result<(), LineError> {
    let mut spelled: HashMap<String, (&str, usize)> = HashMap::new();
    let mut seen: HashMap<&str, ()> = HashMap::new();
    for row in rows {
        for value in values(row) {
            if seen.insert(value, ()).is_some() {
                continue;
            }
            let (first, line) = *spelled.entry(fold(value)).or_insert((value, row.line));
            if first != value {
                return Err((
                    row.line,
                    format!(
                        "the column '{column}' has '{value}' and, on line {line}, '{first}', which differ only in case or width; write one of them everywhere"
                    ),
                ));
            }
        }
    }
    Ok(())
}

/// Converts to lower case and full-width characters to ASCII.
fn fold(text: &str) -> String {
    let usual = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        _ => c,
    };
    text.chars().map(usual).flat_map(char::to_lowercase).collect()
}

/// Checks that a name occurs in only one of [`APART`], unless its rows allow several splits.
fn check_splits(rows: &[Row], what: &str, name: fn(&Row) -> &String) -> Result<(), LineError> {
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
                    "the {what} '{}' is in '{}' and, on line {}, in '{}', so metrics would be too optimistic; give all its images one split, or write yes in a column 'several_splits' of its rows if that is intended",
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
