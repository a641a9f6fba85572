//! Check of a shop's images and products before anything is embedded.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use rayon::prelude::*;

use super::shop_folder::{PRODUCTS, ShopFolder};
use super::{CatalogError, Product, image_file};
use dataset::MaxErrors;

/// Kind of failure of images.
pub(super) const UNREADABLE: &str = "images cannot be read";
/// Kind of failure of products.
pub(super) const WITHOUT_PHOTO: &str = "products have no photo in the manifest that can be read";

/// Images that a catalog would contain.
pub(super) struct ImageCheck {
    /// Number of shop photos, and of products' images that are not shop photos.
    pub(super) total: usize,
    /// Products' images that are not shop photos and cannot be read.
    pub(super) unreadable: Vec<(String, String)>,
}

impl ImageCheck {
    /// Looks for the files of all images, and decodes the ones that will not be embedded.
    ///
    /// # Errors
    /// If more images or products fail than `limit` allows.
    pub(super) fn run(root: &Path, shop: &ShopFolder, limit: MaxErrors) -> Result<Self, CatalogError> {
        let embedded: HashSet<&str> = shop.photos.iter().map(|photo| photo.image.as_str()).collect();
        let images = shop
            .products
            .iter()
            .map(|product| product.image.as_str())
            .zip(&shop.lines);
        let other: BTreeMap<&str, &u64> = images.filter(|(image, _)| !embedded.contains(image)).collect();
        let unreadable: Vec<_> = other
            .par_iter()
            .filter_map(|(image, line)| {
                let reason = image_file::read(root, image).err()?;
                Some((
                    (*image).to_owned(),
                    format!("{reason} ({PRODUCTS}, line {line}, `image`)"),
                ))
            })
            .collect();
        let total = shop.photos.len() + other.len();
        let failing = |try_one: fn(&Path, &str) -> Result<(), String>| {
            let failed = shop
                .photos
                .par_iter()
                .filter_map(|photo| Some(photo.failure(try_one(root, &photo.image).err()?)));
            failed.chain(unreadable.par_iter().cloned()).collect::<Vec<_>>()
        };
        let missing = failing(|root, image| image_file::locate(root, image).map(drop));
        if !limit.allows(missing.len(), total) {
            // The error lists all images that fail, not only the missing ones.
            let failed = failing(|root, image| image_file::read(root, image).map(drop));
            CatalogError::check_limit(limit, UNREADABLE, &failed, total)?;
        }
        let shown = shop.photos.iter().map(|photo| shop.products[photo.product].id.as_str());
        let failed = without_photo(&shop.products, &shop.lines, shown);
        CatalogError::check_limit(limit, WITHOUT_PHOTO, &failed, shop.products.len())?;
        Ok(Self { total, unreadable })
    }
}

/// Products whose id is not in `shown`. `lines` has the line of `products.jsonl` per product.
pub(super) fn without_photo<'a>(
    products: &[Product],
    lines: &[u64],
    shown: impl Iterator<Item = &'a str>,
) -> Vec<(String, String)> {
    let shown: HashSet<&str> = shown.collect();
    let failure = |(product, line): (&Product, &u64)| match line {
        0 => (product.id.clone(), "no search can find it".to_owned()),
        line => (
            product.id.clone(),
            format!("no search can find it ({PRODUCTS}, line {line})"),
        ),
    };
    products
        .iter()
        .zip(lines)
        .filter(|(product, _)| !shown.contains(product.id.as_str()))
        .map(failure)
        .collect()
}
