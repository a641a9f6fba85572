//! The manifest's cells → rows. Every cell is checked; an error names the file, the line, the column and the value, and says
//! what to do.
//!
//! Spaces around a cell are no part of it. Lines without any value are left out.

use super::csv_text::{Lines, first_line, separator, text, trimmed};
use super::manifest::{Row, VAL};
use shared::input::CropBox;
use std::path::{Path, PathBuf};

/// The columns that are read; others may exist.
const COLUMNS: [&str; 10] = [
    "path",
    "split",
    "labels",
    "item_id",
    "category",
    "domain",
    "mask",
    "dup_group",
    "box",
    "several_splits",
];
/// Columns that every manifest has.
const REQUIRED: [&str; 2] = ["path", "split"];
/// Categories with a meaning; any other counts as something else.
const CATEGORIES: [&str; 5] = ["tops", "shoes", "bags", "other", "dress"];
/// Names of splits with a meaning; any other is a split of its own.
const SPLITS: [&str; 4] = ["train", "val", "test", "validation"];
/// Other names that people give those splits.
const SPLIT_SYNONYMS: [(&str, &str); 6] = [
    ("training", "train"),
    ("valid", "val"),
    ("dev", "val"),
    ("eval", "val"),
    ("testing", "test"),
    ("holdout", "val"),
];
/// What other programs write for a missing value.
const MISSING: [&str; 9] = ["nan", "NaN", "NAN", "null", "NULL", "<NA>", "None", "#N/A", "N/A"];

/// Fault in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {message}", path.display(), line.map(|line| format!(" line {line}")).unwrap_or_default())]
pub struct ManifestError {
    /// The manifest.
    pub path: PathBuf,
    /// The line, the first being 1; `None` where the whole file is meant.
    pub line: Option<usize>,
    /// Description of the fault, and advice.
    pub message: String,
}

/// An error of one line: its number and what is wrong.
pub(super) type LineError = (usize, String);

/// The rows of a manifest, each by itself; [`super::consistency::check`] compares them.
///
/// # Errors
/// The first line that cannot be used.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<Row>, ManifestError> {
    let refuse = |line, message| ManifestError {
        path: path.to_owned(),
        line,
        message,
    };
    let at = |(line, message): LineError| refuse(Some(line), message);
    let text = text(bytes).map_err(|(line, message)| refuse(line, message))?;
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut lines = Lines::of(text);
    let (mut header, mut rows) = (None, Vec::new());
    for record in reader.records() {
        let record = record.map_err(|error| refuse(None, error.to_string()))?;
        let line = lines.number(&record);
        let cells: Vec<&str> = record.iter().map(trimmed).collect();
        if cells.iter().all(|cell| cell.is_empty()) {
            continue;
        }
        match &header {
            None => header = Some(Header::read(&cells, first_line(text)).map_err(|message| at((line, message)))?),
            Some(header) => rows.push(header.row(&cells, line).map_err(at)?),
        }
    }
    if rows.is_empty() {
        return Err(refuse(
            None,
            "it has no rows; every line after the header is a photo".to_owned(),
        ));
    }
    Ok(rows)
}

/// Positions of the columns.
struct Header {
    names: Vec<String>,
    places: [Option<usize>; COLUMNS.len()],
}

impl Header {
    fn read(cells: &[&str], first: &str) -> Result<Self, String> {
        if first.trim_start_matches('"').to_ascii_lowercase().starts_with("sep=") {
            return Err(format!(
                "'{}' is a hint for spreadsheets and no header; remove the line, and separate columns by commas",
                first.trim()
            ));
        }
        let place = |name: &str| cells.iter().position(|cell| *cell == name);
        if place("path").is_none()
            && let Some(separator) = separator(first, "path")
        {
            return Err(separator);
        }
        for (at, cell) in cells.iter().enumerate() {
            if COLUMNS.contains(cell) && cells[..at].contains(cell) {
                return Err(format!(
                    "the header names the column '{cell}' twice; rename or remove one"
                ));
            }
            let alike = COLUMNS.iter().find(|name| **name != *cell && is_alike(cell, name));
            if let Some(name) = alike.filter(|name| place(name).is_none()) {
                return Err(format!("the header has a column '{cell}'; it is written '{name}'"));
            }
        }
        if let Some(name) = REQUIRED.iter().find(|name| place(name).is_none()) {
            return Err(format!(
                "the header lacks the column '{name}'; it has '{}'; the first line names the columns, separated by commas",
                cells.join("', '")
            ));
        }
        let names = cells.iter().map(|cell| (*cell).to_owned()).collect();
        Ok(Self {
            names,
            places: COLUMNS.map(place),
        })
    }

    fn row(&self, cells: &[&str], line: usize) -> Result<Row, LineError> {
        let refuse = |message: String| Err((line, message));
        if cells.len() != self.names.len() {
            let open = if cells.iter().any(|cell| cell.contains(['\n', '\r'])) {
                "; a quote that begins here may not be closed"
            } else {
                ""
            };
            return refuse(format!(
                "it has {} cells and the header {}{open}; quote cells that contain commas, and separate all others",
                cells.len(),
                self.names.len()
            ));
        }
        if REQUIRED.iter().all(|name| self.cell(name, cells) == *name) {
            return refuse("it repeats the header; remove the line".to_owned());
        }
        let line_of = Line {
            header: self,
            cells,
            line,
        };
        let split = line_of.text("split", split)?;
        Ok(Row {
            path: line_of.text("path", |value| {
                if value.is_empty() {
                    Err("a photo needs a file; name it, or remove the line".to_owned())
                } else {
                    file(value)
                }
            })?,
            split: if split == "validation" { VAL.to_owned() } else { split },
            labels: line_of.text("labels", labels)?,
            item_id: line_of.text("item_id", item)?,
            category: line_of.text("category", |value| meaning(value, &CATEGORIES, "categories"))?,
            domain: line_of.text("domain", domain)?,
            mask: line_of.text("mask", file)?,
            dup_group: line_of.text("dup_group", item)?,
            bounds: line_of.read("box", corners)?,
            several_splits: line_of.read("several_splits", yes)?,
            line,
        })
    }

    /// The cell of a column, empty where the manifest has no such column.
    fn cell<'a>(&self, name: &str, cells: &[&'a str]) -> &'a str {
        let place = COLUMNS
            .iter()
            .position(|known| *known == name)
            .and_then(|known| self.places[known]);
        place.and_then(|place| cells.get(place)).copied().unwrap_or_default()
    }
}

/// A line with as many cells as the header has.
struct Line<'a> {
    header: &'a Header,
    cells: &'a [&'a str],
    line: usize,
}

impl Line<'_> {
    /// What `of` makes of a column's cell.
    fn read<T>(&self, column: &str, of: impl Fn(&str) -> Result<T, String>) -> Result<T, LineError> {
        let value = self.header.cell(column, self.cells);
        plain(column, value)
            .and_then(|()| of(value))
            .map_err(|what| (self.line, refusal(column, value, &what)))
    }

    /// A column's cell as it is, if `check` allows it.
    fn text(&self, column: &str, check: impl Fn(&str) -> Result<(), String>) -> Result<String, LineError> {
        self.read(column, |value| check(value).map(|()| value.to_owned()))
    }
}

/// Characters of a cell that an error shows.
const SHOWN: usize = 80;

/// What is said of a cell.
fn refusal(column: &str, value: &str, what: &str) -> String {
    if value.is_empty() {
        return format!("the column '{column}' is empty: {what}");
    }
    let escaped = |c: char| {
        if c.is_control() {
            c.escape_default().to_string()
        } else {
            c.to_string()
        }
    };
    let shown: String = value.chars().take(SHOWN).map(escaped).collect();
    let dots = if value.chars().nth(SHOWN).is_some() { "…" } else { "" };
    format!("the column '{column}' is '{shown}{dots}': {what}")
}

/// Whether a header's cell means a column under a slightly different name.
fn is_alike(cell: &str, name: &str) -> bool {
    let plain = |text: &str| text.to_lowercase().replace([' ', '-', '_'], "");
    let (cell, name) = (plain(cell), plain(name));
    cell == name || format!("{cell}s") == name || cell == format!("{name}s")
}

/// What no cell may hold, whatever its column.
fn plain(column: &str, value: &str) -> Result<(), String> {
    if value.contains(['\n', '\r']) {
        return Err("it spans lines; a quote may not be closed, or the line break is to be removed".to_owned());
    }
    if value.contains('\u{fffd}') {
        return Err("a character was lost when the file was saved; save it as UTF-8 from its source again".to_owned());
    }
    if value.contains(char::is_control) {
        return Err("it holds a control character; remove it".to_owned());
    }
    let mut chars = value.chars();
    if let (Some(first), Some(last)) = (chars.next(), chars.next_back())
        && [('\'', '\''), ('"', '"'), ('‘', '’'), ('“', '”'), ('`', '`')].contains(&(first, last))
    {
        return Err(
            "it stands in quotes that CSV does not know; write it without, or between double quotes".to_owned(),
        );
    }
    if column == "labels"
        && value
            .split(';')
            .any(|label| label.trim().len() > 1 && label.trim().starts_with('\'') && label.trim().ends_with('\''))
    {
        return Err("a label stands in quotes; write labels without".to_owned());
    }
    if (MISSING.contains(&value) && (column != "labels" || value != "None"))
        || (value.starts_with('#') && value.ends_with(['!', '?']))
    {
        return Err("a program wrote this for a missing value; leave the cell empty".to_owned());
    }
    Ok(())
}

/// A file of the dataset, by the rules of paths alone.
fn file(value: &str) -> Result<(), String> {
    let bytes = value.as_bytes();
    if bytes.len() > 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':' && matches!(bytes[2], b'\\' | b'/') {
        return Err(
            "it is a path of a Windows drive; name files from the manifest's folder, with '/' between folders"
                .to_owned(),
        );
    }
    if value.contains('\\') {
        return Err("it has a backslash; write '/' between folders".to_owned());
    }
    if value.contains("://") {
        return Err("it is a URL; fetch the file and name it from the manifest's folder".to_owned());
    }
    if value.starts_with("~/") {
        return Err("'~' means no folder here; name files from the manifest's folder".to_owned());
    }
    Ok(())
}

fn split(value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err("every photo belongs to a split; write train, val or test".to_owned());
    }
    let lower = value.to_lowercase();
    let synonym = SPLIT_SYNONYMS
        .iter()
        .find(|(name, _)| *name == lower)
        .map(|(_, split)| *split);
    match synonym {
        Some(split) => Err(format!("the splits are train, val and test; write '{split}'")),
        None => meaning(value, &SPLITS, "splits"),
    }
}

/// Refuses a value that is nearly one with a meaning; any other value is allowed.
fn meaning(value: &str, known: &[&str], what: &str) -> Result<(), String> {
    let lower = value.to_lowercase();
    let letters = lower.chars().all(char::is_alphabetic) && lower.chars().count() > 2;
    let near = known
        .iter()
        .find(|name| **name != value && (**name == lower || (letters && is_near(&lower, name))));
    match near {
        Some(name) if !known.contains(&value) => Err(format!(
            "it is nearly '{name}', which is one of the known {what}; write '{name}', or choose a name that differs more"
        )),
        _ => Ok(()),
    }
}

/// Whether two words differ by one letter more, less or other, or by two neighbours exchanged.
fn is_near(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let front = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    match (&a[front..], &b[front..]) {
        ([_, left @ ..], right) | (right, [_, left @ ..]) if left == right => true,
        ([_, left @ ..], [_, right @ ..]) if left == right => true,
        ([a0, a1, left @ ..], [b0, b1, right @ ..]) => a0 == b1 && a1 == b0 && left == right,
        (left, right) => left == right,
    }
}

/// Only `shop` has a meaning in every command.
fn domain(value: &str) -> Result<(), String> {
    let lower = value.to_lowercase();
    let near = ["shop", "user"]
        .into_iter()
        .find(|name| *name != value && lower.trim_end_matches('s') == *name);
    near.map_or(Ok(()), |name| Err(format!("write '{name}'")))
}

fn labels(value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Ok(());
    }
    if let Some(separator) = value.chars().find(|c| matches!(c, ',' | '，' | '；' | '、' | '|')) {
        return Err(format!("'{separator}' does not separate labels; join them by ';'"));
    }
    if value.split(';').any(|label| trimmed(label).is_empty()) {
        return Err("between ';' there is nothing; remove the ';' that is too much".to_owned());
    }
    Ok(())
}

/// An identifier. Spreadsheets round long numbers, which makes one item of many.
fn item(value: &str) -> Result<(), String> {
    let rounded = value.split_once(['E', 'e']).is_some_and(|(digits, power)| {
        digits.contains(['.', ','])
            && power.starts_with('+')
            && value.chars().all(|c| c.is_ascii_digit() || ".,Ee+".contains(c))
    });
    if rounded {
        return Err("a spreadsheet has rounded it; format the column as text and fill it in again".to_owned());
    }
    Ok(())
}

/// `x0 y0 x1 y1`, or nothing.
fn corners(value: &str) -> Result<Option<CropBox>, String> {
    if value.is_empty() {
        return Ok(None);
    }
    let numbers: Result<Vec<u32>, _> = value.split_whitespace().map(str::parse).collect();
    match numbers.as_deref() {
        Ok(&[x, y, right, bottom]) if x < right && y < bottom => Ok(Some(CropBox {
            x,
            y,
            width: right - x,
            height: bottom - y,
        })),
        _ => Err("a box is `x0 y0 x1 y1` in whole pixels with x0 < x1 and y0 < y1".to_owned()),
    }
}

fn yes(value: &str) -> Result<bool, String> {
    match value {
        "yes" => Ok(true),
        "" | "no" => Ok(false),
        _ => Err("write yes or no".to_owned()),
    }
}
