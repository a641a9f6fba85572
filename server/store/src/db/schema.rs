//! Opening of the database and its schema.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use crate::error::StoreError;
use crate::folder::DATABASE;

/// Newest version of the schema.
const VERSION: i64 = MIGRATIONS.len() as i64;

/// Mark of a store in the header of an SQLite file: "Slvg".
const APPLICATION: i64 = 0x536c_7667;

/// Statements that raise the version by one each. Released entries are never changed.
const MIGRATIONS: [&str; 3] = [
    include_str!("schema_1.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
];

/// Opens the database in the folder `dir`, creates it if it is missing, and migrates it to the newest version.
///
/// # Errors
/// If the file is no database of a store or a newer program wrote it.
pub(crate) fn open(dir: &Path) -> Result<Connection, StoreError> {
    let mut db = connect(dir)?;
    let found = version(&db, dir)?;
    for (version, statements) in (1..).zip(MIGRATIONS).skip(usize::try_from(found).unwrap_or_default()) {
        let transaction = db.transaction()?;
        transaction.execute_batch(statements)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(db)
}

/// Opens a connection with the store's settings.
fn connect(dir: &Path) -> Result<Connection, StoreError> {
    let db = Connection::open(dir.join(DATABASE))?;
    db.busy_timeout(Duration::from_secs(10))?;
    db.set_prepared_statement_cache_capacity(64);
    db.pragma_update(None, "journal_mode", "wal")?;
    db.pragma_update(None, "synchronous", "full")?;
    db.pragma_update(None, "foreign_keys", true)?;
    // The write-ahead log shrinks to this size after a checkpoint.
    db.pragma_update(None, "journal_size_limit", 64 << 20)?;
    db.pragma_update(None, "cache_size", -(32 << 10))?;
    Ok(db)
}

/// Version of the database's schema; 0 for a new one.
fn version(db: &Connection, dir: &Path) -> Result<i64, StoreError> {
    let number = |name| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application, version) = (number("application_id")?, number("user_version")?);
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION && tables > 0 {
        return Err(StoreError::NotAStore {
            path: dir.to_owned(),
            message: format!("{DATABASE} is the database of another program"),
        });
    }
    if version > VERSION {
        return Err(StoreError::Newer {
            path: dir.to_owned(),
            found: version,
            expected: VERSION,
        });
    }
    Ok(version)
}

/// Checks the pages of the database and its foreign keys.
///
/// # Errors
/// [`StoreError::Damaged`] with SQLite's description of the first fault.
pub(crate) fn check(db: &Connection, path: &Path) -> Result<(), StoreError> {
    let answer: String = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if answer != "ok" {
        return Err(StoreError::damaged(path, answer));
    }
    let broken: i64 = db.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0))?;
    if broken > 0 {
        return Err(StoreError::damaged(
            path,
            format!("{broken} rows refer to missing rows"),
        ));
    }
    Ok(())
}
