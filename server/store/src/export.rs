//! Export of the catalog, and its statistics.

use std::io::Write;

use crate::db::products::page;
use crate::error::StoreError;
use crate::store::Store;

/// Products that are read at a time.
const PAGE: usize = 1000;

/// Numbers that describe a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Products.
    pub products: u64,
    /// Different images.
    pub images: u64,
    /// Segments of all generations.
    pub segments: u64,
    /// Bytes of the segments.
    pub segment_bytes: u64,
    /// Rows of the segments.
    pub rows: u64,
    /// Embeddings in these rows. The other rows wait for a compaction.
    pub embeddings: u64,
    /// Changes that are not trimmed.
    pub changes: u64,
}

impl Store {
    /// Writes every product as one line of JSON, sorted by id. An import of the text changes nothing.
    ///
    /// Returns the number of products. Changes during the export may or may not be in it.
    ///
    /// # Errors
    /// Errors of the database and of `out`.
    pub fn export(&self, out: &mut dyn Write) -> Result<u64, StoreError> {
        let written = StoreError::io("write", std::path::Path::new("the export"));
        let mut count = 0;
        let mut after = String::new();
        let result = loop {
            let products = self.read(|db| page(db, &after, PAGE))?;
            let Some(last) = products.last() else {
                break out.flush();
            };
            after.clone_from(&last.product.id);
            count += products.len() as u64;
            let mut text = Vec::new();
            for stored in &products {
                serde_json::to_writer(&mut text, &stored.product)
                    .map_err(|error| StoreError::invalid("product", error.to_string()))?;
                text.push(b'\n');
            }
            if let Err(error) = out.write_all(&text) {
                break Err(error);
            }
        };
        result.map_err(written)?;
        Ok(count)
    }

    /// Counts products, images and embeddings.
    ///
    /// # Errors
    /// Errors of the database.
    pub fn stats(&self) -> Result<Stats, StoreError> {
        self.read(|db| {
            let count = |what: &str, table: &str| -> Result<u64, StoreError> {
                Ok(db.query_row(&format!("SELECT {what} FROM {table}"), [], |row| row.get(0))?)
            };
            Ok(Stats {
                products: count("count(*)", "products")?,
                images: count("count(*)", "images")?,
                segments: count("count(*)", "segments")?,
                segment_bytes: count("coalesce(sum(bytes), 0)", "segments")?,
                rows: count("coalesce(sum(slots), 0)", "segments")?,
                embeddings: count("count(*)", "embeddings")?,
                changes: count("count(*)", "outbox")?,
            })
        })
    }

    /// Number of segments of all generations with fewer than `rows` rows.
    ///
    /// # Errors
    /// Errors of the database.
    pub fn segments_below(&self, rows: usize) -> Result<u64, StoreError> {
        self.read(|db| {
            let sql = "SELECT count(*) FROM segments WHERE slots < ?1";
            Ok(db.prepare_cached(sql)?.query_row([rows], |row| row.get(0))?)
        })
    }
}
