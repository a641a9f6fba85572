//! Photos that cannot be embedded.

use std::collections::BTreeMap;
use std::fs;

use anyhow::ensure;
use service::catalog::{EmbedJob, PhotoFiles, embed_images};
use service::embed::EmbedError;
use shared::input::{Fit, InputSpec};
use store::{Element, Expected, ImageKey, Product, ProductImage, Store};

/// Lower bound of the values of a white photo's input.
const WHITE: f32 = 1.0;

/// A folder with a store of four products. Photo 1 is white, photo 2 is no image, and photo 3 is missing.
fn place() -> (tempfile::TempDir, Store, PhotoFiles) {
    let place = tempfile::tempdir().expect("a temporary folder is created");
    let store = Store::open(&place.path().join("store")).expect("the store opens");
    for number in 0..4u8 {
        let source = format!("{number}.png");
        let path = place.path().join(&source);
        let grey = if number == 1 { 255 } else { 40 * (number + 1) };
        let photo = image::RgbImage::from_pixel(8, 8, image::Rgb([grey; 3]));
        photo.save(&path).expect("the photo is written");
        if number == 2 {
            fs::write(&path, "no image").expect("the photo is replaced");
        }
        let bytes = fs::read(&path).expect("the photo is readable");
        if number == 3 {
            fs::remove_file(&path).expect("the photo is removed");
        }
        let product = Product {
            id: number.to_string(),
            names: BTreeMap::from([("en".into(), "x".into())]),
            images: vec![ProductImage::new(source, ImageKey::of_bytes(&bytes).to_string())],
            ..Product::default()
        };
        store.upsert(&product, Expected::Any).expect("the product is stored");
    }
    let files = PhotoFiles::new(Some(place.path()), store.dir());
    (place, store, files)
}

/// True if the input is that of the white photo.
fn is_white(input: &[f32]) -> bool {
    input.iter().all(|value| *value >= WHITE)
}

#[test]
fn a_photo_on_which_the_model_fails_blocks_no_other_and_one_that_cannot_be_read_waits() {
    type Model = fn(Vec<Vec<f32>>) -> anyhow::Result<Vec<Vec<f32>>>;
    let fails: Model = |inputs| {
        ensure!(!inputs.iter().any(|input| is_white(input)), "too bright");
        Ok(vec![vec![1.0, 0.0]; inputs.len()])
    };
    let returns_nan: Model = |inputs| {
        let output = |input: &Vec<f32>| vec![if is_white(input) { f32::NAN } else { 1.0 }, 0.0];
        Ok(inputs.iter().map(output).collect())
    };
    let broken: Model = |_| anyhow::bail!("the device is lost");
    let busy: Model = |_| Err(EmbedError::Closed.into());
    // Embedded and failed photos. A model that fails on everything says nothing about the photos.
    for (name, mut model, expected) in [
        ("fails", fails, (1, 2)),
        ("returns NaN", returns_nan, (1, 2)),
        ("broken", broken, (0, 1)),
        ("busy", busy, (0, 1)),
    ] {
        let (_place, store, files) = place();
        let generation = store.begin_generation("m", 2, Element::F32).expect("it begins").number;
        let spec = InputSpec::new(8, 8, Fit::Stretch);
        let job = EmbedJob {
            store: &store,
            generation,
            files: &files,
            spec: &spec,
            batch: 10,
        };
        let pending = store.pending(generation, 0, job.batch).expect("the photos wait");
        let batch = embed_images(&job, &pending, &mut model);
        let progress = store.progress(generation).expect("the store is readable");
        assert_eq!((progress.embedded, progress.failed), expected, "{name}: {batch:?}");
        match batch {
            Ok(batch) => {
                assert_eq!(batch.unreadable.count, 1, "{name}");
                assert!(batch.unreadable.first.contains("3.png"), "{name}: {}", batch.unreadable);
                assert!(batch.failed[1].0.contains("1.png"), "{name}: {:?}", batch.failed);
            }
            Err(error) => assert_eq!(expected.0, 0, "{name}: {error}"),
        }
    }
}
