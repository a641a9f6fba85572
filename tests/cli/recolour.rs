//! Recoloured photos: a dataset like that of their sources, in which only the garments change.

use super::{run, run_line};
use dataset::{Dataset, Images};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tests::fixture;

/// Mean absolute difference of two photos' pixels, in the garment and in the rest of the mask.
fn differences(before: (&Images, usize), after: (&Images, usize)) -> [f64; 2] {
    let rgb = |(images, row): (&Images, usize)| images.get(row).expect("the photo is readable").to_rgb().into_raw();
    let mask = |(images, row): (&Images, usize)| images.mask(row).expect("the mask is readable");
    let ids = mask(before).expect("the row has a mask");
    assert!(mask(after).is_none_or(|copy| copy == ids));
    let (mut sum, mut n) = ([0.0; 2], [1e-9; 2]);
    for ((a, b), id) in rgb(before)
        .chunks_exact(3)
        .zip(rgb(after).chunks_exact(3))
        .zip(ids.ids())
    {
        let rest = usize::from(*id == 0 || *id == 2);
        sum[rest] += (0..3).map(|c| f64::from(a[c].abs_diff(b[c]))).sum::<f64>();
        n[rest] += 1.0;
    }
    [0, 1].map(|part| sum[part] / n[part])
}

/// Draws a shop, and returns it with the first label of its training photos.
fn render(dir: &Path) -> (Dataset, String) {
    run_line(dir, "dataset render --items 12 --size 96 --seed 2 --out shop").expect("the shop is rendered");
    let shop = Dataset::open(&dir.join("shop")).expect("the dataset is valid");
    let row = shop.rows.iter().find(|row| row.split == "train");
    let label = row.and_then(|row| row.labels().next().map(str::to_owned));
    (shop, label.expect("a training photo has a label"))
}

fn recolour(dir: &Path, args: &str) -> Result<String, String> {
    run_line(dir, &format!("--device cpu dataset recolour {args}"))
}

#[test]
fn only_garments_change_and_labels_stay() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    let (shop, label) = render(dir);
    let sources: Vec<usize> = shop
        .split("train", |row| row.labels().any(|other| other == label), "")
        .expect("photos have the label");
    let options = format!("shop --person 2 --labels {label} --copies 2 --sheet sheet.png");
    recolour(dir, &format!("{options} --out copies")).expect("the photos are recoloured");
    let copies = Dataset::open(&dir.join("copies")).expect("the dataset is valid");
    assert_eq!(copies.rows.len(), 2 * sources.len());
    let images = [&shop, &copies].map(|dataset| Images::new(Arc::new(dataset.clone())));
    for (at, row) in copies.rows.iter().enumerate() {
        let source = &shop.rows[sources[at / 2]];
        assert_eq!(
            (&row.split, &row.labels, &row.item_id, &row.category),
            (&source.split, &source.labels, &source.item_id, &source.category)
        );
        let [garment, rest] = differences((&images[0], sources[at / 2]), (&images[1], at));
        // JPEG changes the rest a little, mostly at the garment's edge.
        assert!(
            garment > 8.0 && rest < 5.0 && garment > 3.0 * rest,
            "{}: {garment} {rest}",
            source.path
        );
    }
    assert!(image::open(dir.join("sheet.png")).is_ok());
}

#[test]
fn originals_can_be_listed_and_the_seed_decides_the_colours() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    let (shop, label) = render(dir);
    let options = format!("shop --person 2 --labels {label}");
    recolour(dir, &format!("{options} --with-originals --out a")).expect("the photos are recoloured");
    recolour(dir, &format!("{options} --out b")).expect("the photos are recoloured");
    let [a, b] = ["a", "b"].map(|name| Dataset::open(&dir.join(name)).expect("the dataset is valid"));
    for row in &b.rows {
        let read = |folder: &str| fs::read(dir.join(folder).join(&row.path)).expect("the photo is readable");
        assert!(read("a") == read("b"), "the same seed gives the same bytes");
    }
    assert_eq!(a.rows.len(), b.rows.len() + shop.rows.len());
    for (row, listed) in shop.rows.iter().zip(&a.rows[b.rows.len()..]) {
        assert_eq!((&listed.split, &listed.item_id), (&row.split, &row.item_id));
        assert!(dir.join("a").join(&listed.path).is_file(), "{} exists", listed.path);
    }
}

/// A copy of the shop without masks, in the folder `bare`.
fn write_without_masks(dir: &Path, shop: &Dataset) {
    for row in &shop.rows {
        let copy = dir.join("bare").join(&row.path);
        fs::create_dir_all(copy.parent().expect("the file is in a folder")).expect("the folder is created");
        fs::copy(dir.join("shop").join(&row.path), copy).expect("the file is copied");
    }
    let manifest = fs::read_to_string(dir.join("shop/manifest.csv")).expect("the manifest is readable");
    let header = manifest.lines().next().expect("the manifest has a header");
    let column = header.split(',').position(|name| name == "mask");
    let column = column.expect("the manifest has masks");
    let without_mask = |(at, line): (usize, &str)| {
        let cell = |(i, cell)| if i == column && at > 0 { "" } else { cell };
        line.split(',').enumerate().map(cell).collect::<Vec<_>>().join(",") + "\n"
    };
    let text: String = manifest.lines().enumerate().map(without_mask).collect();
    fs::write(dir.join("bare/manifest.csv"), text).expect("the manifest is written");
}

#[test]
fn the_segmenter_of_outfits_tells_what_is_garment() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    run_line(dir, "dataset render --items 8 --size 160 --seed 2 --out shop").expect("the shop is rendered");
    let shop = Dataset::open(&dir.join("shop")).expect("the dataset is valid");
    write_without_masks(dir, &shop);
    let segmenter = super::bundle("outfit");
    recolour(dir, &format!("bare --segmenter {segmenter} --out copies")).expect("the photos are recoloured");
    let copies = Dataset::open(&dir.join("copies")).expect("the dataset is valid");
    assert_eq!(copies.rows.len(), shop.rows.len());
    let images = [&shop, &copies].map(|dataset| Images::new(Arc::new(dataset.clone())));
    let rows = 0..shop.rows.len();
    let each: Vec<[f64; 2]> = rows.map(|at| differences((&images[0], at), (&images[1], at))).collect();
    let [garment, rest] = [0, 1].map(|part| each.iter().map(|pair| pair[part]).sum::<f64>() / each.len() as f64);
    // The segmenter learnt from real photos, so it does not find every drawn garment.
    assert!(garment > 20.0 && garment > 3.0 * rest, "{garment} {rest}");
}

#[test]
fn a_dataset_whose_garments_are_unknown_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    let (shop, _) = render(dir);
    write_without_masks(dir, &shop);
    fixture::write_style_bundle(&dir.join("style")).expect("the bundle is written");
    fs::create_dir(dir.join("a")).expect("the folder is created");
    for (args, says) in [
        ("shop --person 2 --out a", "exists already"),
        ("shop --out c", "do not say what is garment"),
        ("shop --person 2 --labels raer --out c", "has the label 'raer'"),
        ("bare --person 2 --out c", "has a mask, and there is no network"),
        ("bare --segmenter style --out c", "not for segmentation"),
        ("shop --person 1,2 --out c", "shows a garment"),
    ] {
        let error = recolour(dir, args).expect_err(says);
        assert!(error.contains(says), "{args}: {error}");
    }
}

const RECIPE: &str = "name = 'tiny'\nseed = 3\nepochs = 1\n[data]\ndir = 'shop'\nholdout = 0.3\n[input]\nwidth = 24\n\
    height = 24\nfit = 'pad'\n[optimiser]\nbatch = 8\nrate = 0.01\n[recolour]\nprobability = 1\nbelow = 1000\n\
    person = [2]\n[task]\nkind = 'style'\nbackbone = 'resnet10_w16'\nhidden = 8\n";

/// Draws a shop and writes a recipe that recolours all training photos.
fn write_recipe(dir: &Path) {
    run_line(dir, "dataset render --items 24 --size 48 --seed 2 --out shop").expect("the shop is rendered");
    fs::write(dir.join("recipe.toml"), RECIPE).expect("the file is written");
}

fn train(dir: &Path, out: &str, settings: &[&str]) -> Result<String, String> {
    let settings = settings.iter().flat_map(|setting| ["--set", setting]);
    let args = ["--device", "cpu", "train", "recipe.toml", "--out", out];
    run(dir, &args.into_iter().chain(settings).collect::<Vec<_>>())
}

#[test]
fn a_recipe_recolours_the_photos_of_rare_labels() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    write_recipe(dir);
    let mut losses = BTreeMap::new();
    for (out, settings) in [
        ("a", &[][..]),
        ("b", &[]),
        ("plain", &["recolour=null"]),
        ("none", &["recolour.below=1"]),
    ] {
        train(dir, out, settings).expect("the network is trained");
        let lines = fs::read_to_string(dir.join(out).join("metrics.jsonl")).expect("the metrics are readable");
        let line = lines.lines().next().expect("there is one epoch");
        let line: serde_json::Value = serde_json::from_str(line).expect("the line is JSON");
        losses.insert(out, line["train_loss"].as_f64().expect("the loss is a number"));
    }
    assert_eq!(losses["a"], losses["b"], "the seed decides");
    assert_ne!(losses["a"], losses["plain"], "other colours give another loss");
    assert_eq!(losses["none"], losses["plain"], "no label is that rare");
}

#[test]
fn the_sheet_of_a_recipe_shows_the_recoloured_photos() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    write_recipe(dir);
    for (out, settings) in [("sheet.png", ""), ("bare.png", "--set recolour=null")] {
        let line = format!("dataset augmented recipe.toml --photos 3 --draws 2 --out {out} {settings}");
        run_line(dir, &format!("--device cpu {line}")).expect("the sheet is written");
    }
    let pixels = |name: &str| image::open(dir.join(name)).expect("the sheet is readable").to_rgb8();
    assert_ne!(pixels("sheet.png"), pixels("bare.png"));
}

#[test]
fn faults_of_the_recolour_section_are_refused_by_key() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    write_recipe(dir);
    for (setting, says) in [
        ("recolour.labels=['raer']", "'raer'"),
        ("recolour.probability=0", "recolour.probability must"),
        ("recolour.person=null", "recolour.segmenter"),
        ("recolour.segmenter='shop'", "shop is not a bundle"),
    ] {
        let error = train(dir, "c", &[setting]).expect_err(says);
        assert!(error.contains(says), "{setting}: {error}");
    }
}
