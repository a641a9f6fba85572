//! Statements of the table `outbox`: every change in its order.

use rusqlite::{Connection, Row, params};

use crate::error::StoreError;

/// Kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// The product was added or changed.
    Upsert,
    /// The product was deleted.
    Delete,
    /// An embedding of one of its images was added or replaced.
    Embed,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Upsert => "upsert",
            Self::Delete => "delete",
            Self::Embed => "embed",
        }
    }
}

/// A change of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Position in the order of all changes. It is never used twice.
    pub sequence: u64,
    /// Id of the product.
    pub id: String,
    /// Version of the product after the change. For a deletion, the sequence.
    pub version: u64,
    /// Kind of the change.
    pub operation: Operation,
}

/// Number of changes that are kept. A consumer that misses more of them compares all products instead.
const KEPT: u64 = 1_000_000;

/// Changes between two deletions of old ones.
const STEP: u64 = 1_000;

/// Sequences that a restored store leaves out. No store makes as many changes between a snapshot and its restore.
const PASSED: u64 = 1 << 32;

/// Deletes all changes, and continues with sequences that the store had not used after its snapshot. So no version of a product
/// stands for two states, and a program that follows the changes notices that it has to compare all products.
pub(crate) fn pass_over(db: &Connection) -> Result<(), StoreError> {
    let next = last(db)? + PASSED;
    db.execute("DELETE FROM outbox", [])?;
    if db.execute("UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'outbox'", [next])? == 0 {
        db.execute("INSERT INTO sqlite_sequence(name, seq) VALUES ('outbox', ?1)", [next])?;
    }
    Ok(())
}

/// Appends a change and returns its sequence. Deletes the oldest changes if there are too many. `version` is the sequence unless it is given.
pub(crate) fn append(db: &Connection, id: &str, operation: Operation, version: Option<u64>) -> Result<u64, StoreError> {
    db.prepare_cached("INSERT INTO outbox(id, version, operation) VALUES (?1, ?2, ?3)")?
        .execute(params![id, version.unwrap_or_default(), operation.name()])?;
    let sequence = db.last_insert_rowid().unsigned_abs();
    if version.is_none() {
        db.prepare_cached("UPDATE outbox SET version = sequence WHERE sequence = ?1")?
            .execute([sequence])?;
    }
    if sequence.is_multiple_of(STEP) {
        trim(db, sequence.saturating_sub(KEPT))?;
    }
    Ok(sequence)
}

/// Up to `limit` changes after `sequence`.
pub(crate) fn after(db: &Connection, sequence: u64, limit: usize) -> Result<Vec<Change>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT sequence, id, version, operation FROM outbox WHERE sequence > ?1 ORDER BY sequence LIMIT ?2",
    )?;
    let mut rows = statement.query(params![sequence, limit])?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        changes.push(of_row(row)?);
    }
    Ok(changes)
}

fn of_row(row: &Row<'_>) -> Result<Change, StoreError> {
    let name: String = row.get(3)?;
    let operation = [Operation::Upsert, Operation::Delete, Operation::Embed]
        .into_iter()
        .find(|operation| operation.name() == name);
    Ok(Change {
        sequence: row.get(0)?,
        id: row.get(1)?,
        version: row.get(2)?,
        operation: operation.ok_or_else(|| StoreError::column("operation", &name))?,
    })
}

/// Sequence of the last change, also if it was trimmed.
pub(crate) fn last(db: &Connection) -> Result<u64, StoreError> {
    let sql = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'outbox'";
    Ok(db.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// Deletes the changes up to `sequence`. Returns their number.
pub(crate) fn trim(db: &Connection, sequence: u64) -> Result<usize, StoreError> {
    Ok(db.execute("DELETE FROM outbox WHERE sequence <= ?1", [sequence])?)
}
