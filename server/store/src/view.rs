//! A view of a generation: what a search needs to know.

use std::sync::Arc;

use rusqlite::Connection;

use crate::db::generations::{self, Generation};
use crate::db::{outbox, segments};
use crate::error::StoreError;
use crate::segment::Segment;
use crate::store::{NamedSegment, Store};

/// A product of a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewProduct {
    /// Id.
    pub id: String,
    /// Category.
    pub category: Option<String>,
    /// Group of variants.
    pub group: Option<String>,
}

/// An embedding of a view. Embeddings of an image that several products show occur once per product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ViewRow {
    /// Index into [`View::segments`].
    pub segment: u32,
    /// Row of the segment.
    pub slot: u32,
    /// Index into [`View::products`].
    pub product: u32,
}

/// One state of a generation. It stays as it is while the store changes.
#[derive(Debug, Clone)]
pub struct View {
    /// The generation.
    pub generation: Generation,
    /// Sequence of the last change that the view contains.
    pub sequence: u64,
    /// Mapped segments.
    pub segments: Vec<Arc<Segment>>,
    /// Products sorted by their ids, also those without an embedding.
    pub products: Vec<ViewProduct>,
    /// Embeddings of products, in the order of segments and slots.
    pub rows: Vec<ViewRow>,
}

/// Place of an embedding of a product, for updates of a view.
#[derive(Debug, Clone)]
pub struct ProductRow {
    /// The segment.
    pub segment: Arc<Segment>,
    /// Row of the segment.
    pub slot: usize,
    /// Position of the image among the product's images.
    pub position: usize,
}

impl Store {
    /// The present state of a generation. Embeddings in damaged segments are left out.
    ///
    /// # Errors
    /// [`StoreError::Generation`] if there is no such generation.
    pub fn view(&self, generation: i64) -> Result<View, StoreError> {
        self.settled(generation, || self.read_apart(|db| self.view_in(db, generation)))
    }

    /// The view of a state of the database. `None` if a compaction has removed a segment that this state names.
    fn view_in(&self, db: &Connection, generation: i64) -> Result<Option<View>, StoreError> {
        let generation = generations::get(db, generation)?;
        let (places, products) = products(db)?;
        let mut view = View {
            sequence: outbox::last(db)?,
            segments: Vec::new(),
            products,
            rows: Vec::new(),
            generation,
        };
        for named in segments::list(db, Some(view.generation.number))? {
            match self.named_segment(named.sid) {
                NamedSegment::Mapped(segment) => {
                    let index = u32::try_from(view.segments.len()).unwrap_or(u32::MAX);
                    view.segments.push(segment);
                    add_rows(db, named.sid, index, &places, &mut view.rows)?;
                }
                NamedSegment::Damaged => {}
                NamedSegment::Moved => return Ok(None),
            }
        }
        Ok(Some(view))
    }

    /// Places of the embeddings of the product `id`. Empty if it was deleted or waits for its embeddings.
    ///
    /// # Errors
    /// Errors of the database.
    pub fn product_rows(&self, generation: i64, id: &str) -> Result<Vec<ProductRow>, StoreError> {
        self.settled(generation, || self.read(|db| self.product_rows_in(db, generation, id)))
    }

    /// As [`Store::product_rows`], in a state of the database. `None` if a compaction has removed a segment that it names.
    fn product_rows_in(
        &self,
        db: &Connection,
        generation: i64,
        id: &str,
    ) -> Result<Option<Vec<ProductRow>>, StoreError> {
        let mut statement = db.prepare_cached(
            "SELECT sid, slot, position FROM products JOIN product_images USING (pid)
             JOIN embeddings USING (iid) WHERE id = ?1 AND gid = ?2 ORDER BY position",
        )?;
        let mut rows = statement.query((id, generation))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            match self.named_segment(row.get(0)?) {
                NamedSegment::Mapped(segment) => found.push(ProductRow {
                    segment,
                    slot: row.get(1)?,
                    position: row.get(2)?,
                }),
                NamedSegment::Damaged => {}
                NamedSegment::Moved => return Ok(None),
            }
        }
        Ok(Some(found))
    }
}

/// Number of a product and its index in a view.
type PlaceOf = (i64, u32);

/// Places of all products, sorted by number, and the products, sorted by id.
fn products(db: &Connection) -> Result<(Vec<PlaceOf>, Vec<ViewProduct>), StoreError> {
    let mut statement = db.prepare_cached("SELECT pid, id, category, variants FROM products ORDER BY id")?;
    let mut rows = statement.query([])?;
    let (mut places, mut products) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        places.push((row.get(0)?, u32::try_from(products.len()).unwrap_or(u32::MAX)));
        products.push(ViewProduct {
            id: row.get(1)?,
            category: row.get(2)?,
            group: row.get(3)?,
        });
    }
    places.sort_unstable();
    Ok((places, products))
}

fn add_rows(
    db: &Connection,
    sid: i64,
    segment: u32,
    places: &[PlaceOf],
    out: &mut Vec<ViewRow>,
) -> Result<(), StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT slot, pid FROM embeddings JOIN product_images USING (iid) WHERE sid = ?1 ORDER BY slot, pid",
    )?;
    let mut rows = statement.query([sid])?;
    while let Some(row) = rows.next()? {
        let (slot, pid): (u32, i64) = (row.get(0)?, row.get(1)?);
        if let Ok(at) = places.binary_search_by_key(&pid, |place| place.0) {
            let product = places[at].1;
            let row = ViewRow { segment, slot, product };
            // A product that lists one image twice has one row for it.
            if out.last() != Some(&row) {
                out.push(row);
            }
        }
    }
    Ok(())
}
