//! Row of a manifest, and the error that names a line.

use shared::input::CropBox;
use shared::taxonomy::Category;
use std::path::PathBuf;

/// File name of the manifest in a dataset's folder.
pub const MANIFEST: &str = "manifest.csv";
/// Domain of a shop's own photos. Every other domain counts as a user's.
pub const SHOP: &str = "shop";
/// Name of the training split.
pub const TRAIN: &str = "train";
/// Name of the validation split.
pub(super) const VAL: &str = "val";
/// Name of the test split.
pub(super) const TEST: &str = "test";

/// Row of a manifest: one image, or one box of it.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// Path of the image relative to the dataset's folder.
    pub path: String,
    /// `train`, `val`, `test` or another name. A manifest may write `validation` for `val`.
    pub split: String,
    /// Labels joined by `;`, or empty. The labels of a split are unknown if none of its rows has any.
    pub labels: String,
    /// Item shown, or empty if unknown. Images with the same item id show the same item.
    pub item_id: String,
    /// `tops`, `shoes`, `bags` or another category.
    pub category: String,
    /// `shop`, or another source of the image.
    pub domain: String,
    /// Path of the mask relative to the dataset's folder, or empty.
    pub mask: String,
    /// Name shared by near-duplicates, or empty. Folds do not separate them.
    pub dup_group: String,
    /// Box of the item in pixels of the upright image, `None` for the whole image. The manifest writes `x0 y0 x1 y1` with
    /// exclusive right and bottom edges.
    pub bounds: Option<CropBox>,
    /// True if the item and the `dup_group` may occur in several of `train`, `val` and `test`.
    pub several_splits: bool,
    /// Line in the manifest from 1, the header included. 0 if the row is not from a manifest.
    pub line: usize,
}

impl Row {
    /// Iterates over the labels.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.labels.split(';').map(str::trim).filter(|label| !label.is_empty())
    }

    /// Returns the category. Dresses count as tops, and unknown categories as [`Category::Other`].
    pub fn category(&self) -> Category {
        match self.category.as_str() {
            "dress" => Category::Tops,
            id => Category::from_id(id).unwrap_or(Category::Other),
        }
    }

    /// True if both rows have the same, non-empty `item_id`.
    pub fn is_same_item(&self, other: &Self) -> bool {
        !self.item_id.is_empty() && self.item_id == other.item_id
    }

    /// True for a shop's own photo.
    pub fn is_shop(&self) -> bool {
        self.domain == SHOP
    }
}

/// Formats a box as a manifest writes it.
pub(crate) fn box_cell(b: CropBox) -> String {
    format!("{} {} {} {}", b.x, b.y, b.x + b.width, b.y + b.height)
}

/// Fault in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {message}", path.display(), line.map(|line| format!(" line {line}")).unwrap_or_default())]
pub struct ManifestError {
    /// Path of the manifest.
    pub path: PathBuf,
    /// Line number from 1, or `None` if the fault concerns the whole file.
    pub line: Option<usize>,
    /// Description of the fault, and advice.
    pub message: String,
}

/// Line number and description of a fault.
pub(super) type LineError = (usize, String);
