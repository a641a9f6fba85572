//! Tables: records of a delimited text file.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use super::report::Fault;
use super::text::{LONGEST, read_line};
use crate::error::StoreError;

/// A record with the line in which it begins.
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) cells: Result<Vec<String>, Fault>,
}

/// Reader of records. Cells may be quoted and then contain delimiters, line breaks and doubled quotation marks.
pub(super) struct Table {
    input: Box<dyn BufRead>,
    path: PathBuf,
    delimiter: u8,
    line: u64,
    text: Vec<u8>,
    /// Headers of the columns.
    pub(super) headers: Vec<String>,
}

impl Table {
    /// Reads the header. Detects the delimiter in it, unless it is given.
    ///
    /// # Errors
    /// If there is no header or it names a column twice.
    pub(super) fn open(input: Box<dyn BufRead>, path: &Path, delimiter: Option<u8>) -> Result<Self, StoreError> {
        let mut table = Self {
            input,
            path: path.to_owned(),
            delimiter: delimiter.unwrap_or(b','),
            line: 0,
            text: Vec::new(),
            headers: Vec::new(),
        };
        if !table.read()? {
            return Err(table.unusable(None, "the file is empty; begin it with a header"));
        }
        // Excel writes and reads this line.
        if let Some(separator) = table.text.strip_prefix(b"sep=").and_then(<[u8]>::first) {
            table.delimiter = *separator;
            table.read()?;
        } else if delimiter.is_none() {
            table.delimiter = detect(&table.text);
        }
        let row = table.record()?;
        table.headers = row
            .cells
            .map_err(|fault| table.unusable(Some(row.line), fault.message))?;
        for header in &mut table.headers {
            *header = header.trim().to_owned();
        }
        let mut sorted: Vec<&String> = table.headers.iter().filter(|header| !header.is_empty()).collect();
        sorted.sort();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(table.unusable(Some(row.line), format!("the header names `{}` twice", pair[0])));
        }
        Ok(table)
    }

    /// The next record. `None` at the end of the file. Empty lines are skipped.
    ///
    /// # Errors
    /// If the rest of the file cannot be used.
    pub(super) fn next(&mut self) -> Result<Option<Row>, StoreError> {
        if !self.read()? {
            return Ok(None);
        }
        let mut row = self.record()?;
        if let Ok(cells) = &row.cells
            && cells.len() != self.headers.len()
        {
            let message = format!(
                "the row has {} cells and the header {}; put cells with delimiters in quotation marks",
                cells.len(),
                self.headers.len()
            );
            row.cells = Err(Fault::row("columns", message));
        }
        Ok(Some(row))
    }

    /// The error of a file that cannot be used.
    pub(super) fn unusable(&self, line: Option<u64>, message: impl Into<String>) -> StoreError {
        StoreError::Source {
            path: self.path.clone(),
            line,
            message: message.into(),
        }
    }

    /// Reads the next line that is not empty. Returns `false` at the end of the file.
    fn read(&mut self) -> Result<bool, StoreError> {
        loop {
            self.line += 1;
            match read_line(&mut *self.input, &mut self.text, &self.path)? {
                0 => return Ok(false),
                _ if self.text.trim_ascii().is_empty() && self.delimiter != b'\t' => {}
                _ if self.text.iter().all(|byte| matches!(byte, b'\n' | b'\r')) => {}
                _ => return Ok(true),
            }
        }
    }

    /// Parses the record that begins with the present line.
    fn record(&mut self) -> Result<Row, StoreError> {
        let line = self.line;
        let mut cells = Cells::default();
        let mut length = 0;
        loop {
            length += self.text.len();
            if length > LONGEST {
                let message = format!("a row has more than {LONGEST} bytes; is a quotation mark not closed?");
                return Err(self.unusable(Some(line), message));
            }
            if cells.add(&self.text, self.delimiter) {
                break;
            }
            self.line += 1;
            if read_line(&mut *self.input, &mut self.text, &self.path)? == 0 {
                return Err(self.unusable(Some(line), "a quotation mark is not closed until the end of the file"));
            }
        }
        Ok(Row {
            line,
            cells: cells.finish(),
        })
    }
}

/// Place in a record.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Begin,
    Plain,
    Quoted,
    /// After a quotation mark in a quoted cell.
    Closed,
}

/// Cells of one record.
#[derive(Default)]
struct Cells {
    done: Vec<String>,
    cell: Vec<u8>,
    place: Place,
    has_text_after_quote: bool,
}

impl Cells {
    /// Adds a line. Returns `true` if the record ends with it.
    fn add(&mut self, line: &[u8], delimiter: u8) -> bool {
        for byte in line {
            match (self.place, *byte) {
                (Place::Quoted, b'"') => self.place = Place::Closed,
                (Place::Quoted, byte) => self.cell.push(byte),
                (Place::Closed, b'"') => {
                    self.cell.push(b'"');
                    self.place = Place::Quoted;
                }
                (_, byte) if byte == delimiter => {
                    self.end_cell();
                    self.place = Place::Begin;
                }
                (_, b'\n') => {}
                (Place::Begin, b'"') => self.place = Place::Quoted,
                (Place::Closed, byte) => self.has_text_after_quote |= !byte.is_ascii_whitespace(),
                (_, byte) => {
                    self.cell.push(byte);
                    self.place = Place::Plain;
                }
            }
        }
        self.place != Place::Quoted
    }

    fn end_cell(&mut self) {
        // The decoder only produces UTF-8.
        let text = String::from_utf8_lossy(&self.cell).into_owned();
        self.done.push(text);
        self.cell.clear();
    }

    fn finish(mut self) -> Result<Vec<String>, Fault> {
        if self.place == Place::Plain && self.cell.last() == Some(&b'\r') {
            self.cell.pop();
        }
        self.end_cell();
        if self.has_text_after_quote {
            let message = "text follows a closing quotation mark; double the quotation marks within a cell";
            return Err(Fault::row("quotes", message));
        }
        Ok(self.done)
    }
}

/// The most frequent of `,`, `;` and tab outside of quotation marks.
fn detect(header: &[u8]) -> u8 {
    let count = |delimiter: u8| {
        let mut is_quoted = false;
        let is_outside = |byte: &&u8| {
            is_quoted ^= **byte == b'"';
            !is_quoted && **byte == delimiter
        };
        header.iter().filter(is_outside).count()
    };
    [b';', b'\t', b',']
        .into_iter()
        .max_by_key(|delimiter| count(*delimiter))
        .unwrap_or(b',')
}
