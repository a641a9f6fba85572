//! Verification: it compares the database, the segment files and their rows.

use std::collections::HashSet;
use std::io::ErrorKind;

use crate::db;
use crate::db::generations::{self, Generation, GenerationState};
use crate::db::segments::{self, Named};
use crate::error::StoreError;
use crate::folder::DATABASE;
use crate::repair::{DamagedSegment, open_segment};
use crate::segment::{Check, Segment};
use crate::store::Store;

/// Number of findings per kind that a report lists.
const LISTED: usize = 20;

/// Kind of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingKind {
    /// A segment file is missing, short, damaged or another file.
    Damaged,
    /// An image of the live generation has neither an embedding nor a fault.
    Missing,
    /// A file that no segment names, or an embedding in a row that does not exist.
    Phantom,
    /// Two embeddings in one row, or a product that occurs twice.
    Duplicate,
    /// A row of zeros.
    Zeroed,
    /// An image or embedding that no product uses, or a row that belongs to another image.
    Stale,
    /// A row whose norm is not 1, or that is not finite.
    NonUnit,
}

/// A fault that the verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Kind.
    pub kind: FindingKind,
    /// File, image or row in words.
    pub place: String,
}

/// Result of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifyReport {
    /// Products.
    pub products: u64,
    /// Embeddings that were checked.
    pub embeddings: u64,
    /// Rows of segments that no embedding uses. A compaction removes them.
    pub unused_rows: u64,
    /// Findings, at most 20 per kind.
    pub findings: Vec<Finding>,
    /// Number of all findings.
    pub total: u64,
}

impl VerifyReport {
    /// True if there is no finding except of images that wait for their embedding.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|finding| finding.kind == FindingKind::Missing)
    }

    fn add(&mut self, kind: FindingKind, place: impl Into<String>) {
        self.total += 1;
        if self.findings.iter().filter(|finding| finding.kind == kind).count() < LISTED {
            self.findings.push(Finding {
                kind,
                place: place.into(),
            });
        }
    }
}

impl Store {
    /// Checks everything: the database, every checksum and every used row.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the database itself is damaged.
    pub fn verify(&self) -> Result<VerifyReport, StoreError> {
        let _maintenance = self.maintain();
        let mut report = VerifyReport::default();
        let files = self.settled_files()?;
        let mut unusable = Vec::new();
        self.read_apart(|db| {
            db::check(db, &self.dir().join(DATABASE))?;
            report.products = db.query_row("SELECT count(*) FROM products", [], |row| row.get(0))?;
            let named = segments::list(db, None)?;
            for named in &named {
                let generation = generations::get(db, named.generation)?;
                match open_segment(self.dir(), named, Check::Full) {
                    Ok(segment) => check_rows(db, named, &segment, &generation, &mut report)?,
                    Err(error) => unusable.push((named.file.clone(), error.to_string())),
                }
            }
            let named: HashSet<&str> = named.iter().map(|named| named.file.as_str()).collect();
            for file in files.iter().filter(|file| !named.contains(file.as_str())) {
                report.add(FindingKind::Phantom, format!("file {file}"));
            }
            check_tables(db, &mut report)
        })?;
        // A generation that was dropped in the meantime took its files along.
        let named = self.read(|db| segments::list(db, None))?;
        for (file, message) in unusable {
            if named.iter().any(|named| named.file == file) {
                report.add(FindingKind::Damaged, message);
            }
        }
        Ok(report)
    }

    /// Deletes the embeddings of segments whose files are damaged or missing, so that their images wait for an embedding again.
    ///
    /// Returns the segments.
    ///
    /// # Errors
    /// Errors of the database. A file that exists and cannot be read is an error too, because it may be sound. Then nothing is
    /// deleted.
    pub fn discard_damaged(&self) -> Result<Vec<DamagedSegment>, StoreError> {
        let _maintenance = self.maintain();
        let mut damaged = Vec::new();
        for named in self.read(|db| segments::list(db, None))? {
            match open_segment(self.dir(), &named, Check::Full) {
                Ok(_) => {}
                Err(error) if is_lost(&error) => damaged.push(DamagedSegment {
                    segment: named.sid,
                    generation: named.generation,
                    file: named.file,
                    message: error.to_string(),
                }),
                Err(error) => return Err(error),
            }
        }
        if damaged.is_empty() {
            return Ok(damaged);
        }
        self.write(|db| {
            damaged
                .iter()
                .try_for_each(|damaged| segments::delete(db, damaged.segment))
        })?;
        let files: Vec<String> = damaged.iter().map(|damaged| damaged.file.clone()).collect();
        self.remove_files(&files);
        Ok(damaged)
    }
}

/// True if a segment's file is damaged or missing, so that its content cannot come back.
fn is_lost(error: &StoreError) -> bool {
    match error {
        StoreError::Damaged { .. } => true,
        StoreError::Io { source, .. } => source.kind() == ErrorKind::NotFound,
        _ => false,
    }
}

/// Checks the rows of a segment that embeddings use.
fn check_rows(
    db: &rusqlite::Connection,
    named: &Named,
    segment: &Segment,
    generation: &Generation,
    report: &mut VerifyReport,
) -> Result<(), StoreError> {
    let places = segments::places(db, named.sid)?;
    report.unused_rows += (segment.rows() as u64).saturating_sub(places.len() as u64);
    let fits = segment.dim() == generation.dim && segment.element() == generation.element;
    for place in places {
        report.embeddings += 1;
        let name = || format!("row {} of {} (image {})", place.slot, named.file, place.image);
        if !fits || place.slot >= segment.rows() {
            report.add(FindingKind::Phantom, name());
            continue;
        }
        if segment.images()[place.slot] != place.image.unsigned_abs() {
            report.add(FindingKind::Stale, name());
        }
        let vector = segment.vector(place.slot);
        let norm = vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        if norm == 0.0 {
            report.add(FindingKind::Zeroed, name());
        } else if (norm - 1.0).abs() > f64::from(generation.element.tolerance()) || !norm.is_finite() {
            report.add(FindingKind::NonUnit, format!("{}: norm {norm}", name()));
        }
    }
    Ok(())
}

/// Checks what the schema does not forbid.
fn check_tables(db: &rusqlite::Connection, report: &mut VerifyReport) -> Result<(), StoreError> {
    let mut find = |kind, sql: &str, parameter: i64| -> Result<(), StoreError> {
        let mut statement = db.prepare(sql)?;
        let mut rows = statement.query([parameter])?;
        while let Some(row) = rows.next()? {
            report.add(kind, format!("image {}", row.get::<_, String>(0)?));
        }
        Ok(())
    };
    find(
        FindingKind::Stale,
        "SELECT key FROM images WHERE ?1 = ?1 AND iid NOT IN (SELECT iid FROM product_images)",
        0,
    )?;
    find(
        FindingKind::Duplicate,
        "SELECT max(key) FROM embeddings JOIN images USING (iid) WHERE ?1 = ?1 GROUP BY sid, slot HAVING count(*) > 1",
        0,
    )?;
    if let Some(live) = generations::in_state(db, GenerationState::Live)? {
        find(
            FindingKind::Missing,
            "SELECT key FROM images WHERE iid NOT IN (SELECT iid FROM embeddings WHERE gid = ?1)
             AND iid NOT IN (SELECT iid FROM embedding_faults WHERE gid = ?1)",
            live.number,
        )?;
    }
    Ok(())
}
