//! Recolouring of training images as an augmentation.

use super::images::Images;
use crate::decode::Photo;
use crate::recolour::{Coverage, Extent, recolour};
use image::DynamicImage;
use rand::Rng;
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Locations of the garments in the images of a dataset.
#[derive(Debug, Clone)]
pub struct Garments {
    /// True for ids of the rows' masks that are garments.
    pub ids: Box<[bool; 256]>,
    /// Coverage by row, as segmented by a network.
    pub found: HashMap<usize, Coverage>,
}

impl Garments {
    /// Returns the garment ids of masks. 0 is the background, `person` are the ids of skin, hair and similar parts, and all
    /// other ids are garments.
    pub fn garment_ids(person: &[u8]) -> Box<[bool; 256]> {
        let mut ids = Box::new([true; 256]);
        for other in person.iter().chain(&[0, u8::MAX]) {
            ids[usize::from(*other)] = false;
        }
        ids
    }

    /// Returns the coverage of a row by the network, otherwise by its mask. `None` without either.
    ///
    /// # Errors
    /// If the mask cannot be read.
    pub fn coverage(&self, images: &Images, row: usize) -> anyhow::Result<Option<Cow<'_, Coverage>>> {
        if let Some(found) = self.found.get(&row) {
            return Ok(Some(Cow::Borrowed(found)));
        }
        Ok(images
            .mask(row)?
            .map(|mask| Cow::Owned(Coverage::from_mask(&mask, &self.ids))))
    }
}

/// Random recolouring of the garments of some rows.
#[derive(Debug, Clone)]
pub struct Recolouring {
    /// Rows to recolour.
    pub rows: BTreeSet<usize>,
    /// Probability of recolouring per image, 0–1.
    pub probability: f64,
    /// Pixels that change.
    pub extent: Extent,
    /// Locations of the garments.
    pub garments: Garments,
}

impl Recolouring {
    /// Returns the image of a row, recoloured or unchanged.
    ///
    /// # Errors
    /// If the image or its mask cannot be read.
    pub(super) fn apply(&self, images: &Images, row: usize, rng: &mut impl Rng) -> anyhow::Result<Arc<Photo>> {
        let photo = images.get(row)?;
        if !self.rows.contains(&row) || !rng.random_bool(self.probability) {
            return Ok(photo);
        }
        let Some(garment) = self.garments.coverage(images, row)? else {
            return Ok(photo);
        };
        let mut image = photo.to_rgb();
        let changed = recolour(&mut image, &garment, self.extent, rng);
        Ok(if changed {
            Arc::new(Photo::from(DynamicImage::from(image)))
        } else {
            photo
        })
    }
}
