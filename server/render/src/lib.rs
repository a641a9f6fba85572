//! Renders a demo shop: garments drawn procedurally, with shop photos, customers' photos and exact masks.
//!
//! An item is first a specification (`spec`, drawn from its style labels as `styles` documents), then panels of cloth
//! on a figure (`body`, `garment`), shaded as a height field under one lamp (`canvas`, `folds`, `cloth`), then a photo
//! (`scene`, `camera`, `photo`). Each item's set of labels is drawn from a table of real frequencies, so a small shop
//! holds few or none of the rare styles.
//!
//! **Invariant:** the same options give the same bytes on every machine and with any number of threads. Everything is
//! seeded per item, arithmetic is plain IEEE single precision, and transcendental functions come from `libm`.

mod attributes;
mod blur;
mod body;
mod camera;
mod canvas;
mod cloth;
mod dataset;
mod folds;
mod garment;
mod names;
mod noise;
mod outline;
mod palette;
mod pattern;
mod person;
mod photo;
mod priors;
mod random;
mod scene;
mod sheet;
mod signature;
mod spec;
mod styles;
mod surroundings;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use image::RgbImage;

pub use styles::StyleMix;

/// Options of a rendered shop.
#[derive(Clone, Debug)]
pub struct RenderOptions {
    /// Number of products, at least 1.
    pub items: usize,
    /// Everything follows from this.
    pub seed: u64,
    /// Side of every (square) photo in pixels, 32 to 2048.
    pub size: u32,
    /// Customers' photos a product; 2 is usual.
    pub user_photos: usize,
    /// Sampling of the style label sets.
    pub style_mix: StyleMix,
    /// The folder to make. It must not exist, or be empty.
    pub out: PathBuf,
}

/// Summary of a rendered shop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderSummary {
    /// Products.
    pub items: usize,
    /// Photos, the shop's and the customers' together.
    pub images: usize,
    /// The folder with `manifest.csv` and `products.jsonl`.
    pub out: PathBuf,
}

/// Why nothing was rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The target holds something.
    #[error("{} is not empty; give a new folder, or remove this one first", path.display())]
    NotEmpty {
        /// The target.
        path: PathBuf,
    },
    /// A side that is too small to show anything or too large to be meant.
    #[error("a photo side of {size} pixels is out of range; choose 32 to 2048")]
    BadSize {
        /// The side asked for.
        size: u32,
    },
    /// An empty shop.
    #[error("a shop needs at least one item; ask for 1 or more")]
    NoItems,
    /// A file or folder could not be read or written.
    #[error("cannot write {}: {source}; check that the disk has room and the folder may be written", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// An image could not be encoded.
    #[error("cannot process image {}: {source}", path.display())]
    Image {
        /// The image.
        path: PathBuf,
        /// The cause.
        source: image::ImageError,
    },
    /// The manifest could not be written.
    #[error("cannot write {}: {source}; check that the disk has room", path.display())]
    Table {
        /// The table.
        path: PathBuf,
        /// The cause.
        source: csv::Error,
    },
}

/// Renders a shop into `options.out`: `shop/`, `user/`, `mask/`, `manifest.csv` and `products.jsonl`.
///
/// Masks are 8-bit: 0 background, 1 garment, 2 person (skin, hair and their other clothes). Items are rendered in
/// parallel; `progress` is called with 1 after each. The folder appears complete or not at all: work happens in a
/// hidden folder beside it that is renamed at the end.
///
/// # Errors
/// [`RenderError`] when the options are out of range, the target is not empty, or a file cannot be written.
pub fn render_dataset(
    options: &RenderOptions,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<RenderSummary, RenderError> {
    dataset::render(options, progress)
}

/// Lays pictures out on one white page, `columns` across, each fitted into a square of `cell` pixels, 8 at least.
pub fn lay_out(pictures: &[RgbImage], columns: usize, cell: u32) -> RgbImage {
    sheet::lay_out(pictures, columns, cell)
}

/// A picture whose longer side has `cell` pixels, as [`lay_out`] shows it.
pub fn fitted(picture: &RgbImage, cell: u32) -> RgbImage {
    sheet::fitted(picture, cell.max(8))
}
