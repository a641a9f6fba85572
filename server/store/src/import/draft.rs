//! Drafts: products as rows describe them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::options::Mode;
use super::report::Fault;
use crate::error::StoreError;
use crate::image::{Crop, ProductImage};
use crate::product::{Attribute, Price, Product, Stock};

/// An image of a draft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DraftImage {
    pub(crate) source: String,
    /// The hash that the row gives, and later the one of the file.
    #[serde(default)]
    pub(crate) sha256: Option<String>,
    #[serde(default)]
    pub(crate) crop: Option<Crop>,
    #[serde(default)]
    pub(crate) width: Option<u32>,
    #[serde(default)]
    pub(crate) height: Option<u32>,
}

impl DraftImage {
    /// An image of which only the source is known.
    pub(crate) fn new(source: impl Into<String>) -> Self {
        Self {
            source: source.into(),
            sha256: None,
            crop: None,
            width: None,
            height: None,
        }
    }
}

/// Values that a row gives. `None` and empty names are values that it does not give.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Draft {
    pub(crate) id: String,
    pub(crate) names: BTreeMap<String, String>,
    pub(crate) category: Option<String>,
    pub(crate) price: Option<Price>,
    pub(crate) brand: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) attributes: Option<BTreeMap<String, Attribute>>,
    pub(crate) stock: Option<Stock>,
    pub(crate) group: Option<String>,
    pub(crate) images: Option<Vec<DraftImage>>,
}

/// A row of a file.
pub(crate) struct Record {
    /// Line, counted from 1, in which it begins.
    pub(crate) line: u64,
    pub(crate) draft: Result<Draft, Fault>,
}

/// Rows of a file, one after another.
pub(crate) trait Records {
    /// The next row. `None` at the end of the file.
    ///
    /// # Errors
    /// If the rest of the file cannot be used.
    fn next(&mut self) -> Result<Option<Record>, StoreError>;

    /// Moves the columns and keys that were not used into `ignored`.
    fn ignored(&mut self, ignored: &mut std::collections::BTreeSet<String>);
}

impl Draft {
    /// The product. `before` is the product in the catalog.
    ///
    /// An image without a hash is the one of the catalog with the same source. If there is none, it is left out.
    pub(crate) fn product(self, before: Option<&Product>, mode: Mode) -> Product {
        let empty = Product::default();
        let kept = match mode {
            Mode::Replace => &empty,
            Mode::Merge => before.unwrap_or(&empty),
        };
        let mut names = kept.names.clone();
        names.extend(self.names);
        let mut attributes = kept.attributes.clone();
        attributes.extend(self.attributes.unwrap_or_default());
        let known = before.map_or(&[][..], |before| before.images.as_slice());
        let images = match self.images {
            None => kept.images.clone(),
            Some(images) => images.into_iter().filter_map(|image| resolve(image, known)).collect(),
        };
        Product {
            id: self.id,
            names,
            category: self.category.or_else(|| kept.category.clone()),
            price: self.price.or_else(|| kept.price.clone()),
            brand: self.brand.or_else(|| kept.brand.clone()),
            url: self.url.or_else(|| kept.url.clone()),
            attributes,
            stock: self.stock.or(kept.stock),
            group: self.group.or_else(|| kept.group.clone()),
            images,
        }
    }

    /// True if the product depends on the one in the catalog.
    pub(crate) fn needs_before(&self, mode: Mode) -> bool {
        let has_unresolved = |images: &Vec<DraftImage>| images.iter().any(|image| image.sha256.is_none());
        mode == Mode::Merge || self.images.as_ref().is_some_and(has_unresolved)
    }
}

fn resolve(image: DraftImage, known: &[ProductImage]) -> Option<ProductImage> {
    let DraftImage {
        source,
        sha256,
        crop,
        width,
        height,
    } = image;
    match sha256 {
        Some(sha256) => Some(ProductImage {
            source,
            sha256,
            crop,
            width,
            height,
        }),
        None => known
            .iter()
            .find(|known| known.source == source && known.crop == crop)
            .cloned(),
    }
}
