//! Storage of embeddings.

use std::path::Path;

use crate::clock::now;
use crate::db::generations::{self, Generation, GenerationState, PendingImage};
use crate::db::images;
use crate::db::segments::{self, Named, Place};
use crate::error::StoreError;
use crate::folder::{SEGMENTS, segment_path, sync_folder};
use crate::image::ImageKey;
use crate::segment::{Check, Element, Row, Segment, SegmentWriter};
use crate::store::Store;

/// Largest difference between 1 and the norm of a vector that is stored.
const UNIT: f64 = 1e-3;

/// Result of storing embeddings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Appended {
    /// Embeddings that were stored.
    pub stored: usize,
    /// Embeddings of images that no product has any more.
    pub obsolete: usize,
}

impl Store {
    /// Up to `limit` images that have no embedding in the generation, in the order of their numbers, after `after`.
    ///
    /// # Errors
    /// Errors of the database.
    pub fn pending(&self, generation: i64, after: i64, limit: usize) -> Result<Vec<PendingImage>, StoreError> {
        self.read(|db| generations::pending(db, generation, after, limit))
    }

    /// Number of the newest image; 0 without images.
    ///
    /// # Errors
    /// Errors of the database.
    pub fn newest_image(&self) -> Result<i64, StoreError> {
        self.read(|db| Ok(db.query_row("SELECT coalesce(max(iid), 0) FROM images", [], |row| row.get(0))?))
    }

    /// Stores unit vectors as a new segment of a generation. They are visible and durable together when this returns.
    ///
    /// An embedding that an image already had is replaced.
    ///
    /// # Errors
    /// [`StoreError::Embedding`] if a vector has another dimension or another norm than 1, and [`StoreError::Generation`]
    /// for a generation that is retired. Then nothing is stored.
    pub fn append(&self, generation: i64, vectors: &[(ImageKey, Vec<f32>)]) -> Result<Appended, StoreError> {
        let (generation, numbers) = self.read(|db| {
            let generation = generations::get(db, generation)?;
            let numbers = vectors
                .iter()
                .map(|(key, _)| images::find(db, key))
                .collect::<Result<Vec<_>, _>>()?;
            Ok((generation, numbers))
        })?;
        refuse_retired(&generation)?;
        for (key, vector) in vectors {
            check_vector(key, vector, generation.dim)?;
        }
        let rows: Vec<(i64, &[f32])> = numbers
            .iter()
            .zip(vectors)
            .filter_map(|(number, (_, vector))| Some(((*number)?, vector.as_slice())))
            .collect();
        if rows.is_empty() {
            return Ok(Appended {
                stored: 0,
                obsolete: vectors.len(),
            });
        }
        let (named, segment) = self.seal(&generation, &rows)?;
        let placed = self.write(|db| {
            refuse_retired(&generations::get(db, generation.number)?)?;
            let sid = segments::insert(db, &named, now())?;
            let mut placed = Vec::new();
            for (slot, (image, _)) in rows.iter().enumerate() {
                let place = Place {
                    image: *image,
                    sid,
                    slot,
                };
                if segments::place(db, generation.number, place)? {
                    placed.push(*image);
                }
            }
            segments::announce(db, &placed)?;
            // The map is kept before the transaction ends, so that no reader sees the segment without it.
            self.keep_segment(sid, segment);
            Ok(placed)
        });
        let placed = placed.inspect_err(|_| self.orphan(&named.file))?;
        self.sealed(&named.file);
        Ok(Appended {
            stored: placed.len(),
            obsolete: vectors.len() - placed.len(),
        })
    }

    /// Remembers that an image cannot be embedded in a generation. A later embedding deletes the fault.
    ///
    /// # Errors
    /// Errors of the database.
    pub fn fail_embedding(&self, generation: i64, key: &ImageKey, reason: &str) -> Result<(), StoreError> {
        self.write(|db| match images::find(db, key)? {
            Some(image) => segments::fail(db, generation, image, reason),
            None => Ok(()),
        })
    }

    /// Writes a sealed file of the rows and maps it. SQLite does not name it yet.
    fn seal(&self, generation: &Generation, rows: &[(i64, &[f32])]) -> Result<(Named, Segment), StoreError> {
        let Generation { dim, element, .. } = *generation;
        let file = self.new_segment_file(generation.number);
        let mut writer = SegmentWriter::create(&segment_path(self.dir(), &file), element, dim, rows.len())?;
        let mut integers = Vec::with_capacity(dim);
        for (image, vector) in rows {
            let scale = match element {
                Element::F32 => 1.0,
                Element::Int8 => scan::quantise(vector, &mut integers),
            };
            let values = match element {
                Element::F32 => bytemuck::cast_slice::<f32, u8>(vector),
                Element::Int8 => bytemuck::cast_slice(&integers),
            };
            writer.push(Row {
                values,
                scale,
                image: image.unsigned_abs(),
            })?;
        }
        finish(writer, self.dir(), generation.number, file)
    }
}

/// Ends a segment file, syncs it and its folder, and maps it.
pub(crate) fn finish(
    writer: SegmentWriter,
    dir: &Path,
    generation: i64,
    file: String,
) -> Result<(Named, Segment), StoreError> {
    let finished = writer.finish()?;
    sync_folder(&dir.join(SEGMENTS))?;
    let segment = Segment::open(&segment_path(dir, &file), Check::Structure)?;
    let named = Named {
        sid: 0,
        generation,
        file,
        rows: finished.rows,
        bytes: finished.bytes,
        checksum: finished.checksum,
    };
    Ok((named, segment))
}

fn refuse_retired(generation: &Generation) -> Result<(), StoreError> {
    if generation.state != GenerationState::Retired {
        return Ok(());
    }
    Err(StoreError::Generation {
        generation: generation.number,
        message: "it is retired and takes no embeddings".into(),
    })
}

/// Checks a vector's dimension and norm.
fn check_vector(key: &ImageKey, vector: &[f32], dim: usize) -> Result<(), StoreError> {
    let norm = vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    let message = if vector.len() != dim {
        format!("it has dimension {}, and the generation {dim}", vector.len())
    } else if (norm - 1.0).abs() <= UNIT {
        return Ok(());
    } else {
        format!("its norm is {norm}; normalise it to 1")
    };
    Err(StoreError::Embedding {
        image: key.to_string(),
        message,
    })
}
