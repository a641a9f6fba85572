//! Selection of a region of an image: the whole image, a given box, or a proposed box.

use shared::input::{CropBox, InputError, saliency};

use super::photo::Photo;

/// Region of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Crop {
    /// The whole image.
    #[default]
    Whole,
    /// A box in pixels of the upright image.
    Box(CropBox),
    /// The box proposed by [`saliency::propose`], or the whole image if it proposes none.
    Auto,
}

impl Crop {
    /// Returns the crop box for an image, or `None` for the whole image. A given box is not checked against the image.
    ///
    /// # Errors
    /// Never for a decoded image.
    pub fn crop_box(self, photo: &Photo) -> Result<Option<CropBox>, InputError> {
        Ok(match self {
            Self::Whole => None,
            Self::Box(given) => Some(given),
            Self::Auto => saliency::propose(photo.pixels()?),
        })
    }
}

impl std::str::FromStr for Crop {
    type Err = String;

    /// Parses `auto` or `x0,y0,x1,y1`.
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
