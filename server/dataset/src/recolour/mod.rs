//! Recolouring of garments.
//!
//! The dominant colour is the fullest bin of a histogram over the garment's pixels without skin colours. A shift in hue,
//! saturation and value maps it to a random colour and keeps shading and prints.
//!
//! **Invariant:** the same seed gives the same bytes, and with [`Extent::Garment`] a pixel without garment keeps its bytes.

mod coverage;
mod dominant;
mod hsv;
mod shift;

use dominant::dominant;
use image::RgbImage;
use rand::Rng;
use shift::Shift;

pub use coverage::Coverage;
pub use shift::Extent;

/// Changes the colour of a garment to one drawn from `rng`. Returns false if the image shows too little of a garment.
pub fn recolour(image: &mut RgbImage, garment: &Coverage, extent: Extent, rng: &mut impl Rng) -> bool {
    let Some(from) = dominant(image, garment) else {
        return false;
    };
    Shift::draw(from, extent, rng).apply(image, garment, extent);
    true
}

#[cfg(test)]
mod tests;
