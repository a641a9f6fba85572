//! Statements of the table `products`.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::images;
use crate::error::StoreError;
use crate::product::{Availability, Price, Product, Stock, StoredProduct};

/// Columns of a product in the order that [`of_row`] reads.
const COLUMNS: &str = "pid, id, names, category, amount, currency, brand, url, attributes, availability, quantity, \
                       variants, version, updated_at";

/// Number, version and content hash of a product, which are compared before a change.
pub(crate) struct Head {
    pub(crate) pid: i64,
    pub(crate) version: u64,
    /// SHA-256 of the content.
    pub(crate) content: Vec<u8>,
}

/// Reads the head of the product `id`.
pub(crate) fn head(db: &Connection, id: &str) -> Result<Option<Head>, StoreError> {
    let mut statement = db.prepare_cached("SELECT pid, version, content FROM products WHERE id = ?1")?;
    let read = |row: &Row<'_>| {
        Ok(Head {
            pid: row.get(0)?,
            version: row.get(1)?,
            content: row.get(2)?,
        })
    };
    Ok(statement.query_row([id], read).optional()?)
}

/// Reads the product `id`.
pub(crate) fn load(db: &Connection, id: &str) -> Result<Option<StoredProduct>, StoreError> {
    let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS} FROM products WHERE id = ?1"))?;
    let found = statement.query_row([id], |row| Ok(of_row(row))).optional()?;
    found
        .transpose()?
        .map(|(pid, product)| with_images(db, pid, product))
        .transpose()
}

/// Reads up to `limit` products whose id is greater than `after`, sorted by id.
pub(crate) fn page(db: &Connection, after: &str, limit: usize) -> Result<Vec<StoredProduct>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM products WHERE id > ?1 ORDER BY id LIMIT ?2");
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map(params![after, limit], |row| Ok(of_row(row)))?;
    let products: Vec<_> = rows.collect::<Result<_, _>>()?;
    products
        .into_iter()
        .map(|product| product.and_then(|(pid, product)| with_images(db, pid, product)))
        .collect()
}

/// Ids of all products, sorted.
pub(crate) fn ids(db: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement = db.prepare_cached("SELECT id FROM products ORDER BY id")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Writes a product: inserts it, or replaces the values of `pid`. Returns its number. Images are written apart.
pub(crate) fn write(db: &Connection, pid: Option<i64>, stored: &StoredProduct) -> Result<i64, StoreError> {
    let StoredProduct {
        product,
        version,
        updated_at,
    } = stored;
    let sql = match pid {
        None => {
            "INSERT INTO products(names, category, amount, currency, brand, url, attributes, availability, quantity, \
             variants, version, content, updated_at, id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, \
             ?13, ?14)"
        }
        Some(_) => {
            "UPDATE products SET names = ?1, category = ?2, amount = ?3, currency = ?4, brand = ?5, url = ?6, \
             attributes = ?7, availability = ?8, quantity = ?9, variants = ?10, version = ?11, content = ?12, \
             updated_at = ?13 WHERE id = ?14"
        }
    };
    db.prepare_cached(sql)?.execute(params![
        json("names", &product.names)?,
        product.category,
        product.price.as_ref().map(|price| price.amount),
        product.price.as_ref().map(|price| &price.currency),
        product.brand,
        product.url,
        json("attributes", &product.attributes)?,
        product.stock.map(|stock| stock.availability.name()),
        product.stock.and_then(|stock| stock.quantity),
        product.group,
        version,
        product.content_hash()?,
        updated_at,
        product.id,
    ])?;
    Ok(pid.unwrap_or_else(|| db.last_insert_rowid()))
}

/// Deletes a product. Its image list goes with it.
pub(crate) fn delete(db: &Connection, pid: i64) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM products WHERE pid = ?1")?
        .execute([pid])?;
    Ok(())
}

fn with_images(db: &Connection, pid: i64, mut stored: StoredProduct) -> Result<StoredProduct, StoreError> {
    stored.product.images = images::of_product(db, pid)?;
    Ok(stored)
}

/// Reads [`COLUMNS`].
fn of_row(row: &Row<'_>) -> Result<(i64, StoredProduct), StoreError> {
    let (amount, currency): (Option<u64>, Option<String>) = (row.get(4)?, row.get(5)?);
    let availability: Option<String> = row.get(9)?;
    let quantity: Option<u64> = row.get(10)?;
    let stock = availability
        .map(|name| {
            let availability = Availability::parse(&name).ok_or_else(|| StoreError::column("availability", &name))?;
            Ok::<_, StoreError>(Stock { availability, quantity })
        })
        .transpose()?;
    let product = Product {
        id: row.get(1)?,
        names: parse("names", row.get(2)?)?,
        category: row.get(3)?,
        price: amount
            .zip(currency)
            .map(|(amount, currency)| Price { amount, currency }),
        brand: row.get(6)?,
        url: row.get(7)?,
        attributes: parse("attributes", row.get(8)?)?,
        stock,
        group: row.get(11)?,
        images: Vec::new(),
    };
    let stored = StoredProduct {
        product,
        version: row.get(12)?,
        updated_at: row.get(13)?,
    };
    Ok((row.get(0)?, stored))
}

/// Converts a value to the JSON text of a column.
pub(crate) fn json<T: Serialize>(name: &str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::invalid(name, error.to_string()))
}

/// Parses the JSON text of a column.
pub(crate) fn parse<T: DeserializeOwned>(name: &str, text: String) -> Result<T, StoreError> {
    serde_json::from_str(&text).map_err(|error| StoreError::column(name, error))
}
