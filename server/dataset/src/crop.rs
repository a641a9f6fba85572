//! Which part of a photo is meant: all of it, a given box, or one that is proposed.

use shared::input::{CropBox, InputError, saliency};

use super::photo::Photo;

/// The part of a photo that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Crop {
    /// All of it.
    #[default]
    Whole,
    /// A box in the upright photo's pixels.
    Box(CropBox),
    /// The box that [`saliency::propose`] finds; all of it where that finds none.
    Auto,
}

impl Crop {
    /// The box of a photo; `None` for all of it. A given box may still lie outside.
    ///
    /// # Errors
    /// Never for a photo that was decoded.
    pub fn of(self, photo: &Photo) -> Result<Option<CropBox>, InputError> {
        Ok(match self {
            Self::Whole => None,
            Self::Box(given) => Some(given),
            Self::Auto => saliency::propose(photo.pixels()?),
        })
    }
}

impl std::str::FromStr for Crop {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let numbers: Option<Vec<u32>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[x, y, right, bottom]) if x < right && y < bottom => Ok(Self::Box(CropBox {
                x,
                y,
                width: right - x,
                height: bottom - y,
            })),
            _ => Err("a box is auto, or x0,y0,x1,y1 in whole pixels with x0 < x1 and y0 < y1".to_owned()),
        }
    }
}
