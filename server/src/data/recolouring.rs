//! Where the garments of a dataset's rows are.

use super::images::Images;
use super::recolour::Coverage;
use std::borrow::Cow;
use std::collections::HashMap;

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
        Ok(images.mask(row)?.map(|mask| Cow::Owned(Coverage::of_mask(&mask, &self.ids))))
    }
}
