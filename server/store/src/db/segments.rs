//! Statements of the table `segments` and the places of embeddings.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::outbox::{self, Operation};
use crate::error::StoreError;

/// A segment as the database names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) sid: i64,
    pub(crate) generation: i64,
    /// Name of the file.
    pub(crate) file: String,
    /// Number of rows with those that are no longer used.
    pub(crate) rows: usize,
    pub(crate) bytes: usize,
    pub(crate) checksum: u32,
}

fn of_row(row: &Row<'_>) -> rusqlite::Result<Named> {
    Ok(Named {
        sid: row.get(0)?,
        generation: row.get(1)?,
        file: row.get(2)?,
        rows: row.get(3)?,
        bytes: row.get(4)?,
        checksum: row.get(5)?,
    })
}

/// All segments, or those of one generation.
pub(crate) fn list(db: &Connection, generation: Option<i64>) -> Result<Vec<Named>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT sid, gid, file, slots, bytes, checksum FROM segments WHERE ?1 IS NULL OR gid = ?1 ORDER BY sid",
    )?;
    let rows = statement.query_map([generation], of_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Names a sealed file and returns its number.
pub(crate) fn insert(db: &Connection, named: &Named, now: i64) -> Result<i64, StoreError> {
    db.prepare_cached(
        "INSERT INTO segments(gid, file, slots, bytes, checksum, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        named.generation,
        named.file,
        named.rows,
        named.bytes,
        named.checksum,
        now
    ])?;
    Ok(db.last_insert_rowid())
}

/// Deletes a segment and its embeddings, so that their images wait for an embedding again.
pub(crate) fn delete(db: &Connection, sid: i64) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM embeddings WHERE sid = ?1")?
        .execute([sid])?;
    db.prepare_cached("DELETE FROM segments WHERE sid = ?1")?
        .execute([sid])?;
    Ok(())
}

/// Place of an embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) image: i64,
    pub(crate) sid: i64,
    pub(crate) slot: usize,
}

/// Places of a segment's embeddings in the order of the slots.
pub(crate) fn places(db: &Connection, sid: i64) -> Result<Vec<Place>, StoreError> {
    let mut statement = db.prepare_cached("SELECT iid, sid, slot FROM embeddings WHERE sid = ?1 ORDER BY slot")?;
    let rows = statement.query_map([sid], |row| {
        Ok(Place {
            image: row.get(0)?,
            sid: row.get(1)?,
            slot: row.get(2)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Sets the place of an image's embedding, if the image still exists. Its faults are forgotten.
pub(crate) fn place(db: &Connection, generation: i64, place: Place) -> Result<bool, StoreError> {
    let mut statement = db.prepare_cached(
        "INSERT INTO embeddings(iid, gid, sid, slot) SELECT iid, ?2, ?3, ?4 FROM images WHERE iid = ?1
         ON CONFLICT(iid, gid) DO UPDATE SET sid = excluded.sid, slot = excluded.slot",
    )?;
    let added = statement.execute(params![place.image, generation, place.sid, place.slot])?;
    db.prepare_cached("DELETE FROM embedding_faults WHERE iid = ?1 AND gid = ?2")?
        .execute(params![place.image, generation])?;
    Ok(added > 0)
}

/// Moves an embedding, if it is still at `from`.
pub(crate) fn relocate(db: &Connection, from: Place, to: (i64, usize)) -> Result<(), StoreError> {
    db.prepare_cached("UPDATE embeddings SET sid = ?4, slot = ?5 WHERE iid = ?1 AND sid = ?2 AND slot = ?3")?
        .execute(params![from.image, from.sid, from.slot, to.0, to.1])?;
    Ok(())
}

/// Appends a change of the kind `embed` for every product that shows one of the images.
pub(crate) fn announce(db: &Connection, images: &[i64]) -> Result<(), StoreError> {
    let mut statement =
        db.prepare_cached("SELECT id, version FROM product_images JOIN products USING (pid) WHERE iid = ?1")?;
    let mut products: BTreeSet<(String, u64)> = BTreeSet::new();
    for image in images {
        let rows = statement.query_map([image], |row| Ok((row.get(0)?, row.get(1)?)))?;
        for row in rows {
            products.insert(row?);
        }
    }
    for (id, version) in products {
        outbox::append(db, &id, Operation::Embed, Some(version))?;
    }
    Ok(())
}

/// Remembers that an image cannot be embedded, unless it has an embedding.
pub(crate) fn fail(db: &Connection, generation: i64, image: i64, reason: &str) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO embedding_faults(iid, gid, reason) SELECT ?1, ?2, ?3 FROM images WHERE iid = ?1
         AND NOT EXISTS (SELECT 1 FROM embeddings WHERE iid = ?1 AND gid = ?2)",
    )?
    .execute(params![image, generation, reason])?;
    Ok(())
}

/// Largest number that a segment ever had.
pub(crate) fn last_number(db: &Connection) -> Result<i64, StoreError> {
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'segments'";
    Ok(db.query_row(sql, [], |row| row.get(0)).optional()?.unwrap_or_default())
}
