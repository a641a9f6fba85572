//! Rows of the collections of products.

use std::collections::BTreeMap;

use engine::{ImageVector, ProductVectors, Stamp};

/// A row of a collection of products: one vector.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Row {
    pub(crate) key: String,
    pub(crate) product: String,
    pub(crate) image: String,
    pub(crate) category: String,
    pub(crate) brand: String,
    pub(crate) currency: String,
    pub(crate) availability: String,
    pub(crate) version: i64,
    pub(crate) stamp: i64,
    pub(crate) position: i64,
    pub(crate) amount: i64,
    pub(crate) vector: Vec<f32>,
}

/// Key of the row of a product's vector. The last `#` separates the two parts.
pub(crate) fn key(id: &str, position: usize) -> String {
    format!("{id}#{position}")
}

/// The rows of a product.
pub(crate) fn rows(product: &ProductVectors) -> Vec<Row> {
    let (stamp, facets) = (product.stamp(), &product.facets);
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let image = |(position, image): (usize, &ImageVector)| Row {
        key: key(&product.id, position),
        product: product.id.clone(),
        image: image.key.clone(),
        category: text(&facets.category),
        brand: text(&facets.brand),
        currency: facets
            .price
            .as_ref()
            .map(|price| price.currency.clone())
            .unwrap_or_default(),
        availability: facets
            .availability
            .map(|state| state.name().to_owned())
            .unwrap_or_default(),
        version: product.version.cast_signed(),
        stamp: stamp.hash.cast_signed(),
        position: i64::try_from(position).unwrap_or(i64::MAX),
        amount: facets
            .price
            .as_ref()
            .map_or(-1, |price| i64::try_from(price.amount).unwrap_or(i64::MAX)),
        vector: image.vector.clone(),
    };
    product.images.iter().enumerate().map(image).collect()
}

/// Rows that are collected to stamps.
#[derive(Debug, Default)]
pub(crate) struct Stamps {
    /// Stamp and key of each row by product. A key counts once.
    rows: BTreeMap<String, BTreeMap<String, i64>>,
}

impl Stamps {
    /// Adds rows.
    pub(crate) fn add(&mut self, rows: &[Row]) {
        for row in rows {
            let product = self.rows.entry(row.product.clone()).or_default();
            product.insert(row.key.clone(), row.stamp);
        }
    }

    /// The stamps. A product whose rows are of several states has a hash that is none of theirs.
    pub(crate) fn finish(self) -> Vec<Stamp> {
        let stamp = |(id, rows): (String, BTreeMap<String, i64>)| {
            let mut hashes: Vec<u64> = rows.values().map(|stamp| stamp.cast_unsigned()).collect();
            hashes.sort_unstable();
            hashes.dedup();
            Stamp {
                hash: hashes.iter().fold(0, |sum: u64, hash| sum.wrapping_add(*hash)),
                rows: rows.len(),
                id,
            }
        };
        self.rows.into_iter().map(stamp).collect()
    }
}
