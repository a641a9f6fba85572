//! Loader with generated images: independence of the number of threads, alignment of masks, damaged files, boxes.

use super::*;
use crate::decode::{OUTSIDE, Photo};
use crate::manifest::{Dataset, Limit};
use crate::recolour::Extent;
use image::{GrayImage, Luma, Rgb, RgbImage};
use shared::input::{Fit, InputSpec};
use shared::taxonomy::Category;
use std::path::Path;
use std::sync::Arc;

/// Writes `n` striped images. Every second one has a mask with 1 for bright pixels. Those of `damaged` cannot be decoded.
fn dataset(dir: &Path, n: u32, damaged: &[u32]) -> Dataset {
    let mut manifest = String::from("path,split,labels,item_id,category,domain,mask\n");
    for i in 0..n {
        let bright = |x: u32, y: u32| (x / (5 + i % 4) + y / 9).is_multiple_of(3);
        let image = RgbImage::from_fn(40 + i, 60, |x, y| {
            if bright(x, y) {
                Rgb([230; 3])
            } else {
                Rgb([10 + i as u8; 3])
            }
        });
        image
            .save(dir.join(format!("{i}.png")))
            .expect("the file can be written");
        if damaged.contains(&i) {
            std::fs::write(dir.join(format!("{i}.png")), b"\x89PNG\r\n\x1a\nno more").expect("the file can be written");
        }
        let mask = if i % 2 == 0 {
            format!("{i}_mask.png")
        } else {
            String::new()
        };
        if !mask.is_empty() {
            let map = GrayImage::from_fn(40 + i, 60, |x, y| Luma([u8::from(bright(x, y))]));
            map.save(dir.join(&mask)).expect("the file can be written");
        }
        manifest += &format!("{i}.png,train,a,{i},x,user,{mask}\n");
    }
    std::fs::write(dir.join("manifest.csv"), manifest).expect("the file can be written");
    Dataset::open(dir).expect("the dataset can be opened")
}

fn every_augmentation() -> Augment {
    Augment {
        crop_width: 0.15,
        crop_height: 0.10,
        resized_crop: None,
        stretch: 0.1,
        squeeze: 0.1,
        flip: true,
        light: 0.1,
        erase: 0.2,
        saturation: 0.2,
        rotate: vec![Category::Other].into(),
    }
}

#[test]
fn batches_are_the_same_on_any_number_of_threads() {
    let dir = tempfile::tempdir().expect("a temporary folder can be created");
    let mut dataset = dataset(dir.path(), 24, &[3, 17]);
    dataset
        .leave_out_corrupt(|_| true, true, Limit::Recipe(2))
        .expect("two images may be damaged");
    let rows = dataset.split("train", |_| true, "").expect("the split has rows");
    assert_eq!(rows.len(), 22);
    let images = Arc::new(Images::keeping(Arc::new(dataset), 0));
    let recolouring = Recolouring {
        rows: rows.iter().copied().collect(),
        probability: 0.5,
        extent: Extent::Garment,
        garments: Garments {
            ids: Garments::garment_ids(&[]),
            found: Default::default(),
        },
    };
    let recolouring = Some(Arc::new(recolouring));
    let batches = |threads: usize, epoch: usize, recolour: &Option<Arc<Recolouring>>| -> Vec<Batch> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("the threads can be started");
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
            .expect("the images can be read")
    };
    for recolour in [None, recolouring] {
        let one = batches(1, 0, &recolour);
        assert_eq!(one.len(), 5);
        assert!(
            one == batches(4, 0, &recolour),
            "one and four threads give equal batches"
        );
        assert!(one != batches(1, 1, &recolour), "epochs differ");
        let plain = batches(1, 0, &None);
        let size = one[0].pixels.len() / one[0].rows.len();
        let (mut same, mut other) = (0, 0);
        for (a, b) in one.iter().zip(&plain) {
            assert_eq!(a.maps, b.maps, "recolouring does not move pixels");
            let images = a
                .pixels
                .chunks_exact(size)
                .zip(b.pixels.chunks_exact(size))
                .zip(&a.maps);
            for ((a, b), map) in images {
                assert!(map.is_some() || a == b, "images without a mask are not recoloured");
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
fn masks_follow_every_augmentation() {
    let dir = tempfile::tempdir().expect("a temporary folder can be created");
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
                Loader::open(source, plan)
                    .next()
                    .expect("there is a batch")
                    .expect("the images can be read")
            })
            .collect()
    };
    let off = Augment::default();
    let plain = load(None);
    assert_eq!(load(Some(off)), plain, "a disabled augmentation changes nothing");
    assert_eq!(
        load(Some(Augment {
            rotate: vec![Category::Shoes].into(),
            ..off
        })),
        plain,
        "other categories are not rotated"
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
        (
            "resized_crop",
            Augment {
                resized_crop: Some([0.3, 1.0]),
                ..off
            },
        ),
        ("stretch", Augment { stretch: 0.1, ..off }),
        ("squeeze", Augment { squeeze: 0.1, ..off }),
        ("flip", Augment { flip: true, ..off }),
        (
            "rotate",
            Augment {
                rotate: vec![Category::Other].into(),
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
                        "{name}: only pixels outside the image are empty"
                    );
                    // The resize blends edges, but clearly bright or dark pixels must have the matching label.
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
fn images_are_cropped_to_their_boxes_with_margin() {
    let dir = tempfile::tempdir().expect("a temporary folder can be created");
    dataset(dir.path(), 4, &[]);
    let image = image::open(dir.path().join("2.png")).expect("the image can be read");
    let mask = image::open(dir.path().join("2_mask.png")).expect("the mask can be read");
    // 10 × 20 pixels at (4, 30), with a margin of a fifth on each side, clipped to the image.
    for (name, whole) in [("cut.png", &image), ("cut_mask.png", &mask)] {
        whole
            .crop_imm(2, 26, 14, 28)
            .save(dir.path().join(name))
            .expect("the file can be written");
    }
    let manifest = "path,split,category,mask,box\n2.png,train,dress,2_mask.png,4 30 14 50\n\
                    cut.png,train,hats,cut_mask.png,\n2.png,train,bags,,39 0 45 9\n";
    std::fs::write(dir.path().join("manifest.csv"), manifest).expect("the file can be written");
    let spec = InputSpec {
        margin: 0.2,
        ..InputSpec::new(24, 32, Fit::Pad)
    };
    let mut data = Dataset::open(dir.path()).expect("the dataset can be opened");
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
    let load = |row| {
        Loader::open(source.clone(), plan(row))
            .next()
            .expect("there is a batch")
    };
    let (boxed, cut) = (
        load(0).expect("the images can be read"),
        load(1).expect("the images can be read"),
    );
    assert!(boxed.pixels == cut.pixels && boxed.maps == cut.maps && boxed.maps[0].is_some());
    // The crop of a query gets the same margin.
    let photo = Photo::read(&dir.path().join("2.png")).expect("the images can be read");
    let crop = source.images.dataset().rows[0].bounds;
    assert_eq!(
        spec.to_chw(photo.pixels().expect("the image has pixels"), crop)
            .expect("the file is in the folder"),
        boxed.pixels
    );

    let error = format!("{:#}", load(2).expect_err("the box exceeds the image"));
    assert!(
        error.contains("2.png (line 4)") && error.contains("not inside"),
        "{error}"
    );
    // The check before a training names the row.
    let mut data = Dataset::open(dir.path()).expect("the dataset can be opened");
    let error = data
        .leave_out_corrupt(|_| true, false, Limit::Recipe(0))
        .expect_err("one box")
        .to_string();
    assert!(
        error.contains("2.png (line 4): its box 39 0 45 9 exceeds its 42 × 60 pixels"),
        "{error}"
    );
    for wrong in ["1 2 3", "5 5 5 9", "a b c d", "-1 0 4 4"] {
        std::fs::write(
            dir.path().join("manifest.csv"),
            format!("path,split,box\n2.png,train,{wrong}\n"),
        )
        .expect("the file can be written");
        let error = format!("{:#}", Dataset::open(dir.path()).expect_err(wrong));
        assert!(error.contains("line 2") && error.contains("x0 y0 x1 y1"), "{error}");
    }
}

#[test]
fn saturation_changes_keep_luma_and_greys() {
    use rand::SeedableRng;
    let spec = InputSpec::new(2, 2, Fit::Stretch);
    let augment = Augment {
        saturation: 0.5,
        ..Augment::default()
    };
    let augmented = |rgb: [u8; 3], seed: u64| -> [f32; 3] {
        let photo = Photo::from(image::DynamicImage::from(RgbImage::from_pixel(2, 2, Rgb(rgb))));
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let (chw, _) = augment.apply(&photo, &spec, &mut rng).expect("the image is decoded");
        [0, 1, 2].map(|c| (chw[4 * c] * spec.std[c] + spec.mean[c]) * 255.0)
    };
    let luma = |rgb: [f32; 3]| 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
    let spreads: Vec<f32> = (0..16)
        .map(|seed| augmented([200, 100, 50], seed))
        .map(|rgb| {
            assert!(
                (luma(rgb) - luma([200.0, 100.0, 50.0])).abs() < 0.01,
                "luma is unchanged: {rgb:?}"
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
    assert!(augmented([90; 3], 3).iter().all(|value| (value - 90.0).abs() < 0.01));
}

#[test]
fn too_many_damaged_images_are_an_error_that_names_them() {
    let dir = tempfile::tempdir().expect("a temporary folder can be created");
    let mut data = dataset(dir.path(), 6, &[1, 4]);
    let error = format!(
        "{:#}",
        data.leave_out_corrupt(|_| true, false, Limit::Recipe(1))
            .expect_err("one too many")
    );
    for part in ["2 images", "1.png", "4.png", "data.max_corrupt"] {
        assert!(error.contains(part), "{error}");
    }
    // A mask of another size is a fault only if masks are checked.
    GrayImage::new(3, 3)
        .save(dir.path().join("2_mask.png"))
        .expect("the file can be written");
    for (masks, left) in [(false, 4), (true, 3)] {
        let mut data = Dataset::open(dir.path()).expect("the dataset can be opened");
        data.leave_out_corrupt(|_| true, masks, Limit::Recipe(3))
            .expect("the number is within the limit");
        assert_eq!(
            data.split("train", |_| true, "").expect("the split has rows").len(),
            left
        );
    }
}
