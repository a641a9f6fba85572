//! The loader on pictures made on the spot: the same batches on any number of threads, masks that stay aligned, damaged
//! files left out by name.

use super::*;
use image::{GrayImage, Luma, Rgb, RgbImage};
use shared::input::{Fit, InputSpec};
use shared::taxonomy::Category;
use std::path::Path;
use std::sync::Arc;

/// Writes `n` pictures of stripes, every second with a mask that says 1 where the picture is bright; those of `damaged` cannot be read.
fn dataset(dir: &Path, n: u32, damaged: &[u32]) -> Dataset {
    let mut manifest = String::from("path,split,labels,item_id,category,domain,mask\n");
    for i in 0..n {
        let bright = |x: u32, y: u32| (x / (5 + i % 4) + y / 9).is_multiple_of(3);
        let picture = RgbImage::from_fn(40 + i, 60, |x, y| {
            if bright(x, y) {
                Rgb([230; 3])
            } else {
                Rgb([10 + i as u8; 3])
            }
        });
        picture.save(dir.join(format!("{i}.png"))).expect("writes");
        if damaged.contains(&i) {
            std::fs::write(dir.join(format!("{i}.png")), b"\x89PNG\r\n\x1a\nno more").expect("writes");
        }
        let mask = if i % 2 == 0 {
            format!("{i}_mask.png")
        } else {
            String::new()
        };
        if !mask.is_empty() {
            let map = GrayImage::from_fn(40 + i, 60, |x, y| Luma([u8::from(bright(x, y))]));
            map.save(dir.join(&mask)).expect("writes");
        }
        manifest += &format!("{i}.png,train,a,{i},x,user,{mask}\n");
    }
    std::fs::write(dir.join("manifest.csv"), manifest).expect("writes");
    Dataset::open(dir).expect("a dataset")
}

fn every_augmentation() -> Augment {
    Augment {
        crop_width: 0.15,
        crop_height: 0.10,
        stretch: 0.1,
        squeeze: 0.1,
        flip: true,
        light: 0.1,
        erase: 0.2,
        saturation: 0.2,
        turn: vec![Category::Other].into(),
    }
}

#[test]
fn batches_are_the_same_on_any_number_of_threads() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut dataset = dataset(dir.path(), 24, &[3, 17]);
    dataset
        .leave_out_corrupt(|_| true, true, Limit::Recipe(2))
        .expect("two may be damaged");
    let rows = dataset.split("train", |_| true, "").expect("rows");
    assert_eq!(rows.len(), 22);
    let images = Arc::new(Images::keeping(Arc::new(dataset), 0));
    let recolouring = Recolouring {
        rows: rows.iter().copied().collect(),
        probability: 0.5,
        extent: Extent::Garment,
        garments: Garments {
            ids: Garments::but(&[]),
            found: Default::default(),
        },
    };
    let recolouring = Some(Arc::new(recolouring));
    let batches = |threads: usize, epoch: usize, recolour: &Option<Arc<Recolouring>>| -> Vec<Batch> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("threads");
        let source = Source {
            images: Arc::clone(&images),
            spec: InputSpec::new(24, 32, Fit::Pad),
            augment: Some(every_augmentation()),
            recolour: recolour.clone(),
            maps: Some((16, 12)),
            pool: Some(Arc::new(pool)),
        };
        let plan = Plan {
            batches: rows.chunks(5).map(<[usize]>::to_vec).collect(),
            seed: 9,
            epoch,
        };
        Loader::open(source, plan)
            .collect::<anyhow::Result<_>>()
            .expect("readable")
    };
    for recolour in [None, recolouring] {
        let one = batches(1, 0, &recolour);
        assert_eq!(one.len(), 5);
        assert!(one == batches(4, 0, &recolour), "one thread and four make other bytes");
        assert!(one != batches(1, 1, &recolour), "every epoch draws anew");
        let plain = batches(1, 0, &None);
        let size = one[0].pixels.len() / one[0].rows.len();
        let (mut same, mut other) = (0, 0);
        for (a, b) in one.iter().zip(&plain) {
            assert_eq!(a.maps, b.maps, "recolouring moves nothing");
            let pictures = a
                .pixels
                .chunks_exact(size)
                .zip(b.pixels.chunks_exact(size))
                .zip(&a.maps);
            for ((a, b), map) in pictures {
                assert!(map.is_some() || a == b, "without a mask there is nothing to recolour");
                if a == b { same += 1 } else { other += 1 }
            }
        }
        assert!(
            if recolour.is_some() {
                same > 11 && other > 2
            } else {
                other == 0
            },
            "{same} {other}"
        );
    }
}

#[test]
fn each_augmentation_works_alone_and_masks_follow() {
    let dir = tempfile::tempdir().expect("a folder");
    let images = Arc::new(Images::new(Arc::new(dataset(dir.path(), 4, &[]))));
    let spec = InputSpec {
        mean: [0.0; 3],
        std: [1.0; 3],
        ..InputSpec::new(40, 60, Fit::Stretch)
    };
    let load = |augment: Option<Augment>| -> Vec<Batch> {
        (0..6)
            .map(|epoch| {
                let source = Source {
                    images: Arc::clone(&images),
                    spec: spec.clone(),
                    augment,
                    recolour: None,
                    maps: Some((60, 40)),
                    pool: None,
                };
                let plan = Plan {
                    batches: vec![vec![0, 1, 2, 3]],
                    seed: 5,
                    epoch,
                };
                Loader::open(source, plan).next().expect("a batch").expect("readable")
            })
            .collect()
    };
    let off = Augment::default();
    let plain = load(None);
    assert_eq!(load(Some(off)), plain, "nothing switched on changes nothing");
    assert_eq!(
        load(Some(Augment {
            turn: vec![Category::Shoes].into(),
            ..off
        })),
        plain,
        "these are no shoes"
    );
    assert!(plain[0].maps[1].is_none() && plain[0].maps[2].is_some());
    for (name, augment) in [
        (
            "crop_width",
            Augment {
                crop_width: 0.15,
                ..off
            },
        ),
        (
            "crop_height",
            Augment {
                crop_height: 0.1,
                ..off
            },
        ),
        ("stretch", Augment { stretch: 0.1, ..off }),
        ("squeeze", Augment { squeeze: 0.1, ..off }),
        ("flip", Augment { flip: true, ..off }),
        (
            "turn",
            Augment {
                turn: vec![Category::Other].into(),
                ..off
            },
        ),
        (
            "all",
            Augment {
                light: 0.0,
                erase: 0.0,
                ..every_augmentation()
            },
        ),
    ] {
        let batches = load(Some(augment));
        assert!(batches != plain, "{name} changes something");
        let (mut agree, mut counted) = (0, 0);
        for batch in &batches {
            for (at, map) in batch.maps.iter().enumerate() {
                let Some(map) = map else { continue };
                for (label, value) in map.iter().zip(&batch.pixels[at * spec.len()..]) {
                    assert_eq!(
                        *label == OUTSIDE,
                        *value == 0.0,
                        "{name}: only what lies outside is empty"
                    );
                    // Edges are mixed by the resize; what is clearly bright or dark must be so labelled.
                    if *label != OUTSIDE && (*value - 0.45).abs() > 0.25 {
                        counted += 1;
                        agree += usize::from((*value > 0.5) == (*label == 1));
                    }
                }
            }
        }
        assert!(
            agree * 1000 >= counted * 985 && counted > 5000,
            "{name}: {agree} of {counted}"
        );
    }
}

#[test]
fn boxes_with_their_margin_are_all_that_is_seen_of_a_picture() {
    let dir = tempfile::tempdir().expect("a folder");
    dataset(dir.path(), 4, &[]);
    let picture = image::open(dir.path().join("2.png")).expect("a picture");
    let mask = image::open(dir.path().join("2_mask.png")).expect("a mask");
    // 10 × 20 pixels at (4, 30), and a fifth of that on each side as far as the picture reaches.
    for (name, whole) in [("cut.png", &picture), ("cut_mask.png", &mask)] {
        whole
            .crop_imm(2, 26, 14, 28)
            .save(dir.path().join(name))
            .expect("writes");
    }
    let manifest = "path,split,category,mask,box\n2.png,train,dress,2_mask.png,4 30 14 50\n\
                    cut.png,train,hats,cut_mask.png,\n2.png,train,bags,,39 0 45 9\n";
    std::fs::write(dir.path().join("manifest.csv"), manifest).expect("writes");
    let spec = InputSpec {
        margin: 0.2,
        ..InputSpec::new(24, 32, Fit::Pad)
    };
    let mut data = Dataset::open(dir.path()).expect("a dataset");
    data.label_by_category().expect("every row has a category");
    assert_eq!(
        data.rows.iter().map(|row| row.labels.as_str()).collect::<Vec<_>>(),
        ["tops", "other", "bags"]
    );
    let source = Source {
        images: Arc::new(Images::new(Arc::new(data)).with_margin_of(&spec)),
        spec: spec.clone(),
        augment: None,
        recolour: None,
        maps: Some((32, 24)),
        pool: None,
    };
    let plan = |row| Plan {
        batches: vec![vec![row]],
        seed: 1,
        epoch: 0,
    };
    let load = |row| Loader::open(source.clone(), plan(row)).next().expect("a batch");
    let (boxed, cut) = (load(0).expect("readable"), load(1).expect("readable"));
    assert!(boxed.pixels == cut.pixels && boxed.maps == cut.maps && boxed.maps[0].is_some());
    // A query's crop gets the same margin.
    let photo = Photo::read(&dir.path().join("2.png")).expect("readable");
    let crop = source.images.dataset().rows[0].bounds;
    assert_eq!(
        spec.to_chw(photo.pixels().expect("pixels"), crop).expect("inside"),
        boxed.pixels
    );

    let error = format!("{:#}", load(2).expect_err("42 columns end before 45"));
    assert!(
        error.contains("2.png (line 4)") && error.contains("not inside"),
        "{error}"
    );
    // A training names it before it begins.
    let mut data = Dataset::open(dir.path()).expect("a dataset");
    let error = data
        .leave_out_corrupt(|_| true, false, Limit::Recipe(0))
        .expect_err("one box")
        .to_string();
    assert!(
        error.contains("2.png (line 4): its box 39 0 45 9 leaves its 42 × 60 pixels"),
        "{error}"
    );
    for wrong in ["1 2 3", "5 5 5 9", "a b c d", "-1 0 4 4"] {
        std::fs::write(
            dir.path().join("manifest.csv"),
            format!("path,split,box\n2.png,train,{wrong}\n"),
        )
        .expect("writes");
        let error = format!("{:#}", Dataset::open(dir.path()).expect_err(wrong));
        assert!(error.contains("line 2") && error.contains("x0 y0 x1 y1"), "{error}");
    }
}

#[test]
fn saturation_moves_colours_towards_grey_or_away_and_leaves_grey_alone() {
    use rand::SeedableRng;
    let spec = InputSpec::new(2, 2, Fit::Stretch);
    let augment = Augment {
        saturation: 0.5,
        ..Augment::default()
    };
    let seen = |rgb: [u8; 3], seed: u64| -> [f32; 3] {
        let photo = Photo::from(image::DynamicImage::from(RgbImage::from_pixel(2, 2, Rgb(rgb))));
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let (chw, _) = augment.apply(&photo, &spec, &mut rng).expect("a picture");
        [0, 1, 2].map(|c| (chw[4 * c] * spec.std[c] + spec.mean[c]) * 255.0)
    };
    let luma = |rgb: [f32; 3]| 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
    let spreads: Vec<f32> = (0..16)
        .map(|seed| seen([200, 100, 50], seed))
        .map(|rgb| {
            assert!(
                (luma(rgb) - luma([200.0, 100.0, 50.0])).abs() < 0.01,
                "as bright as before: {rgb:?}"
            );
            rgb[0] - rgb[2]
        })
        .collect();
    assert!(
        spreads.iter().all(|spread| (75.0 - 0.01..=225.01).contains(spread)),
        "{spreads:?}"
    );
    assert!(
        spreads.iter().any(|s| *s < 130.0) && spreads.iter().any(|s| *s > 170.0),
        "{spreads:?}"
    );
    assert!(seen([90; 3], 3).iter().all(|value| (value - 90.0).abs() < 0.01));
}

#[test]
fn too_many_damaged_pictures_are_an_error_that_names_them() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut data = dataset(dir.path(), 6, &[1, 4]);
    let error = format!(
        "{:#}",
        data.leave_out_corrupt(|_| true, false, Limit::Recipe(1))
            .expect_err("one too many")
    );
    for part in ["2 pictures", "1.png", "4.png", "data.max_corrupt"] {
        assert!(error.contains(part), "{error}");
    }
    // A mask of another size than its photo counts only where masks are used.
    GrayImage::new(3, 3)
        .save(dir.path().join("2_mask.png"))
        .expect("writes");
    for (masks, left) in [(false, 4), (true, 3)] {
        let mut data = Dataset::open(dir.path()).expect("a dataset");
        data.leave_out_corrupt(|_| true, masks, Limit::Recipe(3))
            .expect("within the limit");
        assert_eq!(data.split("train", |_| true, "").expect("rows").len(), left);
    }
}
