//! Datasets of pairs of a shop image and a user image, made from photos that come without pairs. They have no labels.
//!
//! **Invariant:** the manifest is written last, so that a folder with a manifest is complete.

use crate::batches::Images;
use crate::decode::Mask;
use crate::files::atomic;
use crate::manifest::{Dataset, MANIFEST, Row, SHOP, TRAIN, box_cell};
use anyhow::Context;
use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};
use serde::Serialize;
use shared::input::{CropBox, saliency};
use shared::outfit::OutfitClass;
use std::path::{Path, PathBuf};

/// Quality of the JPEG files of cut-outs.
const QUALITY: u8 = 92;
/// Domain of the images that stand for users' photos.
const USER: &str = "user";
/// Least share of a photo's pixels that a piece needs for a pair. Smaller pieces have too few pixels to recognise.
const LEAST_AREA: f64 = 0.02;
/// Margin around a cut-out as a share of the longer side of its box.
const MARGIN: f64 = 0.06;
/// Margin around a piece in a user image as a share of the longer side of its box. The surroundings stay visible.
const SURROUNDINGS: f64 = 0.35;

/// Classes of an outfit that become pairs.
const PIECES: [OutfitClass; 6] = [
    OutfitClass::Top,
    OutfitClass::Outerwear,
    OutfitClass::Dress,
    OutfitClass::Bottoms,
    OutfitClass::Shoes,
    OutfitClass::Bag,
];

/// Row of the new manifest.
#[derive(Serialize)]
struct Line<'a> {
    path: String,
    split: &'a str,
    item_id: String,
    category: &'a str,
    domain: &'a str,
    dup_group: String,
    r#box: String,
}

/// Writer of a dataset of pairs.
pub struct Pairs {
    out: PathBuf,
    manifest: csv::Writer<Vec<u8>>,
    /// Number of datasets that were added. It is part of the item ids, so that the items of several datasets differ.
    datasets: usize,
}

impl Pairs {
    /// Creates a writer to the folder `out`.
    pub fn new(out: &Path) -> Self {
        Self {
            out: out.to_owned(),
            manifest: csv::Writer::from_writer(Vec::new()),
            datasets: 0,
        }
    }

    /// Adds the pieces of the photos with masks: the shop image is the piece cut out by its mask on white, the user image is
    /// the photo around the piece. `labels` are the mask ids and their names. `done` is called after each row. Returns the
    /// number of pairs.
    ///
    /// # Errors
    /// If an image or a mask cannot be read, or a cut-out cannot be written.
    pub fn add_cutouts(&mut self, images: &Images, labels: &[(u8, String)], done: &dyn Fn()) -> anyhow::Result<usize> {
        let home = self.begin(images.dataset())?;
        let mut pairs = 0;
        for (at, row) in images.dataset().rows.iter().enumerate() {
            done();
            if images.dataset().left_out.contains(&at) {
                continue;
            }
            let Some(mask) = images.mask(at)? else { continue };
            let photo = images.get(at)?.to_rgb();
            for class in PIECES {
                let ids = ids_of(labels, class);
                let Some(bounds) = bounds_of(&mask, &ids) else { continue };
                let cutout = self.write_cutout(row, at, class, &cut_out(&photo, &mask, &ids, bounds))?;
                let category = class.category().map_or("", |category| category.id());
                let item = format!("{}-{at}-{}", self.datasets, class.id());
                self.line(row, cutout, SHOP, &item, category, None)?;
                let around = widened(bounds, SURROUNDINGS, photo.dimensions());
                self.line(row, absolute(&home, &row.path), USER, &item, category, Some(around))?;
                pairs += 1;
            }
        }
        Ok(pairs)
    }

    /// Adds each training photo as an item of its own: the shop image is its salient part, the user image is the whole photo.
    /// The augmentation of the training makes the two differ further. `done` is called after each row. Returns the number of
    /// pairs.
    ///
    /// # Errors
    /// If an image cannot be read.
    pub fn add_instances(&mut self, images: &Images, done: &dyn Fn()) -> anyhow::Result<usize> {
        let dataset = images.dataset();
        let home = self.begin(dataset)?;
        let mut pairs = 0;
        for (at, row) in dataset.rows.iter().enumerate() {
            done();
            if row.split != TRAIN || row.bounds.is_some() || dataset.left_out.contains(&at) {
                continue;
            }
            let photo = images.get(at)?;
            let salient = saliency::propose(photo.pixels()?).unwrap_or_else(|| middle(photo.width(), photo.height()));
            let item = format!("{}-{at}", self.datasets);
            for (domain, bounds) in [(SHOP, Some(salient)), (USER, None)] {
                self.line(row, absolute(&home, &row.path), domain, &item, &row.category, bounds)?;
            }
            pairs += 1;
        }
        Ok(pairs)
    }

    /// Adds the rows of a dataset that has pairs already. Returns the number of images.
    ///
    /// # Errors
    /// If the folder of the dataset cannot be found.
    pub fn add_rows(&mut self, dataset: &Dataset) -> anyhow::Result<usize> {
        let home = self.begin(dataset)?;
        let mut images = 0;
        for (at, row) in dataset.rows.iter().enumerate() {
            if dataset.left_out.contains(&at) {
                continue;
            }
            let item = format!("{}-{}", self.datasets, row.item_id);
            self.line(
                row,
                absolute(&home, &row.path),
                &row.domain,
                &item,
                &row.category,
                row.bounds,
            )?;
            images += 1;
        }
        Ok(images)
    }

    /// Writes the manifest.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(self) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.out).with_context(|| format!("cannot create {}", self.out.display()))?;
        atomic::write(&self.out.join(MANIFEST), &self.manifest.into_inner()?)
    }

    /// Counts a dataset, and returns its absolute folder.
    fn begin(&mut self, dataset: &Dataset) -> anyhow::Result<PathBuf> {
        self.datasets += 1;
        dataset.absolute_dir()
    }

    fn line(
        &mut self,
        row: &Row,
        path: String,
        domain: &str,
        item: &str,
        category: &str,
        bounds: Option<CropBox>,
    ) -> anyhow::Result<()> {
        let group = if row.dup_group.is_empty() {
            String::new()
        } else {
            format!("{}-{}", self.datasets, row.dup_group)
        };
        self.manifest.serialize(Line {
            path,
            split: &row.split,
            item_id: item.to_owned(),
            category,
            domain,
            dup_group: group,
            r#box: bounds.map(box_cell).unwrap_or_default(),
        })?;
        Ok(())
    }

    /// Writes a cut-out, and returns its path within the new dataset.
    fn write_cutout(&self, row: &Row, at: usize, class: OutfitClass, image: &RgbImage) -> anyhow::Result<String> {
        let path = format!("cutouts/{}-{at:06}-{}.jpg", self.datasets, class.id());
        let file = self.out.join(&path);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, QUALITY)
            .encode_image(image)
            .with_context(|| format!("cannot encode the {} of {}", class.id(), row.path))?;
        std::fs::write(&file, bytes).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(path)
    }
}

fn absolute(home: &Path, path: &str) -> String {
    home.join(path).display().to_string()
}

/// Returns true for the ids of a mask whose label belongs to the class.
fn ids_of(labels: &[(u8, String)], class: OutfitClass) -> [bool; 256] {
    let mut ids = [false; 256];
    for (id, name) in labels {
        ids[usize::from(*id)] = OutfitClass::of_label(name) == class;
    }
    ids
}

/// Returns the box around the pixels with one of the ids, or `None` if they are less than [`LEAST_AREA`] of the mask.
fn bounds_of(mask: &Mask, ids: &[bool; 256]) -> Option<CropBox> {
    let width = mask.width() as usize;
    let (mut pixels, mut left, mut top, mut right, mut bottom) = (0usize, usize::MAX, usize::MAX, 0, 0);
    for (at, id) in mask.ids().iter().enumerate() {
        if ids[usize::from(*id)] {
            let (x, y) = (at % width, at / width);
            pixels += 1;
            (left, top) = (left.min(x), top.min(y));
            (right, bottom) = (right.max(x + 1), bottom.max(y + 1));
        }
    }
    (pixels as f64 >= LEAST_AREA * mask.ids().len() as f64).then(|| CropBox {
        x: left as _,
        y: top as _,
        width: (right - left) as _,
        height: (bottom - top) as _,
    })
}

/// Returns the box of an image without its outer twelfths.
fn middle(width: u32, height: u32) -> CropBox {
    let (x, y) = (width / 12, height / 12);
    CropBox {
        x,
        y,
        width: width - 2 * x,
        height: height - 2 * y,
    }
}

/// Returns the box with a margin of a share of its longer side, within an image of this size.
fn widened(bounds: CropBox, share: f64, (width, height): (u32, u32)) -> CropBox {
    let margin = (f64::from(bounds.width.max(bounds.height)) * share).round() as u32;
    let (x, y) = (bounds.x.saturating_sub(margin), bounds.y.saturating_sub(margin));
    CropBox {
        x,
        y,
        width: (bounds.x + bounds.width + margin).min(width) - x,
        height: (bounds.y + bounds.height + margin).min(height) - y,
    }
}

/// Returns the pixels of the piece on white, with a margin.
fn cut_out(photo: &RgbImage, mask: &Mask, ids: &[bool; 256], bounds: CropBox) -> RgbImage {
    let margin = (f64::from(bounds.width.max(bounds.height)) * MARGIN).round() as u32;
    let white = Rgb([255; 3]);
    RgbImage::from_fn(bounds.width + 2 * margin, bounds.height + 2 * margin, |x, y| {
        let inside = x >= margin && y >= margin && x < bounds.width + margin && y < bounds.height + margin;
        if !inside {
            return white;
        }
        let (x, y) = (x - margin + bounds.x, y - margin + bounds.y);
        let id = mask.ids()[y as usize * mask.width() as usize + x as usize];
        if ids[usize::from(id)] {
            *photo.get_pixel(x, y)
        } else {
            white
        }
    })
}
