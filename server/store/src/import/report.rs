//! Results of an import.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Maximum number of faults that a report lists.
const LISTED: usize = 1000;

/// A row or an image of a file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowFault {
    /// Name of the file.
    pub file: String,
    /// Line, counted from 1, in which the row begins.
    pub line: u64,
    /// Column or key, if the fault is in one.
    pub column: Option<String>,
    /// Stable code, such as `duplicate_id`.
    pub code: String,
    /// The fault, and what to do.
    pub message: String,
}

impl fmt::Display for RowFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}, line {}", self.file, self.line)?;
        if let Some(column) = &self.column {
            write!(out, ", `{column}`")?;
        }
        write!(out, ": {} ({})", self.message, self.code)
    }
}

/// Fault of one row before its file and line are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) column: Option<String>,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Fault {
    /// A fault of the value in `column`.
    pub(crate) fn of(column: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            column: Some(column.into()),
            code,
            message: message.into(),
        }
    }

    /// A fault of the whole row.
    pub(crate) fn row(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            column: None,
            code,
            message: message.into(),
        }
    }

    /// The fault with its place.
    pub(crate) fn at(self, file: &str, line: u64) -> RowFault {
        RowFault {
            file: file.to_owned(),
            line,
            column: self.column,
            code: self.code.to_owned(),
            message: self.message,
        }
    }
}

/// End of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Outcome {
    /// The rows are in the catalog.
    Applied,
    /// A dry run changed nothing.
    DryRun,
    /// More rows or images failed than the limit allows. Nothing was changed.
    #[default]
    Aborted,
    /// The caller ended the import. An import of the same file continues it.
    Cancelled,
}

/// Numbers of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Rows that were read.
    pub rows: u64,
    /// Rows that failed.
    pub failed_rows: u64,
    /// Images that rows name.
    pub images: u64,
    /// Images that failed. Their rows are used without them.
    pub failed_images: u64,
    /// Products that are new.
    pub created: u64,
    /// Products that have new values.
    pub changed: u64,
    /// Products that had these values.
    pub unchanged: u64,
}

/// Report of an import.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ImportReport {
    /// The end.
    pub outcome: Outcome,
    /// The numbers.
    pub counts: Counts,
    /// Faults in the order of the file, at most 1,000.
    pub faults: Vec<RowFault>,
    /// Columns and keys that were not used.
    pub ignored: BTreeSet<String>,
    /// True if the import continued one that was killed or cancelled.
    pub resumed: bool,
}

/// Part of an import's state that is stored with the staged rows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Staging {
    pub(crate) counts: Counts,
    pub(crate) faults: Vec<RowFault>,
    pub(crate) ignored: BTreeSet<String>,
}

impl Staging {
    /// Lists a fault, if there is room.
    pub(crate) fn list(&mut self, fault: RowFault) {
        if self.faults.len() < LISTED {
            self.faults.push(fault);
        }
    }
}

/// Part of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Rows are parsed and images are hashed. The catalog does not change.
    Staging,
    /// Rows are applied.
    Applying,
}

/// Progress of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportProgress {
    /// The present part.
    pub phase: Phase,
    /// Rows that are done in this part.
    pub done: u64,
    /// Number of all rows. It is known when they are applied.
    pub total: Option<u64>,
}
