//! Parsing of a manifest's cells to rows.
//!
//! Every cell is checked. An error names the file, the line, the column and the value, and gives advice. White space
//! around a cell is ignored, and so are lines without any value.

use super::csv_text::{Lines, first_line, separator, text, trimmed};
use super::row::{LineError, ManifestError, Row, VAL};
use shared::input::CropBox;
use std::path::Path;

/// Columns with a meaning. Others are allowed and ignored.
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
/// Columns that every manifest must have.
const REQUIRED: [&str; 2] = ["path", "split"];
/// Known categories. Any other one is allowed unless its name is nearly one of these.
const CATEGORIES: [&str; 5] = ["tops", "shoes", "bags", "other", "dress"];
/// Known splits. Any other one is allowed unless its name is nearly one of these.
const SPLITS: [&str; 4] = ["train", "val", "test", "validation"];
/// Common other names of splits, which are refused with the known name.
const SPLIT_SYNONYMS: [(&str, &str); 6] = [
    ("training", "train"),
    ("valid", "val"),
    ("dev", "val"),
    ("eval", "val"),
    ("testing", "test"),
    ("holdout", "val"),
];
/// Representations of a missing value in other programs.
const MISSING: [&str; 9] = ["nan", "NaN", "NAN", "null", "NULL", "<NA>", "None", "#N/A", "N/A"];

/// Parses the rows of a manifest and checks each individually; [`super::consistency::check`] compares them.
///
/// # Errors
/// Names the first invalid line.
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
    let mut lines = Lines::new(text);
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
            "it has no rows; write one line per image after the header".to_owned(),
        ));
    }
    Ok(rows)
}

/// Header line.
struct Header {
    /// All column names.
    names: Vec<String>,
    /// Positions of [`COLUMNS`].
    places: [Option<usize>; COLUMNS.len()],
}

impl Header {
    fn read(cells: &[&str], first: &str) -> Result<Self, String> {
        if first.trim_start_matches('"').to_ascii_lowercase().starts_with("sep=") {
            return Err(format!(
                "'{}' is a hint for spreadsheets, not a header; remove the line, and separate columns by commas",
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
                return Err(format!("the header has a column '{cell}'; write '{name}'"));
            }
        }
        if let Some(name) = REQUIRED.iter().find(|name| place(name).is_none()) {
            return Err(format!(
                "the header lacks the column '{name}'; it has '{}'. The first line must name the columns, separated by commas",
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
        let record = Record {
            header: self,
            cells,
            line,
        };
        let split = record.text("split", split)?;
        Ok(Row {
            path: record.text("path", |value| {
                if value.is_empty() {
                    Err("an image needs a file; name it, or remove the line".to_owned())
                } else {
                    file(value)
                }
            })?,
            split: if split == "validation" { VAL.to_owned() } else { split },
            labels: record.text("labels", labels)?,
            item_id: record.text("item_id", item)?,
            category: record.text("category", |value| refuse_near(value, &CATEGORIES, "categories"))?,
            domain: record.text("domain", domain)?,
            mask: record.text("mask", file)?,
            dup_group: record.text("dup_group", item)?,
            bounds: record.read("box", corners)?,
            several_splits: record.read("several_splits", yes_or_no)?,
            line,
        })
    }

    /// Returns the cell of a column, or an empty text if the manifest has no such column.
    fn cell<'a>(&self, name: &str, cells: &[&'a str]) -> &'a str {
        let place = COLUMNS
            .iter()
            .position(|known| *known == name)
            .and_then(|known| self.places[known]);
        place.and_then(|place| cells.get(place)).copied().unwrap_or_default()
    }
}

/// Line with as many cells as the header.
struct Record<'a> {
    header: &'a Header,
    cells: &'a [&'a str],
    line: usize,
}

impl Record<'_> {
    /// Parses the cell of a column.
    fn read<T>(&self, column: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, LineError> {
        let value = self.header.cell(column, self.cells);
        check_cell(column, value)
            .and_then(|()| parse(value))
            .map_err(|message| (self.line, refusal(column, value, &message)))
    }

    /// Returns the cell of a column unchanged if `check` allows it.
    fn text(&self, column: &str, check: impl Fn(&str) -> Result<(), String>) -> Result<String, LineError> {
        self.read(column, |value| check(value).map(|()| value.to_owned()))
    }
}

/// Maximum number of characters of a cell in an error.
const SHOWN: usize = 80;

/// Message for a refused cell.
fn refusal(column: &str, value: &str, message: &str) -> String {
    if value.is_empty() {
        return format!("the column '{column}' is empty: {message}");
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
    format!("the column '{column}' is '{shown}{dots}': {message}")
}

/// True if a header cell differs from a column's name only in case, spaces, hyphens, underscores or a plural `s`.
fn is_alike(cell: &str, name: &str) -> bool {
    let plain = |text: &str| text.to_lowercase().replace([' ', '-', '_'], "");
    let (cell, name) = (plain(cell), plain(name));
    cell == name || format!("{cell}s") == name || cell == format!("{name}s")
}

/// Checks a cell by the rules for all columns.
fn check_cell(column: &str, value: &str) -> Result<(), String> {
    if value.contains(['\n', '\r']) {
        return Err("it spans lines; close an open quote, or remove the line break".to_owned());
    }
    if value.contains('\u{fffd}') {
        return Err("a character was lost when the file was saved; save it again as UTF-8 from its source".to_owned());
    }
    if value.contains(char::is_control) {
        return Err("it contains a control character; remove it".to_owned());
    }
    let mut chars = value.chars();
    if let (Some(first), Some(last)) = (chars.next(), chars.next_back())
        && [('\'', '\''), ('"', '"'), ('‘', '’'), ('“', '”'), ('`', '`')].contains(&(first, last))
    {
        return Err("it is in quotes that are not CSV quotes; remove them, or use double quotes".to_owned());
    }
    if column == "labels"
        && value
            .split(';')
            .any(|label| label.trim().len() > 1 && label.trim().starts_with('\'') && label.trim().ends_with('\''))
    {
        return Err("a label is in quotes; write labels without quotes".to_owned());
    }
    if (MISSING.contains(&value) && (column != "labels" || value != "None"))
        || (value.starts_with('#') && value.ends_with(['!', '?']))
    {
        return Err("a program wrote this for a missing value; leave the cell empty".to_owned());
    }
    Ok(())
}

/// Checks the form of a path. The file need not exist.
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
        return Err("'~' is not a folder here; name files from the manifest's folder".to_owned());
    }
    Ok(())
}

fn split(value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err("every image belongs to a split; write train, val or test".to_owned());
    }
    let lower = value.to_lowercase();
    let synonym = SPLIT_SYNONYMS
        .iter()
        .find(|(name, _)| *name == lower)
        .map(|(_, split)| *split);
    match synonym {
        Some(split) => Err(format!("the splits are train, val and test; write '{split}'")),
        None => refuse_near(value, &SPLITS, "splits"),
    }
}

/// Refuses a value that is nearly one of the `known` ones, which are called `plural`. Any other value is allowed.
fn refuse_near(value: &str, known: &[&str], plural: &str) -> Result<(), String> {
    let lower = value.to_lowercase();
    let letters = lower.chars().all(char::is_alphabetic) && lower.chars().count() > 2;
    let near = known
        .iter()
        .find(|name| **name != value && (**name == lower || (letters && is_near(&lower, name))));
    match near {
        Some(name) if !known.contains(&value) => Err(format!(
            "it is nearly '{name}', which is one of the known {plural}; write '{name}', or choose a name that differs more"
        )),
        _ => Ok(()),
    }
}

/// True if one edit turns `a` into `b`: an insertion, a deletion, a substitution or a transposition of neighbours.
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

/// Refuses other spellings of `shop` and `user`. Any other domain is allowed.
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
        return Err("a label between ';' is empty; remove the surplus ';'".to_owned());
    }
    Ok(())
}

/// Refuses identifiers that a spreadsheet has rounded, since rounding merges items.
fn item(value: &str) -> Result<(), String> {
    let rounded = value.split_once(['E', 'e']).is_some_and(|(digits, power)| {
        digits.contains(['.', ','])
            && power.starts_with('+')
            && value.chars().all(|c| c.is_ascii_digit() || ".,Ee+".contains(c))
    });
    if rounded {
        return Err("a spreadsheet has rounded it; format the column as text and enter it again".to_owned());
    }
    Ok(())
}

/// Parses `x0 y0 x1 y1`, or an empty cell.
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

fn yes_or_no(value: &str) -> Result<bool, String> {
    match value {
        "yes" => Ok(true),
        "" | "no" => Ok(false),
        _ => Err("write yes or no".to_owned()),
    }
}
