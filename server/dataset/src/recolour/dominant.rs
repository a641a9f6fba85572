//! Dominant colour of a garment.

use super::coverage::Coverage;
use super::hsv::{Hsv, is_skin_like};
use image::RgbImage;

/// Number of hue bins in the histogram, 15° each.
const HUES: usize = 24;
/// Number of brightness bins for greys.
const GREYS: usize = 4;
/// Minimum share of the garment without skin colours. Below it, skin colours count too, since a beige coat is not skin.
const ENOUGH: f32 = 0.1;
/// Minimum area of a garment in pixels.
const SMALLEST: f32 = 32.0;
/// Returns the dominant colour of a garment, or `None` if the garment covers fewer than 32 pixels.
///
/// A histogram counts coverage over hue, and over brightness for greys. Skin colours are ignored unless they make up nearly
/// the whole garment. The result is the mean of the fullest bin, where neighbours in hue count half.
pub(super) fn dominant(image: &RgbImage, garment: &Coverage) -> Option<Hsv> {
    let garment = garment.resized(image.width(), image.height());
    let histogram = |skin: bool| {
        let mut bins = [Bin::default(); HUES + GREYS];
        for (pixel, share) in image.pixels().zip(&garment.shares) {
            if *share > 0 && (skin || !is_skin_like(pixel.0)) {
                let colour = Hsv::from_rgb(pixel.0);
                bins[bin_of(colour)].add(colour, f32::from(*share) / 255.0);
            }
        }
        bins
    };
    let whole: f32 = garment.shares.iter().map(|share| f32::from(*share) / 255.0).sum();
    if whole < SMALLEST {
        return None;
    }
    let weight = |bins: &[Bin]| bins.iter().map(|bin| bin.weight).sum::<f32>();
    let mut bins = histogram(false);
    if weight(&bins) < ENOUGH * whole {
        bins = histogram(true);
    }
    let smooth = |at: usize| {
        if at < HUES {
            bins[at].weight + (bins[(at + 1) % HUES].weight + bins[(at + HUES - 1) % HUES].weight) / 2.0
        } else {
            bins[at].weight
        }
    };
    let fullest = (0..bins.len()).rev().max_by(|a, b| smooth(*a).total_cmp(&smooth(*b)))?;
    // An empty bin may be the fullest because of its neighbours.
    (bins[fullest].weight > 0.0).then(|| bins[fullest].mean(fullest))
}

fn bin_of(colour: Hsv) -> usize {
    if colour.is_grey() {
        HUES + ((colour.value * GREYS as f32) as usize).min(GREYS - 1)
    } else {
        ((colour.hue * HUES as f32 / 360.0) as usize).min(HUES - 1)
    }
}

/// Sums over the pixels of one histogram bin.
#[derive(Debug, Clone, Copy, Default)]
struct Bin {
    weight: f32,
    hue: f32,
    saturation: f32,
    value: f32,
}

impl Bin {
    fn add(&mut self, colour: Hsv, weight: f32) {
        self.weight += weight;
        self.hue += weight * colour.hue;
        self.saturation += weight * colour.saturation;
        self.value += weight * colour.value;
    }

    /// Mean colour. No bin spans hue 0, so hues can be averaged as numbers.
    fn mean(&self, at: usize) -> Hsv {
        let hue = if at < HUES { self.hue / self.weight } else { 0.0 };
        Hsv {
            hue,
            saturation: self.saturation / self.weight,
            value: self.value / self.weight,
        }
    }
}
