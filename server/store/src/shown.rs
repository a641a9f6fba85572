//! Images that may be shown: those of products, and sample photos that the operator chose.

use rusqlite::{OptionalExtension, params};

use crate::error::StoreError;
use crate::image::is_sha256;
use crate::store::Store;

/// A photo that visitors can try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Path or address of the photo.
    pub source: String,
    /// SHA-256 of the file's bytes in lower-case hexadecimal digits.
    pub sha256: String,
    /// Id of the product that it shows.
    pub product: Option<String>,
}

/// An image that may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownImage {
    /// Path or address of the file.
    pub source: String,
    /// True if a product has the image, and not only a sample.
    pub is_of_product: bool,
}

impl Store {
    /// Replaces the sample photos.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if a hash is not a SHA-256.
    pub fn set_samples(&self, samples: &[Sample]) -> Result<(), StoreError> {
        self.write(|db| {
            db.execute("DELETE FROM samples", [])?;
            for (position, sample) in samples.iter().enumerate() {
                if !is_sha256(&sample.sha256) {
                    return Err(StoreError::invalid(
                        "samples",
                        format!("`{}` is not a SHA-256", sample.sha256),
                    ));
                }
                db.execute(
                    "INSERT INTO samples(position, source, sha256, id) VALUES (?1, ?2, ?3, ?4)",
                    params![position, sample.source, sample.sha256, sample.product],
                )?;
            }
            Ok(())
        })
    }

    /// The sample photos in their order.
    ///
    /// # Errors
    /// Errors of the database.
    pub fn samples(&self) -> Result<Vec<Sample>, StoreError> {
        self.read(|db| {
            let mut statement = db.prepare_cached("SELECT source, sha256, id FROM samples ORDER BY position")?;
            let rows = statement.query_map([], |row| {
                Ok(Sample {
                    source: row.get(0)?,
                    sha256: row.get(1)?,
                    product: row.get(2)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The image with this SHA-256, if a product or a sample shows it. No other file may be served.
    ///
    /// # Errors
    /// Errors of the database.
    pub fn shown_image(&self, sha256: &str) -> Result<Option<ShownImage>, StoreError> {
        if !is_sha256(sha256) {
            return Ok(None);
        }
        self.read(|db| {
            // Keys with a crop box begin with the hash and `@`. `A` is the character after it.
            let mut statement = db.prepare_cached(
                "SELECT source, 1 FROM images JOIN product_images USING (iid)
                 WHERE key = ?1 OR (key >= ?1 || '@' AND key < ?1 || 'A')
                 UNION ALL SELECT source, 0 FROM samples WHERE sha256 = ?1 LIMIT 1",
            )?;
            let found = statement.query_row([sha256], |row| {
                Ok(ShownImage {
                    source: row.get(0)?,
                    is_of_product: row.get(1)?,
                })
            });
            Ok(found.optional()?)
        })
    }
}
