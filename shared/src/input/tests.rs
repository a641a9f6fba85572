//! Sizes, boxes and specifications that are refused, and crops.

use super::*;
use proptest::prelude::*;

#[test]
fn sizes_and_boxes_that_do_not_fit_are_refused() {
    assert!(Pixels::new(&[0; 12], 2, 2, 3).is_ok());
    for (len, w, h, c) in [(11, 2, 2, 3), (0, 0, 2, 3), (8, 2, 2, 2), (12, usize::MAX, 2, 3)] {
        assert!(Pixels::new(&vec![0; len], w, h, c).is_err(), "{len} {w} {h} {c}");
    }
    let pixels = [0; 48];
    let pixels = Pixels::new(&pixels, 4, 4, 3).expect("valid");
    let spec = InputSpec::new(2, 2, Fit::Stretch);
    for (x, y, width, height) in [(0, 0, 0, 1), (3, 0, 2, 1), (0, 4, 1, 1), (u32::MAX, 0, u32::MAX, 1)] {
        assert!(spec.to_chw(pixels, Some(CropBox { x, y, width, height })).is_err());
    }
}

#[test]
fn a_margin_grows_a_box_as_far_as_the_image_reaches() {
    let crop_box = |x, y, width, height| CropBox { x, y, width, height };
    for (margin, crop, expected) in [
        (0.0, crop_box(3, 4, 5, 6), crop_box(3, 4, 5, 6)),
        (0.1, crop_box(20, 30, 40, 20), crop_box(16, 28, 48, 24)),
        (0.5, crop_box(0, 40, 10, 20), crop_box(0, 30, 15, 40)),
        (9.0, crop_box(90, 70, 10, 10), crop_box(0, 0, 100, 80)),
    ] {
        let spec = InputSpec {
            margin,
            ..InputSpec::new(4, 4, Fit::Stretch)
        };
        assert_eq!(spec.with_margin(crop, (100, 80)), Ok(expected), "{margin}");
    }
    let outside = InputSpec {
        margin: 1.0,
        ..InputSpec::new(4, 4, Fit::Stretch)
    };
    assert!(
        outside.with_margin(crop_box(96, 0, 5, 5), (100, 80)).is_err(),
        "a margin does not make a box outside valid"
    );
}

#[test]
fn the_error_of_a_specification_outside_its_limits_names_the_key() {
    let good = InputSpec {
        margin: 2.0,
        ..InputSpec::new(4096, 1, Fit::Pad)
    };
    assert_eq!(good.check(), Ok(()));
    assert_eq!(
        InputSpec {
            mean: [0.0; 3],
            std: [1.0 / 255.0; 3],
            ..good.clone()
        }
        .check(),
        Ok(())
    );
    for (key, spec) in [
        (
            "width",
            InputSpec {
                width: 0,
                ..good.clone()
            },
        ),
        (
            "width",
            InputSpec {
                width: usize::MAX,
                height: usize::MAX,
                ..good.clone()
            },
        ),
        (
            "height",
            InputSpec {
                height: 4097,
                ..good.clone()
            },
        ),
        (
            "std",
            InputSpec {
                std: [0.2, 0.0, 0.2],
                ..good.clone()
            },
        ),
        (
            "std",
            InputSpec {
                std: [-0.2; 3],
                ..good.clone()
            },
        ),
        (
            "std",
            InputSpec {
                std: [0.2, 0.2, f32::NAN],
                ..good.clone()
            },
        ),
        (
            "std",
            InputSpec {
                std: [f32::MIN_POSITIVE; 3],
                ..good.clone()
            },
        ),
        (
            "std",
            InputSpec {
                std: [f32::INFINITY; 3],
                ..good.clone()
            },
        ),
        (
            "mean",
            InputSpec {
                mean: [f32::NAN; 3],
                ..good.clone()
            },
        ),
        (
            "mean",
            InputSpec {
                mean: [0.0, 0.0, f32::NEG_INFINITY],
                ..good.clone()
            },
        ),
        (
            "margin",
            InputSpec {
                margin: -0.1,
                ..good.clone()
            },
        ),
        (
            "margin",
            InputSpec {
                margin: f32::NAN,
                ..good.clone()
            },
        ),
    ] {
        let error = spec.check().expect_err(key).to_string();
        assert!(error.starts_with(&format!("input.{key} is ")), "{error}");
    }
}

#[test]
fn padding_is_the_mean_colour() {
    let white = [255; 2 * 8 * 3];
    let chw = InputSpec::new(8, 8, Fit::Pad)
        .to_chw(Pixels::new(&white, 2, 8, 3).expect("valid"), None)
        .expect("fits");
    assert_eq!(chw[0], 0.0);
    assert!((chw[3] - (1.0 - IMAGENET_MEAN[0]) / IMAGENET_STD[0]).abs() < 1e-5);
}

proptest! {
    /// An image of one colour keeps that colour at all sizes.
    #[test]
    fn one_colour_stays_the_same(w in 1usize..40, h in 1usize..40, ow in 1usize..20, oh in 1usize..20, v: u8,
                            fit in prop_oneof![Just(Fit::Stretch), Just(Fit::Cover)]) {
        let data = vec![v; w * h * 3];
        let pixels = Pixels::new(&data, w, h, 3).expect("valid");
        let spec = InputSpec { mean: [0.0; 3], std: [1.0; 3], ..InputSpec::new(ow, oh, fit) };
        for value in spec.to_chw(pixels, None).expect("fits") {
            prop_assert!((value - f32::from(v) / 255.0).abs() < 1e-5);
        }
    }

    #[test]
    fn a_crop_equals_the_cropped_image(data in proptest::collection::vec(any::<u8>(), 10 * 8 * 3),
                                   x in 0u32..6, y in 0u32..5, width in 1u32..5, height in 1u32..4) {
        let whole = Pixels::new(&data, 10, 8, 3).expect("valid");
        let part: Vec<u8> = (y..y + height)
            .flat_map(|row| {
                let at = ((row * 10 + x) * 3) as usize;
                data[at..at + width as usize * 3].to_vec()
            })
            .collect();
        let part = Pixels::new(&part, width as usize, height as usize, 3).expect("valid");
        for fit in [Fit::Stretch, Fit::Cover, Fit::Pad] {
            let spec = InputSpec::new(7, 5, fit);
            let crop = CropBox { x, y, width, height };
            prop_assert_eq!(spec.to_chw(whole, Some(crop)).expect("fits"), spec.to_chw(part, None).expect("fits"));
        }
    }
}

#[test]
fn strips_that_do_not_continue_an_image_are_refused() {
    let bytes = [0; 4 * 4 * 3];
    let rows = |width: usize, rows: usize| Pixels::new(&bytes[..width * rows * 3], width, rows, 3).expect("valid");
    let spec = InputSpec::new(2, 2, Fit::Stretch);
    let begun = || spec.intake((4, 4), None).expect("the image has pixels");
    assert_eq!(
        spec.intake((4, 0), None).err(),
        Some(InputError::Empty { width: 4, height: 0 })
    );
    for (what, strips, expected) in [
        (
            "another width",
            &[rows(3, 1)][..],
            Err("a strip of 3×1 pixels does not fit: 4 rows of 4 pixels are missing"),
        ),
        (
            "too many rows",
            &[rows(4, 3), rows(4, 2)],
            Err("a strip of 4×2 pixels does not fit: 1 rows of 4 pixels are missing"),
        ),
        ("too few rows", &[rows(4, 3)], Err("1 rows of the image are missing")),
        ("all rows", &[rows(4, 1), rows(4, 3)], Ok(12)),
    ] {
        let mut intake = begun();
        let pushed = strips.iter().try_for_each(|strip| intake.push(*strip));
        let values = pushed.and_then(|()| intake.finish()).map(|values| values.len());
        assert_eq!(
            values.map_err(|error| error.to_string()),
            expected.map_err(str::to_owned),
            "{what}"
        );
    }
}

proptest! {
    /// Strips of any height give the bits of the whole image, for all fits, with and without a crop box.
    #[test]
    fn strips_give_the_bits_of_the_whole_image(
        w in 1usize..60, h in 1usize..60, out in (1usize..24, 1usize..24), strip in 1usize..20, alpha: bool,
        fit in prop_oneof![Just(Fit::Stretch), Just(Fit::Cover), Just(Fit::Pad)],
        crop in proptest::option::of((0.0f64..0.9, 0.0f64..0.9, 0.05f64..1.0)), margin in 0.0f32..0.4,
    ) {
        let channels = if alpha { 4 } else { 3 };
        let bytes: Vec<u8> = (0..w * h * channels).map(|at| (at * 37 % 251) as u8).collect();
        let image = Pixels::new(&bytes, w, h, channels).expect("valid");
        let crop = crop.map(|(x, y, side)| {
            let along = |from: f64, limit: usize| {
                let start = (from * limit as f64) as u32;
                (start, ((side * limit as f64) as u32).clamp(1, limit as u32 - start))
            };
            let ((x, width), (y, height)) = (along(x, w), along(y, h));
            CropBox { x, y, width, height }
        });
        let spec = InputSpec { margin, ..InputSpec::new(out.0, out.1, fit) };

        let mut intake = spec.intake((w, h), crop).expect("the box is inside");
        let window = intake.window();
        let [left, top, width, height] = [window.x, window.y, window.width, window.height].map(|side| side as usize);
        let rows: Vec<usize> = (top..top + height).collect();
        for rows in rows.chunks(strip) {
            let strip: Vec<u8> = rows
                .iter()
                .flat_map(|row| &bytes[(row * w + left) * channels..(row * w + left + width) * channels])
                .copied()
                .collect();
            intake.push(Pixels::new(&strip, width, rows.len(), channels).expect("valid")).expect("it continues");
        }
        prop_assert_eq!(intake.finish(), spec.to_chw(image, crop));
    }
}
