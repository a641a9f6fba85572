//! Shift of a garment's colour to another one.

use super::coverage::{Coverage, lerp};
use super::hsv::{Hsv, NEUTRAL};
use image::RgbImage;
use rand::Rng;
use serde::{Deserialize, Serialize};

/// Distance in degrees from the dominant hue up to which a pixel is shifted fully. It is not shifted at twice the distance.
const FAMILY: f32 = 35.0;
/// Distance in brightness from the dominant grey up to which a pixel is shifted fully. It is not shifted at twice the
/// distance.
const SHADE: f32 = 0.25;
/// Minimum change of a grey garment's brightness. The maximum is twice this value.
const SHADE_STEP: f32 = 0.12;
/// Pixels that are shifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[derive(schemars::JsonSchema)]
pub enum Extent {
    /// Pixels of the garment near its dominant colour.
    #[default]
    Garment,
    /// The whole image, as published: the hues of skin and background are rotated by the same angle, and greys stay grey. For
    /// a black, white or grey garment, only the garment changes, to another shade of grey.
    Whole,
}

/// Shift from a garment's colour to another one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shift {
    /// Dominant colour of the garment.
    from: Hsv,
    /// New dominant colour.
    to: Hsv,
}

impl Shift {
    /// Draws a new colour with a hue at least 40° away and similar saturation and brightness. A grey garment gets a hue and a
    /// medium brightness, or with [`Extent::Whole`] another brightness.
    pub(super) fn draw(from: Hsv, extent: Extent, rng: &mut impl Rng) -> Self {
        let angle = rng.random_range(40.0..=320.0f32);
        let (strength, light) = (rng.random_range(-1.0..=1.0f32), rng.random_range(-1.0..=1.0f32));
        if extent == Extent::Whole && from.is_grey() {
            let (step, limits) = (SHADE_STEP * (1.0 + strength.abs()), 0.05..=0.95);
            let value = if light < 0.0 {
                from.value - step
            } else {
                from.value + step
            };
            let value = if limits.contains(&value) {
                value
            } else {
                2.0 * from.value - value
            };
            // A higher brightness must not increase the chroma.
            let saturation = from.saturation * (from.value / value).min(1.0);
            return Self {
                from,
                to: Hsv {
                    saturation,
                    value,
                    ..from
                },
            };
        }
        let (saturation, value) = if from.is_grey() {
            (
                0.55 - 0.2 * from.value + 0.15 * strength,
                (from.value * 0.75 + 0.15) * (1.0 + 0.15 * light),
            )
        } else {
            (
                from.saturation * (1.0 + 0.25 * strength),
                from.value * (1.0 + 0.2 * light),
            )
        };
        let to = Hsv {
            hue: (from.hue + angle).rem_euclid(360.0),
            saturation: saturation.clamp(0.15, 0.9),
            value: value.clamp(0.1, 0.95),
        };
        Self { from, to }
    }

    /// Shifts the pixels of an image that `extent` selects.
    pub(super) fn apply(&self, image: &mut RgbImage, garment: &Coverage, extent: Extent) {
        let garment = garment.resized(image.width(), image.height());
        for (pixel, share) in image.pixels_mut().zip(&garment.shares) {
            let colour = Hsv::from_rgb(pixel.0);
            let share = match extent {
                Extent::Whole if !self.from.is_grey() => 1.0,
                Extent::Whole | Extent::Garment => f32::from(*share) / 255.0 * self.similarity(colour),
            };
            if share > 0.0 {
                let old = pixel.0.map(|channel| f32::from(channel) / 255.0);
                let new = self.shifted(colour).channels();
                pixel.0 = [0, 1, 2].map(|c| (lerp(old[c], new[c], share) * 255.0 + 0.5) as u8);
            }
        }
    }

    /// Similarity of a colour to the dominant one, 0–1: by hue, or for a grey garment by chroma and brightness.
    fn similarity(&self, colour: Hsv) -> f32 {
        if self.from.is_grey() {
            // Pixels of another brightness belong to another garment, such as a white shirt under a black coat.
            let apart = (colour.value - self.from.value).abs() / SHADE;
            return (2.0 - colour.chroma() / NEUTRAL).clamp(0.0, 1.0) * (2.0 - apart).clamp(0.0, 1.0);
        }
        let apart = (colour.hue - self.from.hue).rem_euclid(360.0);
        (2.0 - apart.min(360.0 - apart) / FAMILY).clamp(0.0, 1.0)
    }

    /// Shifts a colour. Its relative brightness to the dominant colour is kept.
    fn shifted(&self, colour: Hsv) -> Hsv {
        let Self { from, to } = self;
        // Brightness is mapped linearly between black, the dominant colour and white, so that shading is never clipped.
        let value = if colour.value < from.value || from.value >= 1.0 {
            colour.value * to.value / from.value
        } else {
            1.0 - (1.0 - colour.value) * (1.0 - to.value) / (1.0 - from.value)
        };
        let gets_a_hue = self.from.is_grey() && to.hue != from.hue;
        if gets_a_hue {
            // Highlights of a grey garment stay paler than the rest.
            let pale = if colour.value > from.value {
                (1.0 - value) / (1.0 - to.value)
            } else {
                1.0
            };
            return Hsv {
                hue: to.hue,
                saturation: to.saturation * (0.5 + 0.5 * pale),
                value,
            };
        }
        let hue = (colour.hue + to.hue - from.hue).rem_euclid(360.0);
        let saturation = (colour.saturation * to.saturation / from.saturation.max(f32::MIN_POSITIVE)).min(1.0);
        Hsv { hue, saturation, value }
    }
}
