//! Faults in a file of a dataset, line by line, and remarks on values that were not refused.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::CatalogError;
use dataset::MaxErrors;

/// Number of entries of a list that an error or a report names.
pub(super) const NAMED: usize = 20;

/// Lines of one file that cannot be used, each with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    path: PathBuf,
    lines: Vec<(u64, String)>,
}

impl Faults {
    /// None yet, in the file `path`.
    pub(super) fn of(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            lines: Vec::new(),
        }
    }

    /// Line `line`, counted from 1, cannot be used.
    pub(super) fn add(&mut self, line: u64, why: impl Into<String>) {
        self.lines.push((line, why.into()));
    }

    /// One fault alone, as an error.
    pub(super) fn one(path: &Path, line: u64, why: impl Into<String>) -> CatalogError {
        CatalogError::Dataset(Self {
            path: path.to_owned(),
            lines: vec![(line, why.into())],
        })
    }

    /// An error if there is any fault.
    pub(super) fn none(self) -> Result<(), CatalogError> {
        if self.lines.is_empty() {
            Ok(())
        } else {
            Err(CatalogError::Dataset(self))
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [(line, why)] = &self.lines[..] {
            return write!(out, "{}, line {line}: {why}", self.path.display());
        }
        write!(
            out,
            "{}: {} lines cannot be used",
            self.path.display(),
            self.lines.len()
        )?;
        for (line, why) in self.lines.iter().take(NAMED) {
            write!(out, "\n  line {line}: {why}")?;
        }
        more(out, self.lines.len())
    }
}

/// Things and what is wrong with each; displayed one a line, the first 20 of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named(pub Vec<(String, String)>);

impl fmt::Display for Named {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, why)) in self.0.iter().take(NAMED).enumerate() {
            write!(out, "{}  {name}: {why}", if at > 0 { "\n" } else { "" })?;
        }
        more(out, self.0.len())
    }
}

/// An error that names the `failed` if they are more than `limit` allows of `total`; `what` says in which way they fail.
pub(super) fn check(
    limit: MaxErrors,
    what: &'static str,
    failed: &[(String, String)],
    total: usize,
) -> Result<(), CatalogError> {
    if limit.allows(failed.len(), total) {
        return Ok(());
    }
    let named = Named(failed.to_vec());
    Err(CatalogError::TooManyErrors {
        failed: failed.len(),
        total,
        what,
        limit,
        named,
    })
}

fn more(out: &mut fmt::Formatter<'_>, all: usize) -> fmt::Result {
    if all > NAMED {
        write!(out, "\n  and {} more", all - NAMED)
    } else {
        Ok(())
    }
}

/// Remarks on lines that are used all the same: each remark once, with the number of its lines and the first of them.
#[derive(Debug, Default)]
pub(super) struct Remarks(BTreeMap<String, (usize, u64)>);

impl Remarks {
    pub(super) fn add(&mut self, line: u64, what: String) {
        self.0.entry(what).or_insert((0, line)).0 += 1;
    }

    /// The remarks as sentences about the file `name`.
    pub(super) fn sentences(self, name: &str) -> Vec<String> {
        let sentence = |(what, (count, line)): (String, (usize, u64))| match count {
            1 => format!("{name}, line {line}: {what}"),
            _ => format!("{name}, line {line} and {} more: {what}", count - 1),
        };
        self.0.into_iter().map(sentence).collect()
    }
}
