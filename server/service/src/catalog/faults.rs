//! Faults in a file of a dataset, line by line, remarks on values that are used nevertheless, and photos that fail.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Maximum number of entries that an error or a report lists.
const LISTED: usize = 20;

/// Lines of one file that cannot be used, each with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    path: PathBuf,
    lines: Vec<(u64, String)>,
}

impl Faults {
    /// An empty list for the file `path`.
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            lines: Vec::new(),
        }
    }

    /// A list of one fault.
    pub(super) fn single(path: &Path, line: u64, reason: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            lines: vec![(line, reason.into())],
        }
    }

    /// Adds a fault in the line `line`, counted from 1.
    pub(super) fn add(&mut self, line: u64, reason: impl Into<String>) {
        self.lines.push((line, reason.into()));
    }

    /// Returns the faults as an error.
    ///
    /// # Errors
    /// If there is a fault.
    pub(super) fn check(self) -> Result<(), Self> {
        if self.lines.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [(line, reason)] = &self.lines[..] {
            return write!(out, "{}, line {line}: {reason}", self.path.display());
        }
        write!(
            out,
            "{}: {} lines cannot be used",
            self.path.display(),
            self.lines.len()
        )?;
        for (line, reason) in self.lines.iter().take(LISTED) {
            write!(out, "\n  line {line}: {reason}")?;
        }
        write_rest(out, self.lines.len())
    }
}

/// Names of things that failed, each with the reason. `Display` writes one per line, at most 20.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failures(pub Vec<(String, String)>);

impl fmt::Display for Failures {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, reason)) in self.0.iter().take(LISTED).enumerate() {
            write!(out, "{}  {name}: {reason}", if at > 0 { "\n" } else { "" })?;
        }
        write_rest(out, self.0.len())
    }
}

fn write_rest(out: &mut fmt::Formatter<'_>, total: usize) -> fmt::Result {
    if total > LISTED {
        write!(out, "\n  and {} more", total - LISTED)
    } else {
        Ok(())
    }
}

/// Photos that cannot be read now, because a folder is missing or a disk fails. They wait, and are tried again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unreadable {
    /// Number of the photos.
    pub count: usize,
    /// Name of the first one, and why it cannot be read.
    pub first: String,
}

impl Unreadable {
    /// True if all photos can be read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds the photos that `later` counts.
    pub fn extend(&mut self, later: &Self) {
        if self.is_empty() {
            self.first.clone_from(&later.first);
        }
        self.count += later.count;
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            1 => write!(f, "1 photo cannot be read and waits: {}", self.first),
            count => write!(
                f,
                "{count} photos cannot be read and wait; the first one: {}",
                self.first
            ),
        }
    }
}

/// Remarks on lines that are used nevertheless: per remark the number of its lines and the first line.
#[derive(Debug, Default)]
pub(super) struct Remarks(BTreeMap<String, (usize, u64)>);

impl Remarks {
    /// Adds a remark on the line `line`, counted from 1.
    pub(super) fn add(&mut self, line: u64, remark: String) {
        self.0.entry(remark).or_insert((0, line)).0 += 1;
    }

    /// The remarks as sentences about the file `name`.
    pub(super) fn sentences(self, name: &str) -> Vec<String> {
        let sentence = |(remark, (count, line)): (String, (usize, u64))| match count {
            1 => format!("{name}, line {line}: {remark}"),
            _ => format!("{name}, line {line} and {} more: {remark}", count - 1),
        };
        self.0.into_iter().map(sentence).collect()
    }
}
