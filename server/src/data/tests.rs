//! The loader on pictures made on the spot: the same batches on any number of threads, masks that stay aligned, damaged
//! files left out by name.

use super::*;
use image::{GrayImage, Luma, Rgb, RgbImage};
use shared::input::{Fit, InputSpec};
use std::path::Path;
use std::sync::Arc;

/// Writes `n` pictures of stripes, every second with a mask that says 1 where the picture is bright; those of `damaged` cannot be read.
fn dataset(dir: &Path, n: u32, damaged: &[u32]) -> Dataset {
    let mut manifest = String::from("path,split,labels,item_id,category,domain,mask\n");
    for i in 0..n {
        let bright = |x: u32, y: u32| (x / (5 + i % 4) + y / 9).is_multiple_of(3);
        let picture =
            RgbImage::from_fn(40 + i, 60, |x, y| if bright(x, y) { Rgb([230; 3]) } else { Rgb([10 + i as u8; 3]) });
        picture.save(dir.join(format!("{i}.png"))).expect("writes");
        if damaged.contains(&i) {
            std::fs::write(dir.join(format!("{i}.png")), b"\x89PNG\r\n\x1a\nno more").expect("writes");
        }
        let mask = if i % 2 == 0 { format!("{i}_mask.png") } else { String::new() };
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
    Augment { crop_width: 0.15, crop_height: 0.10, stretch: 0.1, squeeze: 0.1, flip: true, light: 0.1, erase: 0.2 }
}

#[test]
fn batches_are_the_same_on_any_number_of_threads() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut dataset = dataset(dir.path(), 24, &[3, 17]);
    dataset.leave_out_corrupt(|_| true, true, 2).expect("two may be damaged");
    let rows = dataset.split("train", |_| true, "").expect("rows");
    assert_eq!(rows.len(), 22);
    let images = Arc::new(Images::keeping(Arc::new(dataset), 0));
    let batches = |threads: usize, epoch: usize| -> Vec<Batch> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let source = Source {
            images: Arc::clone(&images),
            spec: InputSpec::new(24, 32, Fit::Pad),
            augment: Some(every_augmentation()),
            maps: Some((16, 12)),
            pool: Some(Arc::new(pool)),
        };
        let plan = Plan { batches: rows.chunks(5).map(<[usize]>::to_vec).collect(), seed: 9, epoch };
        Loader::open(source, plan).collect::<anyhow::Result<_>>().expect("readable")
    };
    let one = batches(1, 0);
    assert_eq!(one.len(), 5);
    assert!(one == batches(4, 0), "one thread and four make other bytes");
    assert!(one != batches(1, 1), "every epoch draws anew");
}

#[test]
fn each_augmentation_works_alone_and_masks_follow() {
    let dir = tempfile::tempdir().expect("a folder");
    let images = Arc::new(Images::new(Arc::new(dataset(dir.path(), 4, &[]))));
    let spec = InputSpec { mean: [0.0; 3], std: [1.0; 3], ..InputSpec::new(40, 60, Fit::Stretch) };
    let load = |augment: Option<Augment>| -> Vec<Batch> {
        (0..6)
            .map(|epoch| {
                let source = Source {
                    images: Arc::clone(&images),
                    spec: spec.clone(),
                    augment,
                    maps: Some((60, 40)),
                    pool: None,
                };
                let plan = Plan { batches: vec![vec![0, 1, 2, 3]], seed: 5, epoch };
                Loader::open(source, plan).next().expect("a batch").expect("readable")
            })
            .collect()
    };
    let off = Augment::default();
    let plain = load(None);
    assert_eq!(load(Some(off)), plain, "nothing switched on changes nothing");
    assert!(plain[0].maps[1].is_none() && plain[0].maps[2].is_some());
    for (name, augment) in [
        ("crop_width", Augment { crop_width: 0.15, ..off }),
        ("crop_height", Augment { crop_height: 0.1, ..off }),
        ("stretch", Augment { stretch: 0.1, ..off }),
        ("squeeze", Augment { squeeze: 0.1, ..off }),
        ("flip", Augment { flip: true, ..off }),
        ("all", Augment { light: 0.0, erase: 0.0, ..every_augmentation() }),
    ] {
        let batches = load(Some(augment));
        assert!(batches != plain, "{name} changes something");
        let (mut agree, mut counted) = (0, 0);
        for batch in &batches {
            for (at, map) in batch.maps.iter().enumerate() {
                let Some(map) = map else { continue };
                for (label, value) in map.iter().zip(&batch.pixels[at * spec.len()..]) {
                    assert_eq!(*label == OUTSIDE, *value == 0.0, "{name}: only what lies outside is empty");
                    // Edges are mixed by the resize; what is clearly bright or dark must be so labelled.
                    if *label != OUTSIDE && (*value - 0.45).abs() > 0.25 {
                        counted += 1;
                        agree += usize::from((*value > 0.5) == (*label == 1));
                    }
                }
            }
        }
        assert!(agree * 1000 >= counted * 985 && counted > 5000, "{name}: {agree} of {counted}");
    }
}

#[test]
fn too_many_damaged_pictures_are_an_error_that_names_them() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut data = dataset(dir.path(), 6, &[1, 4]);
    let error = format!("{:#}", data.leave_out_corrupt(|_| true, false, 1).expect_err("one too many"));
    for part in ["2 pictures", "1.png", "4.png", "data.max_corrupt"] {
        assert!(error.contains(part), "{error}");
    }
    // A mask of another size than its photo counts only where masks are used.
    GrayImage::new(3, 3).save(dir.path().join("2_mask.png")).expect("writes");
    for (masks, left) in [(false, 4), (true, 3)] {
        let mut data = Dataset::open(dir.path()).expect("a dataset");
        data.leave_out_corrupt(|_| true, masks, 3).expect("within the limit");
        assert_eq!(data.split("train", |_| true, "").expect("rows").len(), left);
    }
}
