//! Statements of the tables `images`, `product_images` and `photo_stamps`.

use rusqlite::{Connection, OptionalExtension, params};

use crate::error::StoreError;
use crate::image::{ImageKey, ProductImage};

/// Images of the product `pid` in their order.
pub(crate) fn of_product(db: &Connection, pid: i64) -> Result<Vec<ProductImage>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT source, key, width, height FROM product_images JOIN images USING (iid) WHERE pid = ?1 ORDER BY position",
    )?;
    let mut rows = statement.query([pid])?;
    let mut images = Vec::new();
    while let Some(row) = rows.next()? {
        let key: ImageKey = row.get::<_, String>(1)?.parse()?;
        images.push(ProductImage {
            source: row.get(0)?,
            sha256: key.sha256().to_owned(),
            crop: key.crop(),
            width: row.get(2)?,
            height: row.get(3)?,
        });
    }
    Ok(images)
}

/// Replaces the images of the product `pid`. Images that no product has any more are deleted with their embeddings.
pub(crate) fn replace(db: &Connection, pid: i64, images: &[ProductImage]) -> Result<(), StoreError> {
    let before = numbers(db, pid)?;
    db.prepare_cached("DELETE FROM product_images WHERE pid = ?1")?
        .execute([pid])?;
    for (position, image) in (0i64..).zip(images) {
        let iid = number(db, image)?;
        db.prepare_cached("INSERT INTO product_images(pid, position, iid, source) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![pid, position, iid, image.source])?;
    }
    delete_unused(db, &before)
}

/// Numbers of the images of the product `pid`.
pub(crate) fn numbers(db: &Connection, pid: i64) -> Result<Vec<i64>, StoreError> {
    let mut statement = db.prepare_cached("SELECT iid FROM product_images WHERE pid = ?1")?;
    let rows = statement.query_map([pid], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Deletes those of the images that no product has, with their embeddings.
pub(crate) fn delete_unused(db: &Connection, numbers: &[i64]) -> Result<(), StoreError> {
    let mut statement = db.prepare_cached(
        "DELETE FROM images WHERE iid = ?1 AND NOT EXISTS (SELECT 1 FROM product_images WHERE iid = ?1)",
    )?;
    for number in numbers {
        statement.execute([number])?;
    }
    Ok(())
}

/// Key of the image with this number, if the product `id` has it.
pub(crate) fn key(db: &Connection, id: &str, number: u64) -> Result<Option<ImageKey>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT key FROM images JOIN product_images USING (iid) JOIN products USING (pid) WHERE iid = ?2 AND id = ?1 LIMIT 1",
    )?;
    let found = statement.query_row(params![id, number], |row| row.get::<_, String>(0));
    found.optional()?.map(|key| key.parse()).transpose()
}

/// Number of the image with this key, if the store has it.
pub(crate) fn find(db: &Connection, key: &ImageKey) -> Result<Option<i64>, StoreError> {
    let mut statement = db.prepare_cached("SELECT iid FROM images WHERE key = ?1")?;
    Ok(statement.query_row([key.as_str()], |row| row.get(0)).optional()?)
}

/// Number of the image, which is added if it is new.
fn number(db: &Connection, image: &ProductImage) -> Result<i64, StoreError> {
    let key = image.key();
    let mut statement = db.prepare_cached(
        "INSERT INTO images(key, width, height) VALUES (?1, ?2, ?3)
         ON CONFLICT(key) DO UPDATE SET width = coalesce(?2, width), height = coalesce(?3, height) RETURNING iid",
    )?;
    Ok(statement.query_row(params![key.as_str(), image.width, image.height], |row| row.get(0))?)
}

/// Hash and size of an image file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFile {
    /// SHA-256 of the bytes in lower-case hexadecimal digits.
    pub sha256: String,
    /// Width in pixels, if known.
    pub width: Option<u32>,
    /// Height in pixels, if known.
    pub height: Option<u32>,
}

/// The file that was read from `source` when it had this stamp.
pub(crate) fn stamped(db: &Connection, source: &str, stamp: &str) -> Result<Option<ImageFile>, StoreError> {
    let mut statement =
        db.prepare_cached("SELECT sha256, width, height FROM photo_stamps WHERE source = ?1 AND stamp = ?2")?;
    let found = statement.query_row([source, stamp], |row| {
        Ok(ImageFile {
            sha256: row.get(0)?,
            width: row.get(1)?,
            height: row.get(2)?,
        })
    });
    Ok(found.optional()?)
}

/// Remembers the file that was read from `source`.
pub(crate) fn stamp(db: &Connection, source: &str, stamp: &str, file: &ImageFile) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO photo_stamps(source, stamp, sha256, width, height) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![source, stamp, file.sha256, file.width, file.height])?;
    Ok(())
}
