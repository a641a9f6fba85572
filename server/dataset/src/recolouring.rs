//! Recolouring as an augmentation: which rows, how often, and where their garments are.

use super::images::Images;
use super::photo::Photo;
use super::recolour::{Coverage, Extent, recolour};
use image::DynamicImage;
use rand::Rng;
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Where the garments of a dataset's rows are.
#[derive(Debug, Clone)]
pub struct Garments {
    /// Which ids of the rows' own masks are garments.
    pub ids: Box<[bool; 256]>,
    /// Rows whose garments a network has found.
    pub found: HashMap<usize, Coverage>,
}

impl Garments {
    /// Of masks in which 0 is the background, `person` skin, hair and the like, and every other id a garment.
    pub fn but(person: &[u8]) -> Box<[bool; 256]> {
        let mut ids = Box::new([true; 256]);
        for other in person.iter().chain(&[0, u8::MAX]) {
            ids[usize::from(*other)] = false;
        }
        ids
    }

    /// Of a row: by the network, or else by its own mask; `None` if it has neither.
    ///
    /// # Errors
    /// If the mask cannot be read.
    pub fn of(&self, images: &Images, row: usize) -> anyhow::Result<Option<Cow<'_, Coverage>>> {
        if let Some(found) = self.found.get(&row) {
            return Ok(Some(Cow::Borrowed(found)));
        }
        Ok(images
            .mask(row)?
            .map(|mask| Cow::Owned(Coverage::of_mask(&mask, &self.ids))))
    }
}

/// Gives the garments of some rows other colours.
#[derive(Debug, Clone)]
pub struct Recolouring {
    /// The rows.
    pub rows: BTreeSet<usize>,
    /// How often one of them is recoloured, 0–1.
    pub probability: f64,
    /// What of the picture changes.
    pub extent: Extent,
    /// Where their garments are.
    pub garments: Garments,
}

impl Recolouring {
    /// The picture of a row, recoloured or as it was.
    ///
    /// # Errors
    /// If its mask cannot be read.
    pub(super) fn apply(&self, images: &Images, row: usize, rng: &mut impl Rng) -> anyhow::Result<Arc<Photo>> {
        let photo = images.get(row)?;
        if !self.rows.contains(&row) || !rng.random_bool(self.probability) {
            return Ok(photo);
        }
        let Some(garment) = self.garments.of(images, row)? else {
            return Ok(photo);
        };
        let mut picture = photo.to_rgb();
        let changed = recolour(&mut picture, &garment, self.extent, rng);
        Ok(if changed {
            Arc::new(Photo::from(DynamicImage::from(picture)))
        } else {
            photo
        })
    }
}
