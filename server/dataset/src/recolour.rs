//! Garments in another colour: the dominant colour from a histogram over the garment's pixels, skin-like ones left out, and
//! a shift in hue, saturation and value that carries it to a drawn one. Shading, folds and prints stay.
//!
//! Pure functions of pixels, a [`Coverage`] and a generator: **the same seed gives the same bytes, and a pixel without any
//! garment keeps its bytes.**

use super::mask::Mask;
use image::RgbImage;
use rand::Rng;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Bins of hue in the histogram, 15° each.
const HUES: usize = 24;
/// Bins of brightness for colours without a hue.
const GREYS: usize = 4;
/// Up to this share of full brightness between the largest and the smallest channel a pixel has no hue worth the name.
const NEUTRAL: f32 = 0.10;
/// Degrees of hue around the dominant one within which a pixel is of its family; twice that ends it.
const FAMILY: f32 = 35.0;
/// Brightness around the dominant grey's within which a grey pixel is of its family; twice that ends it.
const SHADE: f32 = 0.25;
/// Least change of brightness that gives a grey garment another shade; twice that is the most.
const SHADE_STEP: f32 = 0.12;
/// A dominant colour is only told without skin-like pixels while the others are at least this share of the garment: a beige
/// coat is not skin.
const ENOUGH: f32 = 0.1;
/// Garments of fewer whole pixels are left alone: nobody would see it.
const SMALLEST: f32 = 32.0;

/// A colour in the hexagonal cone (Smith 1978, <https://doi.org/10.1145/965139.807361>).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hsv {
    /// Degrees from 0 to below 360: 0 red, 120 green, 240 blue; 0 for greys.
    pub hue: f32,
    /// 0 for grey to 1.
    pub saturation: f32,
    /// The largest channel, 0–1.
    pub value: f32,
}

impl Hsv {
    /// Of a pixel.
    pub fn from_rgb(rgb: [u8; 3]) -> Self {
        let [r, g, b] = rgb.map(|channel| f32::from(channel) / 255.0);
        let (most, least) = (r.max(g).max(b), r.min(g).min(b));
        let chroma = most - least;
        let hue = if chroma <= 0.0 {
            0.0
        } else if most == r {
            (60.0 * (g - b) / chroma).rem_euclid(360.0)
        } else if most == g {
            60.0 * (b - r) / chroma + 120.0
        } else {
            60.0 * (r - g) / chroma + 240.0
        };
        Self {
            hue,
            saturation: if most > 0.0 { chroma / most } else { 0.0 },
            value: most,
        }
    }

    /// The nearest pixel.
    pub fn to_rgb(self) -> [u8; 3] {
        self.channels().map(|channel| (channel * 255.0 + 0.5) as u8)
    }

    /// Red, green and blue, 0–1.
    fn channels(self) -> [f32; 3] {
        [5.0, 3.0, 1.0].map(|offset| {
            let k = (offset + self.hue / 60.0).rem_euclid(6.0);
            self.value * (1.0 - self.saturation * k.min(4.0 - k).clamp(0.0, 1.0))
        })
    }

    /// Largest less smallest channel, 0–1. Saturation says little of dark pixels, where it is mostly noise.
    fn chroma(self) -> f32 {
        self.saturation * self.value
    }

    /// Whether it is black, white or grey: its hue means nothing.
    fn is_grey(self) -> bool {
        self.chroma() < NEUTRAL
    }
}

/// Whether a pixel could be skin: the rule for daylight of Kovač, Peer and Solina 2003
/// (<https://doi.org/10.1109/EURCON.2003.1248169>), without the strong reds and oranges that only cloth has.
pub fn skin_like(rgb: [u8; 3]) -> bool {
    let [r, g, b] = rgb.map(i32::from);
    let spread = r.max(g).max(b) - r.min(g).min(b);
    let daylight = r > 95 && g > 40 && b > 20 && spread > 15 && (r - g).abs() > 15 && r > g && r > b;
    let Hsv { hue, saturation, .. } = Hsv::from_rgb(rgb);
    daylight && saturation <= 0.68 && !(50.0..340.0).contains(&hue)
}

/// How much of every pixel is garment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    width: u32,
    height: u32,
    /// 0 for none to 255 for all of it, row by row.
    shares: Vec<u8>,
}

impl Coverage {
    /// From a function of column and row, 0–1.
    pub fn from_fn(width: u32, height: u32, share: impl Fn(u32, u32) -> f32) -> Self {
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let shares = places
            .map(|(x, y)| (share(x, y).clamp(0.0, 1.0) * 255.0 + 0.5) as u8)
            .collect();
        Self { width, height, shares }
    }

    /// The pixels of a mask with ids of garments; those at the rim count in part, so that the new colour fades into the
    /// neighbour's as the old one did, and none beyond it.
    pub fn of_mask(mask: &Mask, garments: &[bool; 256]) -> Self {
        let (width, height) = (i64::from(mask.width()), i64::from(mask.height()));
        let ids = mask.ids();
        let inside = |x: i64, y: i64| {
            // Beyond the picture the garment goes on.
            let (x, y) = (x.clamp(0, width - 1), y.clamp(0, height - 1));
            garments[usize::from(ids[(y * width + x) as usize])]
        };
        Self::from_fn(mask.width(), mask.height(), |x, y| {
            let (x, y) = (i64::from(x), i64::from(y));
            if !inside(x, y) {
                return 0.0;
            }
            let around = (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dx, dy)));
            around.filter(|(dx, dy)| inside(x + dx, y + dy)).count() as f32 / 9.0
        })
    }

    /// The same for a picture of another size, bilinear between the pixels' centres.
    fn fitted(&self, width: u32, height: u32) -> Cow<'_, Self> {
        if (self.width, self.height) == (width, height) {
            return Cow::Borrowed(self);
        }
        let share = |x: usize, y: usize| f32::from(self.shares[y * self.width as usize + x]) / 255.0;
        let columns: Vec<_> = (0..width).map(|x| between(x, width, self.width)).collect();
        let rows: Vec<_> = (0..height).map(|y| between(y, height, self.height)).collect();
        Cow::Owned(Self::from_fn(width, height, |x, y| {
            let ((x0, x1, fx), (y0, y1, fy)) = (columns[x as usize], rows[y as usize]);
            let (above, below) = (
                mix(share(x0, y0), share(x1, y0), fx),
                mix(share(x0, y1), share(x1, y1), fx),
            );
            mix(above, below, fy)
        }))
    }
}

/// The two places of `length` around place `at` of `outputs`, and how far it is from the first to the second.
fn between(at: u32, outputs: u32, length: u32) -> (usize, usize, f32) {
    let place = ((at as f32 + 0.5) * length as f32 / outputs as f32 - 0.5).clamp(0.0, (length - 1) as f32);
    let first = place as usize;
    (first, (first + 1).min(length as usize - 1), place - first as f32)
}

fn mix(a: f32, b: f32, share: f32) -> f32 {
    a + (b - a) * share
}

/// What is shifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Extent {
    /// The garment's pixels of its dominant colour's family.
    #[default]
    Garment,
    /// The whole picture, as published: the hues of skin and surroundings turn with the garment's, and what is grey stays
    /// grey. A black, white or grey garment has no hue to turn by: it alone gets another shade of grey.
    Whole,
}

/// The colour that most of the garment has, or `None` where there is next to no garment.
///
/// Weights are counted in a histogram over hue, and over brightness for pixels without one; skin-like pixels do not count
/// unless they are nearly all. The fullest bin, neighbours in hue counting half, gives the colour as the mean of its pixels.
pub fn dominant(image: &RgbImage, garment: &Coverage) -> Option<Hsv> {
    let garment = garment.fitted(image.width(), image.height());
    let histogram = |skin: bool| {
        let mut bins = [Bin::default(); HUES + GREYS];
        for (pixel, share) in image.pixels().zip(&garment.shares) {
            if *share > 0 && (skin || !skin_like(pixel.0)) {
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
    // A bin may win by its neighbours alone.
    (bins[fullest].weight > 0.0).then(|| bins[fullest].mean(fullest))
}

fn bin_of(colour: Hsv) -> usize {
    if colour.is_grey() {
        HUES + ((colour.value * GREYS as f32) as usize).min(GREYS - 1)
    } else {
        ((colour.hue * HUES as f32 / 360.0) as usize).min(HUES - 1)
    }
}

/// Pixels of about one colour.
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

    /// A bin never spans the red end of the circle, so that hues may be averaged as numbers.
    fn mean(&self, at: usize) -> Hsv {
        let hue = if at < HUES { self.hue / self.weight } else { 0.0 };
        Hsv {
            hue,
            saturation: self.saturation / self.weight,
            value: self.value / self.weight,
        }
    }
}

/// From a garment's colour to another one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shift {
    /// The garment's colour now.
    pub from: Hsv,
    /// The colour that it takes.
    pub to: Hsv,
}

impl Shift {
    /// A colour at least 40° of hue away, of similar strength and brightness. For a grey garment a hue, with black and white
    /// nearer to the middle, where it shows; or where the whole picture is shifted, a grey of another brightness.
    pub fn draw(from: Hsv, extent: Extent, rng: &mut impl Rng) -> Self {
        let turn = rng.random_range(40.0..=320.0f32);
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
            // What little hue it has must not show more for being brighter.
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
            hue: (from.hue + turn).rem_euclid(360.0),
            saturation: saturation.clamp(0.15, 0.9),
            value: value.clamp(0.1, 0.95),
        };
        Self { from, to }
    }

    /// Shifts what `extent` says of a picture.
    pub fn apply(&self, image: &mut RgbImage, garment: &Coverage, extent: Extent) {
        let garment = garment.fitted(image.width(), image.height());
        for (pixel, share) in image.pixels_mut().zip(&garment.shares) {
            let colour = Hsv::from_rgb(pixel.0);
            let share = match extent {
                Extent::Whole if !self.from.is_grey() => 1.0,
                Extent::Whole | Extent::Garment => f32::from(*share) / 255.0 * self.kinship(colour),
            };
            if share > 0.0 {
                let old = pixel.0.map(|channel| f32::from(channel) / 255.0);
                let new = self.of(colour).channels();
                pixel.0 = [0, 1, 2].map(|c| (mix(old[c], new[c], share) * 255.0 + 0.5) as u8);
            }
        }
    }

    /// How far a colour is of the garment's family, 0–1: by its hue, or for a grey garment by having none and
    /// about its brightness.
    fn kinship(&self, colour: Hsv) -> f32 {
        if self.from.is_grey() {
            // A white shirt under a black coat is another garment.
            let apart = (colour.value - self.from.value).abs() / SHADE;
            return (2.0 - colour.chroma() / NEUTRAL).clamp(0.0, 1.0) * (2.0 - apart).clamp(0.0, 1.0);
        }
        let apart = (colour.hue - self.from.hue).rem_euclid(360.0);
        (2.0 - apart.min(360.0 - apart) / FAMILY).clamp(0.0, 1.0)
    }

    /// A colour of the garment after the shift. What is darker or lighter than the garment's colour stays so in proportion.
    fn of(&self, colour: Hsv) -> Hsv {
        let Self { from, to } = self;
        // Between black, the garment's colour and white in straight lines: nothing is cut off, so folds keep their shade.
        // A garment of pure black or pure white has one of the lines alone.
        let value = if colour.value < from.value || from.value >= 1.0 {
            colour.value * to.value / from.value
        } else {
            1.0 - (1.0 - colour.value) * (1.0 - to.value) / (1.0 - from.value)
        };
        let gets_a_hue = self.from.is_grey() && to.hue != from.hue;
        if gets_a_hue {
            // Highlights of a grey garment are nearly white, and stay paler than the rest.
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

/// Gives the garment of a picture another colour, drawn from `rng`; whether there was one.
pub fn recolour(image: &mut RgbImage, garment: &Coverage, extent: Extent, rng: &mut impl Rng) -> bool {
    let Some(from) = dominant(image, garment) else {
        return false;
    };
    Shift::draw(from, extent, rng).apply(image, garment, extent);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    const SKIN: [u8; 3] = [224, 172, 140];

    #[test]
    fn hsv_agrees_with_known_colours_and_returns_every_pixel() {
        for (rgb, hue, saturation, value) in [
            ([255, 0, 0], 0.0, 1.0, 1.0),
            ([255, 255, 0], 60.0, 1.0, 1.0),
            ([0, 128, 0], 120.0, 1.0, 128.0 / 255.0),
            ([0, 128, 255], 209.88, 1.0, 1.0),
            ([255, 0, 1], 359.76, 1.0, 1.0),
            ([64, 64, 64], 0.0, 0.0, 64.0 / 255.0),
            ([0, 0, 0], 0.0, 0.0, 0.0),
        ] {
            let colour = Hsv::from_rgb(rgb);
            let off = [colour.hue - hue, colour.saturation - saturation, colour.value - value];
            assert!(
                off[0].abs() < 0.01 && off[1].abs() < 1e-6 && off[2].abs() < 1e-6,
                "{rgb:?}: {colour:?}"
            );
        }
        let levels = || (0..=255u8).step_by(15);
        for (r, g, b) in levels().flat_map(|r| levels().flat_map(move |g| levels().map(move |b| (r, g, b)))) {
            assert_eq!(Hsv::from_rgb([r, g, b]).to_rgb(), [r, g, b]);
        }
    }

    #[test]
    fn skin_is_told_from_cloth() {
        for (rgb, skin) in [
            (SKIN, true),
            ([141, 85, 60], true),
            ([255, 219, 196], true),
            ([200, 30, 30], false),
            ([40, 60, 140], false),
            ([128, 128, 128], false),
            ([30, 20, 15], false),
            ([230, 120, 20], false),
        ] {
            assert_eq!(skin_like(rgb), skin, "{rgb:?}");
        }
    }

    /// `skin` of 20 columns are skin, the others `cloth`; the garment is all but the outermost pixels.
    fn picture(skin: u32, cloth: [u8; 3]) -> (RgbImage, Coverage) {
        let image = RgbImage::from_fn(20, 20, |x, y| {
            let shade = ((x + y) % 3) as u8 * 4;
            Rgb(if x < skin {
                SKIN
            } else {
                cloth.map(|channel| channel.saturating_sub(shade))
            })
        });
        let ids = (0..400)
            .map(|at| u8::from((1..19).contains(&(at % 20)) && (1..19).contains(&(at / 20))))
            .collect();
        let mask = Mask::new(20, 20, ids).expect("400 ids");
        (image, Coverage::of_mask(&mask, &std::array::from_fn(|id| id == 1)))
    }

    #[test]
    fn the_garments_colour_is_found_beside_more_skin() {
        for (skin, cloth, hue) in [
            (0, [40, 60, 160], Some(230.0)),
            (14, [40, 60, 160], Some(230.0)),
            (14, [30, 120, 50], Some(133.0)),
            (12, [200, 24, 30], Some(357.0)),
            (12, [25, 25, 28], None),
            // Only skin colours: then they are what the garment has.
            (20, [0, 0, 0], Some(22.0)),
        ] {
            let (image, garment) = picture(skin, cloth);
            let found = dominant(&image, &garment).expect("a garment");
            match hue {
                Some(hue) => assert!(
                    (found.hue - hue).abs() < 4.0 && found.chroma() > NEUTRAL,
                    "{cloth:?}: {found:?}"
                ),
                None => assert!(found.chroma() < NEUTRAL && found.value < 0.2, "{cloth:?}: {found:?}"),
            }
        }
        let (image, _) = picture(0, [40, 60, 160]);
        assert_eq!(dominant(&image, &Coverage::from_fn(20, 20, |_, _| 0.0)), None);
    }

    #[test]
    fn only_the_garment_changes_and_the_seed_decides_how() {
        for cloth in [
            [40, 60, 160],
            [200, 24, 30],
            [25, 25, 28],
            [245, 245, 240],
            [128, 128, 128],
        ] {
            let (before, garment) = picture(8, cloth);
            let with = |seed: u64, extent: Extent| {
                let mut image = before.clone();
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                assert!(recolour(&mut image, &garment, extent, &mut rng));
                image
            };
            for seed in 0..8 {
                let after = with(seed, Extent::Garment);
                assert_eq!(after, with(seed, Extent::Garment));
                assert_ne!(after, with(seed + 1, Extent::Garment));
                for (x, y, pixel) in before.enumerate_pixels() {
                    if garment.shares[(y * 20 + x) as usize] == 0 {
                        assert_eq!(pixel, after.get_pixel(x, y), "({x}, {y}) is no garment");
                    }
                }
                let distance = |at: (u32, u32), after: &RgbImage| -> i32 {
                    let (a, b) = (before.get_pixel(at.0, at.1).0, after.get_pixel(at.0, at.1).0);
                    (0..3).map(|c| (i32::from(a[c]) - i32::from(b[c])).abs()).sum()
                };
                assert!(
                    distance((14, 10), &after) >= 20,
                    "{cloth:?}, seed {seed}: {:?}",
                    after.get_pixel(14, 10)
                );
                // A blue garment does not take the skin in its mask along.
                if cloth == [40, 60, 160] {
                    assert_eq!(distance((4, 10), &after), 0);
                }
            }
        }
    }

    #[test]
    fn of_a_whole_picture_hues_turn_and_greys_stay_grey() {
        const GREY: [u8; 3] = [180, 181, 179];
        // Skin, cloth, a grey wall and a white one, five columns each; the mask holds the cloth and some of the skin.
        let picture =
            |cloth: [u8; 3]| RgbImage::from_fn(20, 20, |x, _| Rgb([SKIN, cloth, GREY, [255; 3]][x as usize / 5]));
        let garment = Coverage::from_fn(20, 20, |x, _| f32::from(u8::from((3..10).contains(&x))));
        let apart = |a: f32, b: f32| (a - b).rem_euclid(360.0).min((b - a).rem_euclid(360.0));
        for (cloth, grey) in [
            ([0, 0, 0], true),
            ([25, 25, 28], true),
            ([128, 128, 128], true),
            ([200, 203, 198], true),
            ([245, 245, 240], true),
            ([255, 255, 255], true),
            ([40, 60, 160], false),
            ([200, 24, 30], false),
            ([120, 200, 90], false),
        ] {
            let before = picture(cloth);
            for seed in 0..32 {
                let mut after = before.clone();
                assert!(recolour(
                    &mut after,
                    &garment,
                    Extent::Whole,
                    &mut ChaCha8Rng::seed_from_u64(seed)
                ));
                let [skin, worn, wall, white] = [1, 7, 12, 17].map(|x| Hsv::from_rgb(after.get_pixel(x, 10).0));
                let said = format!("{cloth:?}, seed {seed}: skin {skin:?}, garment {worn:?}, wall {wall:?}");
                assert!(wall.chroma() < 0.02 && white.chroma() < 0.02, "walls stay grey: {said}");
                let old = Hsv::from_rgb(cloth);
                if grey {
                    assert!(
                        worn.chroma() <= old.chroma() + 0.02,
                        "a grey garment stays grey: {said}"
                    );
                    assert!((worn.value - old.value).abs() > 0.1, "it gets another shade: {said}");
                    for x in [1, 4, 12, 17] {
                        assert_eq!(after.get_pixel(x, 10), before.get_pixel(x, 10), "column {x}: {said}");
                    }
                } else {
                    let turned = apart(worn.hue, old.hue);
                    assert!(
                        turned > 35.0 && worn.chroma() > NEUTRAL,
                        "a coloured garment turns: {said}"
                    );
                    let along = apart(skin.hue, Hsv::from_rgb(SKIN).hue);
                    assert!((along - turned).abs() < 5.0, "the skin turns with it: {said}");
                }
            }
        }
    }

    #[test]
    fn a_coarse_coverage_fits_a_larger_picture() {
        let coarse = Coverage::from_fn(2, 1, |x, _| x as f32);
        let fine = coarse.fitted(8, 2);
        assert_eq!(fine.shares, [0, 0, 32, 96, 159, 223, 255, 255].repeat(2));
    }
}
