//! Tests of colours and of recolouring.

use super::hsv::{Hsv, NEUTRAL, is_skin_like};
use super::*;
use crate::decode::Mask;
use image::Rgb;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const SKIN: [u8; 3] = [224, 172, 140];

#[test]
fn hsv_matches_known_colours_and_converts_back() {
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
        let channels = Hsv::from_rgb([r, g, b]).channels();
        assert_eq!(channels.map(|channel| (channel * 255.0 + 0.5) as u8), [r, g, b]);
    }
}

#[test]
fn skin_colours_are_told_from_cloth_colours() {
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
        assert_eq!(is_skin_like(rgb), skin, "{rgb:?}");
    }
}

/// Image of 20 × 20 pixels: `skin` columns of skin, the others of `cloth`. The coverage excludes the border pixels.
fn dressed(skin: u32, cloth: [u8; 3]) -> (RgbImage, Coverage) {
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
    let mask = Mask::new(20, 20, ids).expect("the mask has 400 ids");
    (image, Coverage::from_mask(&mask, &std::array::from_fn(|id| id == 1)))
}

#[test]
fn the_dominant_colour_is_that_of_the_garment_despite_more_skin() {
    for (skin, cloth, hue) in [
        (0, [40, 60, 160], Some(230.0)),
        (14, [40, 60, 160], Some(230.0)),
        (14, [30, 120, 50], Some(133.0)),
        (12, [200, 24, 30], Some(357.0)),
        (12, [25, 25, 28], None),
        // Skin colours count if there is nothing else.
        (20, [0, 0, 0], Some(22.0)),
    ] {
        let (image, garment) = dressed(skin, cloth);
        let found = dominant(&image, &garment).expect("the garment is large enough");
        match hue {
            Some(hue) => assert!(
                (found.hue - hue).abs() < 4.0 && found.chroma() > NEUTRAL,
                "{cloth:?}: {found:?}"
            ),
            None => assert!(found.chroma() < NEUTRAL && found.value < 0.2, "{cloth:?}: {found:?}"),
        }
    }
    let (image, _) = dressed(0, [40, 60, 160]);
    assert_eq!(dominant(&image, &Coverage::from_fn(20, 20, |_, _| 0.0)), None);
}

#[test]
fn only_the_garment_changes_and_the_seed_decides_its_colour() {
    for cloth in [
        [40, 60, 160],
        [200, 24, 30],
        [25, 25, 28],
        [245, 245, 240],
        [128, 128, 128],
    ] {
        let (before, garment) = dressed(8, cloth);
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
                    assert_eq!(pixel, after.get_pixel(x, y), "({x}, {y}) is outside the garment");
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
            // Skin within the mask of a blue garment is not shifted.
            if cloth == [40, 60, 160] {
                assert_eq!(distance((4, 10), &after), 0);
            }
        }
    }
}

#[test]
fn recolouring_of_whole_images_rotates_hues_and_keeps_greys() {
    const GREY: [u8; 3] = [180, 181, 179];
    // Skin, cloth, a grey and a white wall, five columns each. The coverage includes the cloth and some of the skin.
    let scene = |cloth: [u8; 3]| RgbImage::from_fn(20, 20, |x, _| Rgb([SKIN, cloth, GREY, [255; 3]][x as usize / 5]));
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
        let before = scene(cloth);
        for seed in 0..32 {
            let mut after = before.clone();
            assert!(recolour(
                &mut after,
                &garment,
                Extent::Whole,
                &mut ChaCha8Rng::seed_from_u64(seed)
            ));
            let [skin, worn, wall, white] = [1, 7, 12, 17].map(|x| Hsv::from_rgb(after.get_pixel(x, 10).0));
            let context = format!("{cloth:?}, seed {seed}: skin {skin:?}, garment {worn:?}, wall {wall:?}");
            assert!(
                wall.chroma() < 0.02 && white.chroma() < 0.02,
                "walls stay grey: {context}"
            );
            let old = Hsv::from_rgb(cloth);
            if grey {
                assert!(
                    worn.chroma() <= old.chroma() + 0.02,
                    "a grey garment stays grey: {context}"
                );
                assert!((worn.value - old.value).abs() > 0.1, "it gets another shade: {context}");
                for x in [1, 4, 12, 17] {
                    assert_eq!(after.get_pixel(x, 10), before.get_pixel(x, 10), "column {x}: {context}");
                }
            } else {
                let angle = apart(worn.hue, old.hue);
                assert!(
                    angle > 35.0 && worn.chroma() > NEUTRAL,
                    "the hue of a coloured garment is rotated: {context}"
                );
                let along = apart(skin.hue, Hsv::from_rgb(SKIN).hue);
                assert!(
                    (along - angle).abs() < 5.0,
                    "the hue of skin is rotated by the same angle: {context}"
                );
            }
        }
    }
}

#[test]
fn a_coarse_coverage_is_resized_bilinearly() {
    let coarse = Coverage::from_fn(2, 1, |x, _| x as f32);
    let fine = coarse.resized(8, 2);
    assert_eq!(fine.shares, [0, 0, 32, 96, 159, 223, 255, 255].repeat(2));
}
