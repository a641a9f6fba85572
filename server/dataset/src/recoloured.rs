//! Datasets of recoloured images.
//!
//! **Invariant:** the manifest is written last, so that a folder with a manifest is complete.

use crate::batches::Images;
use crate::decode::format_of;
use crate::files::atomic;
use crate::manifest::{Dataset, MANIFEST, Row, TRAIN, box_cell};
use crate::recolour::{Coverage, Extent, recolour};
use anyhow::Context;
use image::codecs::jpeg::JpegEncoder;
use image::{GrayImage, ImageFormat, RgbImage};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// Quality of the JPEG files, high enough that compression does not tell copies from originals.
const QUALITY: u8 = 95;

/// Options of recoloured copies.
#[derive(Debug, Clone, Copy)]
pub struct CopyOptions {
    /// Number of copies per image.
    pub copies: usize,
    /// Random seed of the colours.
    pub seed: u64,
    /// Pixels that are recoloured.
    pub extent: Extent,
}

/// Row of the new manifest.
#[derive(Serialize)]
struct Line<'a> {
    path: String,
    split: &'a str,
    labels: &'a str,
    item_id: &'a str,
    category: &'a str,
    domain: &'a str,
    mask: String,
    dup_group: &'a str,
    r#box: String,
    several_splits: &'a str,
}

impl<'a> Line<'a> {
    /// Creates the line for a copy of `row`, without a box. The path replaces a missing item id.
    fn new(row: &'a Row, path: String, mask: String) -> Self {
        Self {
            path,
            split: &row.split,
            labels: &row.labels,
            item_id: if row.item_id.is_empty() {
                &row.path
            } else {
                &row.item_id
            },
            category: &row.category,
            domain: &row.domain,
            mask,
            dup_group: &row.dup_group,
            r#box: String::new(),
            several_splits: if row.several_splits { "yes" } else { "" },
        }
    }
}

/// True if a row is in 'train' and has one of the labels. All rows of 'train' match if `labels` is empty.
pub fn is_candidate(row: &Row, labels: &[String]) -> bool {
    row.split == TRAIN && (labels.is_empty() || row.labels().any(|label| labels.iter().any(|other| other == label)))
}

/// Returns at most `limit` training rows with one of the labels, spread evenly.
///
/// # Errors
/// If a label does not occur in the dataset, or there is no such row.
pub fn candidates(dataset: &Dataset, labels: &[String], limit: Option<usize>) -> anyhow::Result<Vec<usize>> {
    let known = dataset.vocabulary();
    if let Some(label) = labels.iter().find(|label| !known.contains(label)) {
        anyhow::bail!(
            "no photo of {} has the label '{label}'; the labels are {}",
            dataset.dir.display(),
            known.join(", ")
        );
    }
    let rows = dataset.split(TRAIN, |row| is_candidate(row, labels), " with one of these labels")?;
    let limit = limit.unwrap_or(rows.len()).clamp(1, rows.len());
    Ok((0..limit).map(|at| rows[at * rows.len() / limit]).collect())
}

/// Writer of a dataset of recoloured images.
pub struct RecolouredDataset<'a> {
    images: &'a Images,
    out: PathBuf,
    options: CopyOptions,
    manifest: csv::Writer<Vec<u8>>,
}

impl<'a> RecolouredDataset<'a> {
    /// Creates a writer of copies of `images` in the folder `out`.
    pub fn new(images: &'a Images, out: &Path, options: CopyOptions) -> Self {
        Self {
            images,
            out: out.to_owned(),
            options,
            manifest: csv::Writer::from_writer(Vec::new()),
        }
    }

    /// Writes recoloured copies of a row's image, and their common mask. Returns the copies. There are none if the image
    /// shows too little of a garment.
    ///
    /// # Errors
    /// If a file cannot be read or written.
    pub fn add(&mut self, row: usize, photo: &RgbImage, garment: &Coverage) -> anyhow::Result<Vec<RgbImage>> {
        let copies = self.recolour(row, photo, garment);
        if copies.is_empty() {
            return Ok(copies);
        }
        let mask = self.write_mask(row)?;
        for (copy, image) in copies.iter().enumerate() {
            let path = self.write_image(row, copy, image)?;
            let line = Line::new(&self.images.dataset().rows[row], path, mask.clone());
            self.manifest.serialize(line)?;
        }
        Ok(copies)
    }

    /// Adds all readable images of the source dataset to the manifest, by their absolute paths.
    ///
    /// # Errors
    /// If the source folder cannot be found.
    pub fn add_originals(&mut self) -> anyhow::Result<()> {
        let dataset = self.images.dataset();
        let home = dataset.absolute_dir()?;
        let absolute = |path: &str| {
            if path.is_empty() {
                String::new()
            } else {
                home.join(path).display().to_string()
            }
        };
        for (at, row) in dataset.rows.iter().enumerate() {
            if dataset.left_out.contains(&at) {
                continue;
            }
            let r#box = row.bounds.map(box_cell).unwrap_or_default();
            self.manifest.serialize(Line {
                r#box,
                ..Line::new(row, absolute(&row.path), absolute(&row.mask))
            })?;
        }
        Ok(())
    }

    /// Writes the manifest.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(self) -> anyhow::Result<()> {
        atomic::write(&self.out.join(MANIFEST), &self.manifest.into_inner()?)
    }

    fn recolour(&self, row: usize, photo: &RgbImage, garment: &Coverage) -> Vec<RgbImage> {
        let copy = |copy: usize| {
            let mut rng = ChaCha8Rng::seed_from_u64(self.options.seed);
            // One stream per copy, so that labels and limits do not change the colours of the other copies.
            rng.set_stream(((row as u64) << 16) | copy as u64);
            let mut image = photo.clone();
            recolour(&mut image, garment, self.options.extent, &mut rng).then_some(image)
        };
        (0..self.options.copies).filter_map(copy).collect()
    }

    /// Writes a copy in the format of its source: PNG or JPEG.
    fn write_image(&self, row: usize, copy: usize, image: &RgbImage) -> anyhow::Result<String> {
        let dataset = self.images.dataset();
        let is_png = format_of(&dataset.dir.join(&dataset.rows[row].path)) == Some(ImageFormat::Png);
        let path = format!("images/{row:06}_{copy}.{}", if is_png { "png" } else { "jpg" });
        let mut bytes = Cursor::new(Vec::new());
        if is_png {
            image.write_to(&mut bytes, ImageFormat::Png)?;
        } else {
            JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(image)?;
        }
        self.write(path, &bytes.into_inner())
    }

    /// Writes the mask that all copies of a row share. Returns an empty path if the row has no mask.
    fn write_mask(&self, row: usize) -> anyhow::Result<String> {
        let Some(mask) = self.images.mask(row)? else {
            return Ok(String::new());
        };
        let map = GrayImage::from_raw(mask.width(), mask.height(), mask.ids().to_vec())
            .context("a mask has one id per pixel")?;
        let mut bytes = Cursor::new(Vec::new());
        map.write_to(&mut bytes, ImageFormat::Png)?;
        self.write(format!("masks/{row:06}.png"), &bytes.into_inner())
    }

    fn write(&self, path: String, bytes: &[u8]) -> anyhow::Result<String> {
        let file = self.out.join(&path);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        std::fs::write(&file, bytes).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(path)
    }
}
