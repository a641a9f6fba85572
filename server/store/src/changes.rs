//! Changes of products.

use std::collections::HashSet;

use rusqlite::Connection;

use crate::clock::now;
use crate::db::outbox::{self, Change, Operation};
use crate::db::{images, products};
use crate::error::StoreError;
use crate::image::{ImageKey, ProductImage};
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

/// Numbers of products that a new catalog changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replaced {
    /// Products that are new.
    pub created: u64,
    /// Products that have new values.
    pub changed: u64,
    /// Products that had these values.
    pub unchanged: u64,
    /// Products that are gone.
    pub deleted: u64,
}

/// Name of an image of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageName {
    /// Its number in the store.
    Number(u64),
    /// The text form of its key.
    Key(String),
}

/// A product that a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The product.
    pub stored: StoredProduct,
    /// Key of the image that was found.
    pub image: Option<ImageKey>,
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
        self.write(|db| remove(db, id, expected))
    }

    /// Makes `products` the whole catalog: adds, changes and deletes products in one transaction.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for a value that cannot be stored. Then nothing is changed.
    pub fn replace_all(&self, products: &[Product]) -> Result<Replaced, StoreError> {
        self.write(|db| {
            let kept: HashSet<&str> = products.iter().map(|product| product.id.as_str()).collect();
            let mut replaced = Replaced::default();
            for id in products::ids(db)?.iter().filter(|id| !kept.contains(id.as_str())) {
                remove(db, id, Expected::Any)?;
                replaced.deleted += 1;
            }
            for product in products {
                match put(db, product, Expected::Any)?.1 {
                    Effect::Created => replaced.created += 1,
                    Effect::Changed => replaced.changed += 1,
                    Effect::Unchanged => replaced.unchanged += 1,
                }
            }
            Ok(replaced)
        })
    }

    /// The products with these ids, each with the key of the image that is named beside it. `None` for a product that does not
    /// exist. The key is `None` if the product no longer has the image.
    ///
    /// # Errors
    /// Errors of the database.
    pub fn find(&self, wanted: &[(&str, &ImageName)]) -> Result<Vec<Option<Found>>, StoreError> {
        self.read(|db| {
            let find = |(id, image): &(&str, &ImageName)| {
                let Some(stored) = products::load(db, id)? else {
                    return Ok(None);
                };
                let image = match image {
                    ImageName::Number(number) => images::key(db, id, *number)?,
                    ImageName::Key(key) => stored
                        .product
                        .images
                        .iter()
                        .map(ProductImage::key)
                        .find(|known| known.as_str() == key),
                };
                Ok(Some(Found { stored, image }))
            };
            wanted.iter().map(find).collect()
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

/// Deletes a product within a transaction.
fn remove(db: &Connection, id: &str, expected: Expected) -> Result<(), StoreError> {
    let head = products::head(db, id)?.ok_or_else(|| StoreError::UnknownProduct { id: id.to_owned() })?;
    check_version(id, Some(head.version), expected)?;
    let numbers = images::numbers(db, head.pid)?;
    products::delete(db, head.pid)?;
    images::delete_unused(db, &numbers)?;
    outbox::append(db, id, Operation::Delete, None)?;
    Ok(())
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
