//! Paths of the parts of a filter, for errors.

use std::fmt;

/// Path from the root to a part of a filter. It becomes a text only when an error needs it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Key(&'static str),
    Index(usize),
}

impl Path<'_> {
    /// Path of the outermost part.
    pub(crate) fn root(name: &'static str) -> Path<'static> {
        Path {
            parent: None,
            step: Step::Key(name),
        }
    }

    /// Path of the value of a key.
    pub(crate) fn key(&self, key: &'static str) -> Path<'_> {
        Path {
            parent: Some(self),
            step: Step::Key(key),
        }
    }

    /// Path of an entry of a list.
    pub(crate) fn index(&self, at: usize) -> Path<'_> {
        Path {
            parent: Some(self),
            step: Step::Index(at),
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(out)?;
        }
        match (self.step, self.parent) {
            (Step::Key(key), None) => out.write_str(key),
            (Step::Key(key), Some(_)) => write!(out, ".{key}"),
            (Step::Index(at), _) => write!(out, "[{at}]"),
        }
    }
}
