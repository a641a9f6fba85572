//! Repair at the start of a store: it removes what a killed process left, and finds segments that are unusable.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use crate::clock::now;
use crate::db::segments::{self, Named};
use crate::error::StoreError;
use crate::folder::{SEGMENTS, segment_path, sync_folder};
use crate::segment::{Check, Segment};

/// Segments by number.
pub(crate) type Segments = BTreeMap<i64, Arc<Segment>>;

/// A segment that the database names and that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedSegment {
    /// Number of the segment.
    pub segment: i64,
    /// Number of its generation.
    pub generation: i64,
    /// Name of the file.
    pub file: String,
    /// The fault: missing, short or damaged.
    pub message: String,
}

/// Report of the repair at the start of a store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RepairReport {
    /// Files that no segment names. They were removed.
    pub removed_files: Vec<String>,
    /// Segments that cannot be used. Searches go on without them.
    pub damaged: Vec<DamagedSegment>,
    /// Tasks that waited or ran when the last process ended.
    pub interrupted_tasks: usize,
}

/// Removes files that the database does not name, and maps the others.
pub(crate) fn repair(dir: &Path, db: &Connection, check: Check) -> Result<(Segments, RepairReport), StoreError> {
    let named = segments::list(db, None)?;
    let mut report = RepairReport {
        removed_files: remove_unnamed(dir, &named)?,
        ..RepairReport::default()
    };
    let mut mapped = Segments::new();
    for named in named {
        match open_segment(dir, &named, check) {
            Ok(segment) => {
                mapped.insert(named.sid, Arc::new(segment));
            }
            Err(error) => report.damaged.push(DamagedSegment {
                segment: named.sid,
                generation: named.generation,
                file: named.file,
                message: error.to_string(),
            }),
        }
    }
    let sql = "UPDATE tasks SET state = 'interrupted', finished_at = ?1 WHERE state IN ('queued', 'running')";
    report.interrupted_tasks = db.execute(sql, [now()])?;
    Ok((mapped, report))
}

/// Maps a segment and compares it with its entry in the database.
pub(crate) fn open_segment(dir: &Path, named: &Named, check: Check) -> Result<Segment, StoreError> {
    let path = segment_path(dir, &named.file);
    let segment = Segment::open(&path, check)?;
    if (segment.checksum(), segment.rows(), segment.bytes()) != (named.checksum, named.rows, named.bytes) {
        return Err(StoreError::damaged(
            &path,
            "it is another file than the one that was sealed",
        ));
    }
    Ok(segment)
}

fn remove_unnamed(dir: &Path, named: &[Named]) -> Result<Vec<String>, StoreError> {
    let named: HashSet<&str> = named.iter().map(|named| named.file.as_str()).collect();
    let folder = dir.join(SEGMENTS);
    let mut removed = Vec::new();
    for entry in fs::read_dir(&folder).map_err(StoreError::io("read", &folder))? {
        let entry = entry.map_err(StoreError::io("read", &folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !named.contains(name.as_str()) {
            fs::remove_file(entry.path()).map_err(StoreError::io("remove", &entry.path()))?;
            removed.push(name);
        }
    }
    if !removed.is_empty() {
        sync_folder(&folder)?;
    }
    removed.sort();
    Ok(removed)
}
