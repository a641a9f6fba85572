//! Statements of the tables `generations` and `embeddings`.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::StoreError;
use crate::segment::Element;

/// State of a generation. There is at most one of each, except for retired ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GenerationState {
    /// Images are being embedded.
    Building,
    /// Searches use it.
    Live,
    /// The one before the live one, for a rollback.
    Kept,
    /// Its embeddings are deleted.
    Retired,
}

impl GenerationState {
    /// Name in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Building => "building",
            Self::Live => "live",
            Self::Kept => "kept",
            Self::Retired => "retired",
        }
    }

    fn parse(name: &str) -> Result<Self, StoreError> {
        [Self::Building, Self::Live, Self::Kept, Self::Retired]
            .into_iter()
            .find(|state| state.name() == name)
            .ok_or_else(|| StoreError::column("state", name))
    }
}

/// The embeddings of all images by one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// Number.
    pub number: i64,
    /// The model that defines the embedding space.
    pub model: String,
    /// Dimension.
    pub dim: usize,
    /// Type of the stored numbers.
    pub element: Element,
    /// State.
    pub state: GenerationState,
}

fn of_row(row: &Row<'_>) -> Result<Generation, StoreError> {
    let element: String = row.get(3)?;
    Ok(Generation {
        number: row.get(0)?,
        model: row.get(1)?,
        dim: row.get(2)?,
        element: Element::parse(&element).ok_or_else(|| StoreError::column("element", &element))?,
        state: GenerationState::parse(&row.get::<_, String>(4)?)?,
    })
}

/// All generations, oldest first.
pub(crate) fn all(db: &Connection) -> Result<Vec<Generation>, StoreError> {
    let mut statement = db.prepare_cached("SELECT gid, model, dim, element, state FROM generations ORDER BY gid")?;
    let mut rows = statement.query([])?;
    let mut generations = Vec::new();
    while let Some(row) = rows.next()? {
        generations.push(of_row(row)?);
    }
    Ok(generations)
}

/// The generation with this number.
///
/// # Errors
/// [`StoreError::Generation`] if there is none.
pub(crate) fn get(db: &Connection, number: i64) -> Result<Generation, StoreError> {
    let mut statement = db.prepare_cached("SELECT gid, model, dim, element, state FROM generations WHERE gid = ?1")?;
    let found = statement.query_row([number], |row| Ok(of_row(row))).optional()?;
    found.unwrap_or_else(|| {
        Err(StoreError::Generation {
            generation: number,
            message: "it does not exist".into(),
        })
    })
}

/// The generation in this state, if there is one.
pub(crate) fn in_state(db: &Connection, state: GenerationState) -> Result<Option<Generation>, StoreError> {
    Ok(all(db)?.into_iter().rev().find(|generation| generation.state == state))
}

/// Adds a generation in the state `building` and returns its number.
pub(crate) fn insert(db: &Connection, model: &str, dim: usize, element: Element, now: i64) -> Result<i64, StoreError> {
    db.execute(
        "INSERT INTO generations(model, dim, element, state, created_at) VALUES (?1, ?2, ?3, 'building', ?4)",
        params![model, dim, element.name(), now],
    )?;
    Ok(db.last_insert_rowid())
}

/// Changes the state of a generation.
pub(crate) fn set_state(db: &Connection, number: i64, state: GenerationState, now: i64) -> Result<(), StoreError> {
    db.execute(
        "UPDATE generations SET state = ?2, switched_at = ?3 WHERE gid = ?1",
        params![number, state.name(), now],
    )?;
    Ok(())
}

/// Deletes the embeddings and segments of a generation. Returns the names of the segments' files.
pub(crate) fn clear(db: &Connection, number: i64) -> Result<Vec<String>, StoreError> {
    let mut statement = db.prepare("SELECT file FROM segments WHERE gid = ?1")?;
    let files = statement
        .query_map([number], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    db.execute("DELETE FROM embeddings WHERE gid = ?1", [number])?;
    db.execute("DELETE FROM embedding_faults WHERE gid = ?1", [number])?;
    db.execute("DELETE FROM segments WHERE gid = ?1", [number])?;
    Ok(files)
}

/// Progress of a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GenerationProgress {
    /// Images of all products.
    pub images: u64,
    /// Images with an embedding.
    pub embedded: u64,
    /// Images that could not be embedded.
    pub failed: u64,
}

impl GenerationProgress {
    /// Number of images that wait for an embedding.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.images.saturating_sub(self.embedded + self.failed)
    }
}

/// Counts the images of a generation.
pub(crate) fn progress(db: &Connection, number: i64) -> Result<GenerationProgress, StoreError> {
    let count =
        |sql: &str| -> Result<u64, StoreError> { Ok(db.prepare_cached(sql)?.query_row([number], |row| row.get(0))?) };
    Ok(GenerationProgress {
        images: count("SELECT count(*) FROM images WHERE ?1 = ?1")?,
        embedded: count("SELECT count(*) FROM embeddings WHERE sid IN (SELECT sid FROM segments WHERE gid = ?1)")?,
        failed: count("SELECT count(*) FROM embedding_faults WHERE gid = ?1")?,
    })
}

/// An image that waits for its embedding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingImage {
    /// Position in the order of the images, to continue after it.
    pub number: i64,
    /// Text form of its [`ImageKey`](crate::ImageKey).
    pub key: String,
    /// Path or address of one of the products that show it.
    pub source: String,
}

/// Up to `limit` images without embedding and without fault whose number is greater than `after`.
pub(crate) fn pending(db: &Connection, number: i64, after: i64, limit: usize) -> Result<Vec<PendingImage>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT iid, key, (SELECT source FROM product_images AS use WHERE use.iid = images.iid LIMIT 1) FROM images
         WHERE iid > ?2
           AND NOT EXISTS (SELECT 1 FROM embeddings AS done WHERE done.iid = images.iid AND done.gid = ?1)
           AND NOT EXISTS (SELECT 1 FROM embedding_faults AS bad WHERE bad.iid = images.iid AND bad.gid = ?1)
         ORDER BY iid LIMIT ?3",
    )?;
    let rows = statement.query_map(params![number, after, limit], |row| {
        Ok(PendingImage {
            number: row.get(0)?,
            key: row.get(1)?,
            source: row.get::<_, Option<String>>(2)?.unwrap_or_default(),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
