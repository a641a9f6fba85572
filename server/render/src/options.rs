//! Options, summary and errors of rendering.

use std::path::PathBuf;

use super::styles::StyleMix;

/// Options of a rendered shop.
#[derive(Clone, Debug)]
pub struct RenderOptions {
    /// Number of products, at least 1.
    pub items: usize,
    /// Seed of all random choices.
    pub seed: u64,
    /// Side of every square photo in pixels, 32 to 2048.
    pub size: u32,
    /// Number of shop photos per product, at least 1.
    pub shop_photos: usize,
    /// Number of user photos per product; 2 is usual.
    pub user_photos: usize,
    /// Sampling of the style label sets.
    pub style_mix: StyleMix,
    /// Folder to create. It must be missing or empty.
    pub out: PathBuf,
}

/// Summary of a rendered shop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderSummary {
    /// Number of products.
    pub items: usize,
    /// Number of shop and user photos.
    pub images: usize,
    /// Folder with `manifest.csv` and `products.jsonl`.
    pub out: PathBuf,
}

/// Reason why nothing was rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The target folder is not empty.
    #[error("{} is not empty; give a new folder, or remove this one first", path.display())]
    NotEmpty {
        /// Target folder.
        path: PathBuf,
    },
    /// The side of photos is out of range.
    #[error("a photo side of {size} pixels is out of range; choose 32 to 2048")]
    BadSize {
        /// Requested side in pixels.
        size: u32,
    },
    /// The number of items is 0.
    #[error("a shop needs at least one item; ask for 1 or more")]
    NoItems,
    /// The number of shop photos is 0.
    #[error("a product needs at least one shop photo; ask for 1 or more")]
    NoShopPhotos,
    /// A file or folder could not be read or written.
    #[error("cannot write {}: {source}; check that the disk has space and that the folder is writable", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// Cause of the error.
        source: std::io::Error,
    },
    /// An image could not be encoded.
    #[error("cannot encode the image {}: {source}", path.display())]
    Image {
        /// Path of the image.
        path: PathBuf,
        /// Cause of the error.
        source: image::ImageError,
    },
    /// The manifest could not be written.
    #[error("cannot write {}: {source}; check that the disk has space", path.display())]
    Table {
        /// Path of the manifest.
        path: PathBuf,
        /// Cause of the error.
        source: csv::Error,
    },
}
