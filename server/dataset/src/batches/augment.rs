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
    /// Smallest and largest share of the area of a random crop, instead of `crop_width` and `crop_height`; `[0.08, 1.0]` as
    /// published. The share is uniform. The ratio of width to height is log-uniform between 3/4 and 4/3 (`RandomResizedCrop` of
    /// torchvision, Szegedy et al. 2015, <https://arxiv.org/abs/1409.4842>). torchvision stretches the crop, as `input.fit`
    /// `stretch` does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resized_crop: Option<[f32; 2]>,
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
        let crop = match self.resized_crop {
            Some(area) => resized_crop([width, height], area, rng),
            None => {
                let (x, crop_width) = shorten(width, self.crop_width, rng);
                let (y, crop_height) = shorten(height, self.crop_height, rng);
                CropBox {
                    x,
                    y,
                    width: crop_width,
                    height: crop_height,
                }
            }
        };
        let mirrored = self.flip && rng.random_bool(0.5);
        let mut scale = [1.0; 2];
        if self.stretch > 0.0 || self.squeeze > 0.0 {
            let axis = usize::from(rng.random_bool(0.5));
            scale[axis] = f64::from(rng.random_range(1.0 - self.squeeze..=1.0 + self.stretch));
        }
        View {
            crop: Some(crop),
            scale,
            mirrored,
        }
    }

    /// Checks the strengths.
    ///
    /// # Errors
    /// If one is not within its limits, or two exclude each other.
    pub fn check(&self) -> anyhow::Result<()> {
        let shares = [
            self.crop_width,
            self.crop_height,
            self.stretch,
            self.squeeze,
            self.light,
            self.erase,
            self.saturation,
        ];
        anyhow::ensure!(
            shares.iter().all(|share| (0.0..=0.9).contains(share)),
            "the strengths under [augment] must lie between 0 and 0.9"
        );
        if let Some([smallest, largest]) = self.resized_crop {
            anyhow::ensure!(
                0.0 < smallest && smallest <= largest && largest <= 1.0,
                "augment.resized_crop must be the smallest and the largest share of the area, such as [0.08, 1.0]"
            );
            anyhow::ensure!(
                self.crop_width == 0.0 && self.crop_height == 0.0,
                "augment.resized_crop replaces augment.crop_width and augment.crop_height; set those to 0, or remove it"
            );
        }
        Ok(())
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

/// Limits of the ratio of width to height of [`resized_crop`].
const RATIO: [f64; 2] = [3.0 / 4.0, 4.0 / 3.0];

/// Draws a crop with a share of the area between `smallest` and `largest`, at a random place.
///
/// If ten draws do not fit, returns the largest centred crop with an allowed ratio, as torchvision does.
fn resized_crop([width, height]: [u32; 2], [smallest, largest]: [f32; 2], rng: &mut impl Rng) -> CropBox {
    let area = f64::from(width) * f64::from(height);
    for _ in 0..10 {
        let part = area * f64::from(rng.random_range(smallest..=largest));
        let ratio = rng.random_range(RATIO[0].ln()..=RATIO[1].ln()).exp();
        let (w, h) = (
            (part * ratio).sqrt().round() as u32,
            (part / ratio).sqrt().round() as u32,
        );
        if (1..=width).contains(&w) && (1..=height).contains(&h) {
            return CropBox {
                x: rng.random_range(0..=width - w),
                y: rng.random_range(0..=height - h),
                width: w,
                height: h,
            };
        }
    }
    let limit = |side: u32, other: u32| ((f64::from(other) * RATIO[1]).round() as u32).clamp(1, side);
    let (w, h) = (limit(width, height), limit(height, width));
    CropBox {
        x: (width - w) / 2,
        y: (height - h) / 2,
        width: w,
        height: h,
    }
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

    /// The area is uniform and the logarithm of the ratio is uniform; in narrow images the crop stays as wide as it can.
    #[test]
    fn resized_crops_have_the_published_distribution() {
        let augment = Augment {
            resized_crop: Some([0.1, 0.5]),
            ..Augment::default()
        };
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut boxes = |width, height| -> Vec<CropBox> {
            let draws = (0..4000).filter_map(|_| augment.draw_view(width, height, &mut rng).crop);
            draws.collect()
        };
        let drawn = boxes(400, 400);
        assert!(drawn.iter().all(|b| b.x + b.width <= 400 && b.y + b.height <= 400));
        let sorted = |value: &dyn Fn(&CropBox) -> f64| {
            let mut values: Vec<f64> = drawn.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let areas = sorted(&|b| f64::from(b.width) * f64::from(b.height) / 160_000.0);
        let ratios = sorted(&|b| (f64::from(b.width) / f64::from(b.height)).ln());
        let most = (4.0f64 / 3.0).ln();
        for (name, values, low, high) in [("area", areas, 0.1, 0.5), ("ratio", ratios, -most, most)] {
            for tenth in 0..=10 {
                let expected = low + (high - low) * f64::from(tenth) / 10.0;
                let found = values[(tenth as usize * (values.len() - 1)) / 10];
                assert!(
                    (found - expected).abs() < 0.04 * (high - low),
                    "{name}, quantile {tenth}/10: {found}, not {expected}"
                );
            }
        }
        let narrow = boxes(20, 2000);
        assert!(
            narrow.iter().all(|b| (b.width, b.height, b.y) == (20, 27, 986)),
            "{:?}",
            narrow[0]
        );
    }
}
