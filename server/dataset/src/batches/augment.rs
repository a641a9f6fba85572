//! Augmentation of training images: published crops, stretching, squeezing and mirroring, and changes of light, saturation
//! and erased rectangles.
//!
//! The geometry is drawn as one [`View`], which is applied to a mask as well.

use super::rotations::Rotations;
use crate::decode::Photo;
use rand::Rng;
use serde::{Deserialize, Serialize};
use shared::input::{CropBox, InputError, InputSpec, View};

/// Strengths of the augmentations. Zero disables an augmentation.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(schemars::JsonSchema)]
pub struct Augment {
    /// Maximum share of the width that a random crop removes; 0.15 as published.
    pub crop_width: f32,
    /// Maximum share of the height that a random crop removes; 0.10 as published.
    pub crop_height: f32,
    /// Maximum share by which width or height, chosen at random, is stretched; 0.10 as published. Parts outside the frame
    /// are cut off.
    pub stretch: f32,
    /// Maximum share by which width or height is squeezed; 0.10 as published. Both ends are filled with the mean colour. The
    /// factor is uniform between 1 − squeeze and 1 + stretch.
    pub squeeze: f32,
    /// True to mirror half of the images.
    pub flip: bool,
    /// Maximum relative change of brightness, contrast and gain per channel.
    pub light: f32,
    /// Maximum side of a rectangle set to the mean colour in half of the images, as a share of the image's side: random
    /// erasing (Zhong et al. 2017, <https://arxiv.org/abs/1708.04896>).
    pub erase: f32,
    /// Maximum relative change of saturation.
    #[serde(skip_serializing_if = "is_off")]
    pub saturation: f32,
    /// Categories whose images are first rotated by a random multiple of 90°, such as `["shoes", "bags"]`.
    #[serde(rename = "turn", skip_serializing_if = "Rotations::is_empty")]
    pub rotate: Rotations,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde passes a reference
fn is_off(strength: &f32) -> bool {
    *strength == 0.0
}

/// Weights of red, green and blue in luma (ITU-R BT.601).
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

impl Augment {
    /// Augments an image with draws from `rng`. Returns the model input `[3, height, width]` and the view.
    ///
    /// # Errors
    /// Never for a decoded image.
    pub fn apply(&self, image: &Photo, spec: &InputSpec, rng: &mut impl Rng) -> Result<(Vec<f32>, View), InputError> {
        let view = self.draw_view(image.width(), image.height(), rng);
        let mut chw = spec.view(image.pixels()?, &view)?;
        if self.light > 0.0 {
            self.relight(&mut chw, spec, rng);
        }
        if self.saturation > 0.0 {
            self.resaturate(&mut chw, spec, rng);
        }
        if self.erase > 0.0 && rng.random_bool(0.5) {
            self.erase(&mut chw, spec, rng);
        }
        Ok((chw, view))
    }

    /// Draws the geometry. Disabled augmentations draw nothing, so enabling one does not change earlier draws.
    fn draw_view(&self, width: u32, height: u32, rng: &mut impl Rng) -> View {
        let (x, crop_width) = shorten(width, self.crop_width, rng);
        let (y, crop_height) = shorten(height, self.crop_height, rng);
        let mirrored = self.flip && rng.random_bool(0.5);
        let mut scale = [1.0; 2];
        if self.stretch > 0.0 || self.squeeze > 0.0 {
            let axis = usize::from(rng.random_bool(0.5));
            scale[axis] = f64::from(rng.random_range(1.0 - self.squeeze..=1.0 + self.stretch));
        }
        View {
            crop: Some(CropBox {
                x,
                y,
                width: crop_width,
                height: crop_height,
            }),
            scale,
            mirrored,
        }
    }

    /// True if all strengths are in 0–0.9.
    pub fn is_valid(&self) -> bool {
        let shares = [
            self.crop_width,
            self.crop_height,
            self.stretch,
            self.squeeze,
            self.light,
            self.erase,
            self.saturation,
        ];
        shares.iter().all(|share| (0.0..=0.9).contains(share))
    }

    fn relight(&self, chw: &mut [f32], spec: &InputSpec, rng: &mut impl Rng) {
        let mut around_one = || 1.0 + rng.random_range(-self.light..=self.light);
        let (brightness, contrast) = (around_one(), around_one());
        let gains = [around_one(), around_one(), around_one()];
        let plane = spec.width * spec.height;
        for (c, values) in chw.chunks_exact_mut(plane).enumerate() {
            // For brightness in 0–1: v → ((v − ½)·contrast + ½)·brightness·gain.
            let scale = contrast * brightness * (0.5 + 0.5 * gains[c]);
            let shift = 0.5 * (1.0 - contrast) * brightness * (0.5 + 0.5 * gains[c]);
            let (mean, std) = (spec.mean[c], spec.std[c]);
            for value in values {
                *value = ((*value * std + mean) * scale + shift - mean) / std;
            }
        }
    }

    fn resaturate(&self, chw: &mut [f32], spec: &InputSpec, rng: &mut impl Rng) {
        let factor = 1.0 + rng.random_range(-self.saturation..=self.saturation);
        let plane = spec.width * spec.height;
        for at in 0..plane {
            let bright = |c: usize| chw[c * plane + at] * spec.std[c] + spec.mean[c];
            let grey: f32 = (0..3).map(|c| LUMA[c] * bright(c)).sum();
            for c in 0..3 {
                let value = grey + (chw[c * plane + at] * spec.std[c] + spec.mean[c] - grey) * factor;
                chw[c * plane + at] = (value - spec.mean[c]) / spec.std[c];
            }
        }
    }

    fn erase(&self, chw: &mut [f32], spec: &InputSpec, rng: &mut impl Rng) {
        let mut part = |length: usize| {
            let longest = ((length as f32 * self.erase) as usize).clamp(1, length);
            let size = rng.random_range(1..=longest);
            (rng.random_range(0..=length - size), size)
        };
        let ((x, width), (y, height)) = (part(spec.width), part(spec.height));
        for plane in chw.chunks_exact_mut(spec.width * spec.height) {
            for row in plane.chunks_exact_mut(spec.width).skip(y).take(height) {
                row[x..x + width].fill(0.0);
            }
        }
    }
}

/// Draws an interval within `length` that loses at most `share` of it. Returns start and length of at least one pixel.
fn shorten(length: u32, share: f32, rng: &mut impl Rng) -> (u32, u32) {
    let most = (length as f32 * share) as u32;
    let lost = rng.random_range(0..=most.min(length - 1));
    (rng.random_range(0..=lost), length - lost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// Crops, stretching, squeezing and mirroring, alone and together, stay within the published bounds and reach them.
    #[test]
    fn views_stay_within_the_published_bounds_and_reach_them() {
        let none = Augment::default();
        let crop = Augment {
            crop_width: 0.15,
            crop_height: 0.10,
            ..none
        };
        let stretch = Augment { stretch: 0.10, ..none };
        let squeeze = Augment { squeeze: 0.10, ..none };
        let flip = Augment { flip: true, ..none };
        let all = Augment {
            stretch: 0.10,
            squeeze: 0.10,
            flip: true,
            ..crop
        };
        const SIZE: (u32, u32) = (200, 300);
        for (name, augment, cropped, factors, mirrors) in [
            ("none", none, false, (1.0, 1.0), false),
            ("crop", crop, true, (1.0, 1.0), false),
            ("stretch", stretch, false, (1.0, 1.1), false),
            ("squeeze", squeeze, false, (0.9, 1.0), false),
            ("flip", flip, false, (1.0, 1.0), true),
            ("all", all, true, (0.9, 1.1), true),
        ] {
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let views: Vec<View> = (0..4000).map(|_| augment.draw_view(SIZE.0, SIZE.1, &mut rng)).collect();
            let boxes: Vec<CropBox> = views.iter().filter_map(|view| view.crop).collect();
            assert!(
                boxes
                    .iter()
                    .all(|b| b.x + b.width <= SIZE.0 && b.y + b.height <= SIZE.1),
                "{name}: outside"
            );
            let least = |side: fn(&CropBox) -> u32| boxes.iter().map(side).min().unwrap_or(0);
            let expected = if cropped { (170, 270) } else { SIZE };
            assert_eq!((least(|b| b.width), least(|b| b.height)), expected, "{name}");
            assert!(
                views.iter().all(|view| view.scale[0] == 1.0 || view.scale[1] == 1.0),
                "{name}: both sides"
            );
            let scales = || views.iter().flat_map(|view| view.scale);
            let (low, high) = (scales().fold(1.0, f64::min), scales().fold(1.0, f64::max));
            assert!(
                (low - factors.0).abs() < 1e-3 && low > factors.0 - 1e-6,
                "{name}: down to {low}"
            );
            assert!(
                (high - factors.1).abs() < 1e-3 && high < factors.1 + 1e-6,
                "{name}: up to {high}"
            );
            let mirrored = views.iter().filter(|view| view.mirrored).count();
            assert_eq!(mirrored > 0, mirrors, "{name}");
            assert!(
                !mirrors || (1800..2200).contains(&mirrored),
                "{name}: {mirrored} of 4000 are mirrored"
            );
        }
    }
}
