//! Tests of views.

use super::*;
use image::{DynamicImage, Rgb, RgbImage};
use shared::input::Fit;

fn pattern(width: u32, height: u32) -> DynamicImage {
    DynamicImage::from(RgbImage::from_fn(width, height, |x, y| {
        Rgb([(x * 37 + y * 11) as u8, (x * y) as u8, (y * 53) as u8])
    }))
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn a_view_equals_the_input_of_the_changed_image() {
    let image = pattern(40, 24);
    let cases = [
        (
            View {
                mirrored: true,
                ..View::default()
            },
            image.fliph(),
        ),
        (
            View {
                turns: 1,
                ..View::default()
            },
            image.rotate90(),
        ),
        (
            View {
                turns: 2,
                ..View::default()
            },
            image.rotate180(),
        ),
        (
            View {
                turns: 3,
                ..View::default()
            },
            image.rotate270(),
        ),
        (
            View {
                turns: 1,
                mirrored: true,
                ..View::default()
            },
            image.rotate90().fliph(),
        ),
        (
            View {
                crop: [0.25, 0.5, 0.5, 0.5],
                ..View::default()
            },
            image.crop_imm(10, 12, 20, 12),
        ),
        (
            View {
                crop: [0.25, 0.5, 0.5, 0.5],
                turns: 3,
                mirrored: true,
                ..View::default()
            },
            image.crop_imm(10, 12, 20, 12).rotate270().fliph(),
        ),
    ];
    for fit in [Fit::Stretch, Fit::Cover, Fit::Pad] {
        let spec = InputSpec::new(16, 20, fit);
        let whole = Photo::from(image.clone());
        for (view, changed) in &cases {
            let expected = View::default()
                .input(&Photo::from(changed.clone()), &spec)
                .expect("the crop is inside the image");
            let seen = view.input(&whole, &spec).expect("the crop is inside the image");
            assert!(distance(&seen, &expected) < 1e-5, "{fit:?} {view:?}");
        }
    }
}

#[test]
fn ten_crop_has_ten_views_whose_mirror_images_are_views() {
    let views = Views::TenCrop.list();
    assert_eq!(views.len(), 10);
    let spec = InputSpec::new(12, 12, Fit::Stretch);
    let (photo, flipped) = (Photo::from(pattern(64, 48)), Photo::from(pattern(64, 48).fliph()));
    let inputs = |photo: &Photo| -> Vec<Vec<f32>> {
        views
            .iter()
            .map(|v| v.input(photo, &spec).expect("the crop is inside the image"))
            .collect()
    };
    let (straight, mirrored) = (inputs(&photo), inputs(&flipped));
    for (i, input) in straight.iter().enumerate() {
        assert!(
            straight[..i].iter().all(|other| distance(input, other) > 1e-3),
            "view {i} differs from the others"
        );
        assert!(
            mirrored.iter().any(|other| distance(input, other) < 1e-5),
            "view {i} is a view of the mirror image"
        );
    }
}

#[test]
fn views_survive_a_round_trip_and_wrong_ones_are_refused() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Table {
        views: Views,
    }
    let own = Views::List(vec![View {
        crop: [0.0, 0.0, 1.0, 0.5],
        mirrored: true,
        turns: 1,
        size: 0.5,
    }]);
    for views in NAMED.map(|(_, views)| views).into_iter().chain([own]) {
        let text = toml::to_string(&Table { views: views.clone() }).expect("the views serialise");
        assert_eq!(
            toml::from_str::<Table>(&text).expect("the views deserialise").views,
            views,
            "{text}"
        );
        // The command line has the same notation.
        let alone = text.trim().trim_start_matches("views = ").trim_matches('"');
        if !alone.contains("[[") {
            assert_eq!(alone.parse::<Views>(), Ok(views), "{alone}");
        }
    }
    for (wrong, said) in [
        ("\"five\"", "none, flip, ten-crop, sizes and turns"),
        ("[{ size = 8.0 }]", "between 0.25 and 4"),
        ("[]", "at least one"),
        ("[{ crop = [0.5, 0.0, 0.6, 1.0] }]", "leaves the image"),
        ("[{ turns = 4 }]", "0 to 3"),
        ("[{ angle = 4 }]", "views are"),
    ] {
        let error = toml::from_str::<Table>(&format!("views = {wrong}"))
            .expect_err(wrong)
            .to_string();
        assert!(error.contains(said), "{wrong}: {error}");
    }
}
