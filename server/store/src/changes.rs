//! Changes of products.

use rusqlite::Connection;

use crate::clock::now;
use crate::db::outbox::{self, Change, Operation};
use crate::db::{images, products};
use crate::error::StoreError;
use crate::product::{Price, Product, Stock, StoredProduct};
use crate::store::Store;

/// Version that a product must have before a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expected {
    /// Any version, or none.
    #[default]
    Any,
    /// The product does not exist.
    Absent,
    /// This version.
    Version(u64),
}

/// Effect of an upsert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The product is new.
    Created,
    /// The product has new values.
    Changed,
    /// The product had these values. Its version stays.
    Unchanged,
}

/// New values of some fields. `None` keeps a value.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProductPatch {
    /// The price, or `Some(None)` to delete it.
    pub price: Option<Option<Price>>,
    /// The stock, or `Some(None)` to delete it.
    pub stock: Option<Option<Stock>>,
}

impl Store {
    /// Adds or replaces a product. Returns its version and the effect.
    ///
    /// Images with known keys keep their embeddings. A product with equal values is not changed.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for a value that cannot be stored, and [`StoreError::Conflict`] for another version.
    pub fn upsert(&self, product: &Product, expected: Expected) -> Result<(u64, Effect), StoreError> {
        self.write(|db| put(db, product, expected))
    }

    /// Changes some values of the product `id`. Never touches its images.
    ///
    /// # Errors
    /// [`StoreError::UnknownProduct`], or as [`Store::upsert`].
    pub fn patch(&self, id: &str, patch: &ProductPatch, expected: Expected) -> Result<(u64, Effect), StoreError> {
        self.write(|db| {
            let stored = products::load(db, id)?.ok_or_else(|| StoreError::UnknownProduct { id: id.to_owned() })?;
            let mut product = stored.product;
            if let Some(price) = &patch.price {
                product.price.clone_from(price);
            }
            if let Some(stock) = patch.stock {
                product.stock = stock;
            }
            put(db, &product, expected)
        })
    }

    /// Deletes the product `id`. Its images and embeddings go in the same transaction, unless another product shows them.
    ///
    /// # Errors
    /// [`StoreError::UnknownProduct`] or [`StoreError::Conflict`].
    pub fn delete(&self, id: &str, expected: Expected) -> Result<(), StoreError> {
        self.write(|db| {
            let head = products::head(db, id)?.ok_or_else(|| StoreError::UnknownProduct { id: id.to_owned() })?;
            check_version(id, Some(head.version), expected)?;
            let numbers = images::numbers(db, head.pid)?;
            products::delete(db, head.pid)?;
            images::delete_unused(db, &numbers)?;
            outbox::append(db, id, Operation::Delete, None)?;
            Ok(())
        })
    }

    /// The product `id`.
    ///
    /// # Errors
    /// Errors of the database.
    pub fn product(&self, id: &str) -> Result<Option<StoredProduct>, StoreError> {
        self.read(|db| products::load(db, id))
    }

    /// Up to `limit` products after the id `after`, sorted by id. An empty `after` begins at the first.
    ///
    /// # Errors
    /// Errors of the database.
    pub fn products(&self, after: &str, limit: usize) -> Result<Vec<StoredProduct>, StoreError> {
        self.read(|db| products::page(db, after, limit))
    }

    /// Up to `limit` changes after `sequence`, in their order.
    ///
    /// # Errors
    /// Errors of the database.
    pub fn changes(&self, sequence: u64, limit: usize) -> Result<Vec<Change>, StoreError> {
        self.read(|db| outbox::after(db, sequence, limit))
    }

    /// Sequence of the last change.
    ///
    /// # Errors
    /// Errors of the database.
    pub fn last_change(&self) -> Result<u64, StoreError> {
        self.read(outbox::last)
    }

    /// Forgets the changes up to `sequence`, which every consumer has seen. Returns their number.
    ///
    /// # Errors
    /// Errors of the database.
    pub fn trim_changes(&self, sequence: u64) -> Result<usize, StoreError> {
        self.write(|db| outbox::trim(db, sequence))
    }
}

/// Adds or replaces a product within a transaction.
pub(crate) fn put(db: &Connection, product: &Product, expected: Expected) -> Result<(u64, Effect), StoreError> {
    product.check()?;
    let head = products::head(db, &product.id)?;
    check_version(&product.id, head.as_ref().map(|head| head.version), expected)?;
    if let Some(head) = &head
        && head.content == product.content_hash()?
    {
        return Ok((head.version, Effect::Unchanged));
    }
    let version = outbox::append(db, &product.id, Operation::Upsert, None)?;
    let stored = StoredProduct {
        product: product.clone(),
        version,
        updated_at: now(),
    };
    let known = head.as_ref().map(|head| head.pid);
    let pid = products::write(db, known, &stored)?;
    if known.is_none() || images::of_product(db, pid)? != product.images {
        images::replace(db, pid, &product.images)?;
    }
    let effect = if known.is_some() {
        Effect::Changed
    } else {
        Effect::Created
    };
    Ok((version, effect))
}

fn check_version(id: &str, found: Option<u64>, expected: Expected) -> Result<(), StoreError> {
    let is_expected = match expected {
        Expected::Any => true,
        Expected::Absent => found.is_none(),
        Expected::Version(version) => found == Some(version),
    };
    if is_expected {
        return Ok(());
    }
    let words = |version: Option<u64>| version.map_or("no version".to_owned(), |version| format!("version {version}"));
    Err(StoreError::Conflict {
        id: id.to_owned(),
        expected: match expected {
            Expected::Version(version) => words(Some(version)),
            Expected::Any | Expected::Absent => words(None),
        },
        found: words(found),
    })
}
