//! Candidates of a query: the rows that may be among the best.

use std::cmp::Ordering;
use std::collections::HashSet;

/// A row with bounds of its score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) upper: f32,
    pub(crate) lower: f32,
    pub(crate) row: u32,
}

/// Rows that may be among the best of their groups. **Invariant:** a row that was offered and is missing is worse than a row
/// of each of `limit` groups.
#[derive(Debug, Clone)]
pub(crate) struct Candidates<'a> {
    limit: usize,
    /// Group of each row. Without groups, every row is a group of its own.
    groups: Option<&'a [u32]>,
    /// True if the bounds of all candidates are their scores.
    is_exact: bool,
    items: Vec<Candidate>,
    /// Number of candidates that starts a selection.
    room: usize,
    floor: f32,
}

/// Compares by lower bound, the greatest first, then by row.
fn best_first(a: &Candidate, b: &Candidate) -> Ordering {
    b.lower
        .partial_cmp(&a.lower)
        .unwrap_or(Ordering::Equal)
        .then(a.row.cmp(&b.row))
}

impl<'a> Candidates<'a> {
    pub(crate) fn new(limit: usize, groups: Option<&'a [u32]>, is_exact: bool) -> Self {
        Self {
            limit,
            groups,
            is_exact,
            items: Vec::new(),
            room: limit.saturating_mul(2).saturating_add(64),
            floor: f32::NEG_INFINITY,
        }
    }

    /// A score that `limit` groups reach. A row whose score is less is not among the best.
    pub(crate) fn floor(&self) -> f32 {
        self.floor
    }

    /// Notes that `limit` groups reach `floor`.
    pub(crate) fn raise(&mut self, floor: f32) {
        self.floor = self.floor.max(floor);
    }

    /// Adds a row that is not NaN and not below the floor.
    pub(crate) fn push(&mut self, candidate: Candidate) {
        self.items.push(candidate);
        if self.items.len() >= self.room {
            self.select();
            self.room = self.room.max(2 * self.items.len());
        }
    }

    pub(crate) fn append(&mut self, other: Self) {
        self.raise(other.floor);
        self.items.extend(other.items);
    }

    /// Removes rows that are not among the best.
    pub(crate) fn select(&mut self) {
        if self.limit == 0 {
            self.items.clear();
        }
        if self.is_exact || self.groups.is_some() {
            self.items.sort_unstable_by(best_first);
            let mut seen = HashSet::new();
            let group = |candidate: &Candidate| {
                self.groups
                    .map_or(candidate.row, |groups| groups[candidate.row as usize])
            };
            if self.is_exact {
                self.items
                    .retain(|item| seen.len() < self.limit && seen.insert(group(item)));
                if self.items.len() == self.limit {
                    self.floor = self.items.last().map_or(self.floor, |last| self.floor.max(last.lower));
                }
                return;
            }
            let last = self
                .items
                .iter()
                .find(|item| seen.insert(group(item)) && seen.len() == self.limit);
            self.floor = last.map_or(self.floor, |last| self.floor.max(last.lower));
        } else if self.items.len() >= self.limit && self.limit > 0 {
            let (_, last, _) = self.items.select_nth_unstable_by(self.limit - 1, best_first);
            self.floor = self.floor.max(last.lower);
        }
        let floor = self.floor;
        self.items.retain(|item| item.upper >= floor);
    }

    /// Returns the rows that may be among the best, in no order.
    pub(crate) fn selected(mut self) -> Vec<Candidate> {
        self.select();
        self.items
    }
}
