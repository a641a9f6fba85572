//! First phase of an import: rows are parsed, images are hashed, and the drafts are staged in the database.

use rusqlite::{Connection, OptionalExtension, params};

use super::draft::{Draft, Record};
use super::fields::categorise;
use super::images::{ImageFault, ImageSource};
use super::options::ImportOptions;
use super::report::{Fault, RowFault, Staging};
use crate::db::images::{self, ImageFile};
use crate::db::products::{self, json, parse};
use crate::error::StoreError;
use crate::store::Store;

/// An import in the database.
pub(super) struct Import {
    pub(super) number: i64,
    /// Records that are parsed and recorded.
    pub(super) staged: u64,
    /// True if all records are staged.
    pub(super) is_complete: bool,
    /// Number of the last record that is applied.
    pub(super) applied: u64,
    pub(super) staging: Staging,
}

/// Finds the import with this fingerprint, or begins it. Unfinished imports of other files are given up.
pub(super) fn begin(db: &Connection, fingerprint: &str) -> Result<(Import, bool), StoreError> {
    db.execute("DELETE FROM imports WHERE fingerprint <> ?1", [fingerprint])?;
    let sql = "SELECT import, staged, complete, applied, progress FROM imports WHERE fingerprint = ?1";
    let found = db
        .query_row(sql, [fingerprint], |row| {
            let progress: String = row.get(4)?;
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, progress))
        })
        .optional()?;
    if let Some((number, staged, is_complete, applied, progress)) = found {
        let import = Import {
            number,
            staged,
            is_complete,
            applied,
            staging: parse("progress", progress)?,
        };
        return Ok((import, true));
    }
    let staging = Staging::default();
    let progress = json("progress", &staging)?;
    db.execute(
        "INSERT INTO imports(fingerprint, progress) VALUES (?1, ?2)",
        params![fingerprint, progress],
    )?;
    let import = Import {
        number: db.last_insert_rowid(),
        staged: 0,
        is_complete: false,
        applied: 0,
        staging,
    };
    Ok((import, false))
}

/// Records the position of an import.
pub(super) fn record(db: &Connection, import: &Import) -> Result<(), StoreError> {
    db.prepare_cached("UPDATE imports SET staged = ?2, complete = ?3, applied = ?4, progress = ?5 WHERE import = ?1")?
        .execute(params![
            import.number,
            import.staged,
            import.is_complete,
            import.applied,
            json("progress", &import.staging)?
        ])?;
    Ok(())
}

/// Deletes an import with its staged rows.
pub(super) fn end(db: &Connection, import: i64) -> Result<(), StoreError> {
    db.execute("DELETE FROM imports WHERE import = ?1", [import])?;
    Ok(())
}

/// A parsed record whose images are hashed.
pub(super) struct Prepared {
    line: u64,
    draft: Result<Draft, Fault>,
    /// Faults of images.
    faults: Vec<Fault>,
    images: u64,
    /// Files to remember: source, stamp and file.
    stamps: Vec<(String, String, ImageFile)>,
}

/// Hashes the images of a record. Images that the database remembers are not read again.
pub(super) fn prepare(
    store: &Store,
    record: Record,
    source: &dyn ImageSource,
    options: &ImportOptions,
) -> Result<Prepared, StoreError> {
    let Record { line, mut draft } = record;
    let mut prepared = Prepared {
        line,
        draft: Err(Fault::row("", "")),
        faults: Vec::new(),
        images: 0,
        stamps: Vec::new(),
    };
    if let Ok(draft) = &mut draft {
        for image in draft.images.iter_mut().flatten() {
            prepared.images += 1;
            match hash(
                store,
                &image.source,
                image.sha256.as_deref(),
                source,
                &mut prepared.stamps,
            )? {
                Ok(file) => {
                    image.sha256 = Some(file.sha256);
                    image.width = file.width.or(image.width);
                    image.height = file.height.or(image.height);
                }
                Err(fault) => {
                    image.sha256 = None;
                    prepared.faults.push(Fault::of("image", fault.code, fault.message));
                }
            }
        }
    }
    prepared.draft = draft.and_then(|mut draft| {
        categorise(&mut draft, options)?;
        Ok(draft)
    });
    Ok(prepared)
}

type Stamps = Vec<(String, String, ImageFile)>;

fn hash(
    store: &Store,
    source: &str,
    given: Option<&str>,
    images: &dyn ImageSource,
    stamps: &mut Stamps,
) -> Result<Result<ImageFile, ImageFault>, StoreError> {
    let stamp = match images.stamp(source) {
        Ok(stamp) => stamp,
        Err(fault) => return Ok(Err(fault)),
    };
    if let Some(stamp) = &stamp
        && let Some(file) = store.read(|db| images::stamped(db, source, stamp))?
        && given.is_none_or(|given| given == file.sha256)
    {
        return Ok(Ok(file));
    }
    let file = images.read(source, given);
    if let (Some(stamp), Ok(file)) = (stamp, &file) {
        stamps.push((source.to_owned(), stamp, file.clone()));
    }
    Ok(file)
}

/// Stages a batch of records within a transaction.
pub(super) fn stage(
    db: &Connection,
    import: &mut Import,
    batch: Vec<Prepared>,
    options: &ImportOptions,
) -> Result<(), StoreError> {
    let file = options.name();
    for prepared in batch {
        let line = prepared.line;
        import.staged += 1;
        import.staging.counts.rows += 1;
        import.staging.counts.images += prepared.images;
        import.staging.counts.failed_images += prepared.faults.len() as u64;
        for fault in prepared.faults {
            import.staging.list(fault.at(&file, line));
        }
        for (source, stamp, file) in &prepared.stamps {
            images::stamp(db, source, stamp, file)?;
        }
        let staged = match prepared.draft {
            Ok(draft) => insert(db, import, line, draft, options)?,
            Err(fault) => Err(fault),
        };
        if let Err(fault) = staged {
            import.staging.counts.failed_rows += 1;
            import.staging.list(fault.at(&file, line));
        }
    }
    record(db, import)
}

/// Checks a draft and stages it.
fn insert(
    db: &Connection,
    import: &Import,
    line: u64,
    draft: Draft,
    options: &ImportOptions,
) -> Result<Result<(), Fault>, StoreError> {
    let before = match draft.needs_before(options.mode) {
        true => products::load(db, &draft.id)?.map(|stored| stored.product),
        false => None,
    };
    let text = json("draft", &draft)?;
    let product = draft.product(before.as_ref(), options.mode);
    if let Err(error) = product.check() {
        return fault_of(error).map(Err);
    }
    let mut earlier = db.prepare_cached("SELECT line FROM staged WHERE import = ?1 AND id = ?2")?;
    let earlier: Option<u64> = earlier
        .query_row(params![import.number, product.id], |row| row.get(0))
        .optional()?;
    if let Some(earlier) = earlier {
        let message = format!(
            "`{}` is also the id in line {earlier}; describe each product once",
            product.id
        );
        return Ok(Err(Fault::of("id", "duplicate_id", message)));
    }
    db.prepare_cached("INSERT INTO staged(import, record, id, line, draft) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![import.number, import.staged, product.id, line, text])?;
    Ok(Ok(()))
}

/// The fault of a value that cannot be stored. Other errors stay errors.
pub(super) fn fault_of(error: StoreError) -> Result<Fault, StoreError> {
    match error {
        StoreError::Invalid { key, message } => Ok(Fault::of(key, "invalid_value", message)),
        other => Err(other),
    }
}

/// A row that waits for being applied.
pub(super) struct Staged {
    pub(super) record: u64,
    pub(super) line: u64,
    pub(super) draft: Draft,
}

/// Up to `limit` staged rows after the record `after`.
pub(super) fn staged(db: &Connection, import: i64, after: u64, limit: usize) -> Result<Vec<Staged>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT record, line, draft FROM staged WHERE import = ?1 AND record > ?2 ORDER BY record LIMIT ?3",
    )?;
    let mut rows = statement.query(params![import, after, limit])?;
    let mut staged = Vec::new();
    while let Some(row) = rows.next()? {
        staged.push(Staged {
            record: row.get(0)?,
            line: row.get(1)?,
            draft: parse("draft", row.get(2)?)?,
        });
    }
    Ok(staged)
}

/// Adds the fault of a row that was staged but cannot be applied.
pub(super) fn reject(import: &mut Import, fault: RowFault) {
    import.staging.counts.failed_rows += 1;
    import.staging.list(fault);
}
