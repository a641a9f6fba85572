//! The store: opening, and its two connections.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::db::{self, segments};
use crate::error::StoreError;
use crate::folder::{Lock, RESTORING, SEGMENTS, segment_path, sync_folder};
use crate::repair::{RepairReport, Segments, repair};
use crate::segment::{Check, Segment};

/// The catalog of a shop in a folder. One process has it open. Its threads share it.
///
/// Reads do not wait for writes. A write is durable when its function returns.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
    segments: Mutex<Segments>,
    /// Held by operations of which only one may run: compaction, snapshot, verification.
    maintenance: Mutex<()>,
    /// Held by an import.
    importing: Mutex<()>,
    /// Files that are being written, and files of transactions that failed.
    sealing: Mutex<HashSet<String>>,
    /// Files of transactions that failed. Until the next commit it is unknown which of the two is on the disk.
    orphans: Mutex<Vec<String>>,
    repair: RepairReport,
    /// Number in the name of the last segment file.
    last_file: AtomicI64,
    _lock: Lock,
}

/// A segment that a state of the database names.
pub(crate) enum NamedSegment {
    /// It can be read.
    Mapped(Arc<Segment>),
    /// Its file could not be used when the store was opened.
    Damaged,
    /// A compaction has moved its rows to another segment, which a later state names.
    Moved,
}

/// Attempts to read a state of the database whose segments are all there.
const READS: u32 = 20;

impl Store {
    /// Opens the store in the folder `dir` and checks every segment. Creates the store if the folder is missing or empty.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if another process has it open, [`StoreError::NotAStore`], [`StoreError::Newer`] or
    /// [`StoreError::Unfinished`] if the folder holds something else, and errors of files and of the database.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_with(dir, Check::Full)
    }

    /// As [`Store::open`], with the given check of the segments.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_with(dir: &Path, check: Check) -> Result<Self, StoreError> {
        fs::create_dir_all(dir).map_err(StoreError::io("create", dir))?;
        let dir = dir.canonicalize().map_err(StoreError::io("open", dir))?;
        if dir.join(RESTORING).exists() {
            return Err(StoreError::Unfinished { path: dir });
        }
        refuse_foreign(&dir)?;
        let lock = Lock::take(&dir)?;
        let folder = dir.join(SEGMENTS);
        fs::create_dir_all(&folder).map_err(StoreError::io("create", &folder))?;
        let writer = db::open(&dir)?;
        let reader = db::open(&dir)?;
        sync_folder(&dir)?;
        let (segments, repair) = repair(&dir, &writer, check)?;
        let last_file = AtomicI64::new(segments::last_number(&writer)?);
        Ok(Self {
            dir,
            writer: Mutex::new(writer),
            reader: Mutex::new(reader),
            segments: Mutex::new(segments),
            maintenance: Mutex::new(()),
            importing: Mutex::new(()),
            sealing: Mutex::default(),
            orphans: Mutex::default(),
            repair,
            last_file,
            _lock: lock,
        })
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Report of the repair at the start.
    #[must_use]
    pub fn repair_report(&self) -> &RepairReport {
        &self.repair
    }

    /// Runs `change` in a transaction. After an error nothing is changed.
    pub(crate) fn write<T>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut writer = lock(&self.writer);
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = change(&transaction)?;
        transaction.commit()?;
        // The commit overwrote what a failed one may have left in the log, so these files cannot come back.
        let orphans = std::mem::take(&mut *lock(&self.orphans));
        self.remove_files(&orphans);
        Ok(value)
    }

    /// As [`Store::write`], but rolls the changes back if `is_trial`.
    pub(crate) fn write_or_try<T>(
        &self,
        is_trial: bool,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if !is_trial {
            return self.write(change);
        }
        let mut writer = lock(&self.writer);
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        change(&transaction)
    }

    /// Runs `read` on one state of the database.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut reader = lock(&self.reader);
        let transaction = reader.transaction()?;
        read(&transaction)
    }

    /// Runs `read` while no transaction can be written.
    pub(crate) fn freeze<T>(&self, read: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        read(&lock(&self.writer))
    }

    /// As [`Store::read`], on a connection of its own, so that a long read does not block the others.
    pub(crate) fn read_apart<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut reader = db::open(&self.dir)?;
        let transaction = reader.transaction()?;
        read(&transaction)
    }

    /// Waits for the end of another import, and keeps others away.
    pub(crate) fn begin_import(&self) -> MutexGuard<'_, ()> {
        lock(&self.importing)
    }

    /// Waits for the end of other maintenance, and keeps it away.
    pub(crate) fn maintain(&self) -> MutexGuard<'_, ()> {
        lock(&self.maintenance)
    }

    /// A file name that no segment has had.
    pub(crate) fn new_segment_file(&self, generation: i64) -> String {
        loop {
            let number = self.last_file.fetch_add(1, Ordering::Relaxed) + 1;
            let name = format!("g{generation}-{number:08}.seg");
            if !segment_path(&self.dir, &name).exists() {
                lock(&self.sealing).insert(name.clone());
                return name;
            }
        }
    }

    /// Ends the writing of a file: a transaction named it.
    pub(crate) fn sealed(&self, file: &str) {
        lock(&self.sealing).remove(file);
    }

    /// Names of the files in the folder of segments, without those that are being written.
    pub(crate) fn settled_files(&self) -> Result<Vec<String>, StoreError> {
        let folder = self.dir.join(SEGMENTS);
        let mut files = Vec::new();
        for entry in fs::read_dir(&folder).map_err(StoreError::io("read", &folder))? {
            let entry = entry.map_err(StoreError::io("read", &folder))?;
            files.push(entry.file_name().to_string_lossy().into_owned());
        }
        let sealing = lock(&self.sealing);
        files.retain(|file| !sealing.contains(file));
        Ok(files)
    }

    /// The mapped segment with this number, unless it is damaged or gone.
    pub(crate) fn segment(&self, number: i64) -> Option<Arc<Segment>> {
        lock(&self.segments).get(&number).cloned()
    }

    /// Looks up a segment that the database named in the state that the caller reads.
    pub(crate) fn named_segment(&self, number: i64) -> NamedSegment {
        match self.segment(number) {
            Some(segment) => NamedSegment::Mapped(segment),
            None if self.repair.damaged.iter().any(|damaged| damaged.segment == number) => NamedSegment::Damaged,
            None => NamedSegment::Moved,
        }
    }

    /// Repeats `read` until it returns a value. It returns `None` for [`NamedSegment::Moved`], and reads a new state each time.
    ///
    /// # Errors
    /// Those of `read`, and [`StoreError::Generation`] if every attempt met a compaction.
    pub(crate) fn settled<T>(
        &self,
        generation: i64,
        read: impl Fn() -> Result<Option<T>, StoreError>,
    ) -> Result<T, StoreError> {
        for _ in 0..READS {
            if let Some(value) = read()? {
                return Ok(value);
            }
        }
        Err(StoreError::Generation {
            generation,
            message: format!("its embeddings were moved during each of {READS} attempts to read them; try again"),
        })
    }

    /// Adds a mapped segment.
    pub(crate) fn keep_segment(&self, number: i64, segment: Segment) {
        lock(&self.segments).insert(number, Arc::new(segment));
    }

    /// Removes a file after the next commit, because the transaction that names it failed.
    pub(crate) fn orphan(&self, file: &str) {
        lock(&self.orphans).push(file.to_owned());
    }

    /// Removes the files of segments that the database no longer names. A file that stays is removed at the next start.
    pub(crate) fn remove_files(&self, files: &[String]) {
        let mut segments = lock(&self.segments);
        for file in files {
            let path = segment_path(&self.dir, file);
            segments.retain(|_, segment| segment.path() != path);
            let _ = fs::remove_file(path);
            lock(&self.sealing).remove(file);
        }
    }
}

/// Locks a mutex. A panic of another thread rolled its transaction back, so the data is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Refuses to make a store among the files of something else.
fn refuse_foreign(dir: &Path) -> Result<(), StoreError> {
    if dir.join(crate::folder::DATABASE).exists() {
        return Ok(());
    }
    for entry in fs::read_dir(dir).map_err(StoreError::io("read", dir))? {
        let name = entry.map_err(StoreError::io("read", dir))?.file_name();
        let name = name.to_string_lossy();
        // A process that was killed in its first start leaves these.
        if name != SEGMENTS && !name.starts_with("store.") {
            return Err(StoreError::NotAStore {
                path: dir.to_owned(),
                message: format!("it has no {} and contains `{name}`", crate::folder::DATABASE),
            });
        }
    }
    Ok(())
}
