//! Compaction: rows that are still used move to new segments, and the old files are removed.

use std::sync::Arc;

use crate::clock::now;
use crate::db::generations::{self, Generation, GenerationState};
use crate::db::segments::{self, Named, Place};
use crate::embed::finish;
use crate::error::StoreError;
use crate::folder::segment_path;
use crate::segment::{Segment, SegmentWriter};
use crate::store::Store;

/// Choice of the segments that a compaction rewrites.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CompactOptions {
    /// Share of unused rows above which a segment is rewritten, 0 to 1.
    pub unused: f64,
    /// Number of rows below which a segment is merged with others.
    pub small: usize,
    /// Maximum number of rows of a new segment.
    pub rows: usize,
}

impl Default for CompactOptions {
    fn default() -> Self {
        Self {
            unused: 0.2,
            small: 4096,
            rows: 1 << 18,
        }
    }
}

/// Result of a compaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compacted {
    /// Segments that were removed.
    pub removed: usize,
    /// Segments that were written.
    pub written: usize,
    /// Unused rows that are gone.
    pub rows: usize,
    /// Bytes that are free again.
    pub bytes: u64,
}

/// A segment that is rewritten, with the places of its used rows.
struct Old {
    named: Named,
    segment: Arc<Segment>,
    places: Vec<Place>,
}

impl Store {
    /// Rewrites the segments of all generations that have many unused rows or few rows.
    ///
    /// # Errors
    /// Errors of files and of the database. Then the old segments stay.
    pub fn compact(&self, options: &CompactOptions) -> Result<Compacted, StoreError> {
        let _maintenance = self.maintain();
        let mut total = Compacted::default();
        for generation in self.generations()? {
            if generation.state == GenerationState::Retired {
                continue;
            }
            let old = self.choose(generation.number, options)?;
            for group in groups(old, options.rows) {
                self.rewrite(&generation, &group, &mut total)?;
            }
        }
        Ok(total)
    }

    /// Segments of a generation to rewrite. Damaged segments stay.
    fn choose(&self, generation: i64, options: &CompactOptions) -> Result<Vec<Old>, StoreError> {
        self.read_apart(|db| {
            let (mut chosen, mut small) = (Vec::new(), Vec::new());
            for named in segments::list(db, Some(generation))? {
                let Some(segment) = self.segment(named.sid) else {
                    continue;
                };
                let places = segments::places(db, named.sid)?;
                let unused = (named.rows - places.len().min(named.rows)) as f64;
                let old = Old { named, segment, places };
                if unused > options.unused * old.named.rows as f64 {
                    chosen.push(old);
                } else if old.named.rows < options.small {
                    small.push(old);
                }
            }
            // A single small segment without unused rows would be copied in vain.
            if chosen.len() + small.len() > 1 {
                chosen.extend(small);
            }
            // A copy would hide that a row is damaged.
            chosen.retain(|old| old.segment.check_blocks().is_ok());
            Ok(chosen)
        })
    }

    /// Replaces segments by one new segment in one transaction.
    fn rewrite(&self, generation: &Generation, old: &[Old], total: &mut Compacted) -> Result<(), StoreError> {
        let places: Vec<(&Segment, Place)> = old
            .iter()
            .flat_map(|old| old.places.iter().map(|place| (&*old.segment, *place)))
            .collect();
        let new = if places.is_empty() {
            None
        } else {
            let file = self.new_segment_file(generation.number);
            let path = segment_path(self.dir(), &file);
            let mut writer = SegmentWriter::create(&path, generation.element, generation.dim, places.len())?;
            for (segment, place) in &places {
                writer.push(segment.stored(place.slot))?;
            }
            Some(finish(writer, self.dir(), generation.number, file)?)
        };
        let new_file = new.as_ref().map(|(named, _)| named.file.clone());
        let new_bytes = new.as_ref().map_or(0, |(named, _)| named.bytes);
        let committed = self.write(|db| {
            let exists = generations::get(db, generation.number)?.state != GenerationState::Retired;
            if let Some((named, segment)) = new.filter(|_| exists) {
                let sid = segments::insert(db, &named, now())?;
                for (slot, (_, place)) in places.iter().enumerate() {
                    segments::relocate(db, *place, (sid, slot))?;
                }
                self.keep_segment(sid, segment);
            }
            for old in old {
                segments::delete(db, old.named.sid)?;
            }
            Ok(exists)
        });
        match (&new_file, &committed) {
            (Some(file), Ok(true)) => self.sealed(file),
            (Some(file), _) => self.orphan(file),
            (None, _) => {}
        }
        if committed? {
            total.written += usize::from(new_file.is_some());
            total.removed += old.len();
            total.rows += old.iter().map(|old| old.named.rows).sum::<usize>() - places.len();
            let old_bytes: usize = old.iter().map(|old| old.named.bytes).sum();
            total.bytes += old_bytes.saturating_sub(new_bytes) as u64;
        }
        let files: Vec<String> = old.iter().map(|old| old.named.file.clone()).collect();
        self.remove_files(&files);
        Ok(())
    }
}

/// Groups segments so that each group has at most `rows` used rows, or is a single segment.
fn groups(old: Vec<Old>, rows: usize) -> Vec<Vec<Old>> {
    let mut groups: Vec<Vec<Old>> = Vec::new();
    let mut used = usize::MAX;
    for old in old {
        used = used.saturating_add(old.places.len());
        match groups.last_mut() {
            Some(group) if used <= rows => group.push(old),
            _ => {
                used = old.places.len();
                groups.push(vec![old]);
            }
        }
    }
    groups
}
