//! Recoloured photos: a dataset like their source's, with the person and the surroundings as they were.

use super::selvedge;
use dataset::{Dataset, Images};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

fn run(dir: &Path, args: &[&str]) -> Result<String, String> {
    let output = selvedge()
        .args(args)
        .current_dir(dir)
        .output()
        .expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}

/// Mean difference of two photos' pixels, for garment and for the rest of the mask.
fn changes(before: (&Images, usize), after: (&Images, usize)) -> [f64; 2] {
    let rgb = |(images, row): (&Images, usize)| images.get(row).expect("a photo").to_rgb().into_raw();
    let mask = before.0.mask(before.1).expect("readable").expect("a mask");
    assert_eq!(after.0.mask(after.1).expect("readable").expect("a mask"), mask);
    let (mut sum, mut n) = ([0.0; 2], [1e-9; 2]);
    for ((a, b), id) in rgb(before)
        .chunks_exact(3)
        .zip(rgb(after).chunks_exact(3))
        .zip(mask.ids())
    {
        let rest = usize::from(*id == 0 || *id == 2);
        sum[rest] += (0..3).map(|c| f64::from(a[c].abs_diff(b[c]))).sum::<f64>();
        n[rest] += 1.0;
    }
    [0, 1].map(|part| sum[part] / n[part])
}

#[test]
fn a_shop_is_recoloured_into_a_dataset_of_its_own() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    run(
        dir,
        &[
            "dataset", "render", "--items", "12", "--size", "96", "--seed", "2", "--out", "shop",
        ],
    )
    .expect("renders");
    let recolour = |args: &[&str]| run(dir, &[&["--device", "cpu", "dataset", "recolour"], args].concat());
    let shop = Dataset::open(&dir.join("shop")).expect("a dataset");
    let label = shop
        .rows
        .iter()
        .find(|row| row.split == "train")
        .and_then(|row| row.labels().next())
        .expect("a label");
    let wanted: Vec<usize> = shop
        .split("train", |row| row.labels().any(|l| l == label), "")
        .expect("rows with that label");

    let arguments = [
        "shop",
        "--person",
        "2",
        "--labels",
        label,
        "--copies",
        "2",
        "--sheet",
        "sheet.png",
    ];
    recolour(&[&arguments[..], &["--with-originals", "--out", "a"]].concat()).expect("recolours");
    recolour(&[&arguments[..], &["--out", "b"]].concat()).expect("recolours");
    let opened = |name: &str| Dataset::open(&dir.join(name)).expect("a dataset");
    let (a, b) = (opened("a"), opened("b"));
    assert_eq!(
        (a.rows.len(), b.rows.len()),
        (2 * wanted.len() + shop.rows.len(), 2 * wanted.len())
    );
    for row in &b.rows {
        let read = |folder: &str| fs::read(dir.join(folder).join(&row.path)).expect("a photo");
        assert!(read("a") == read("b"), "the same seed gives the same bytes");
    }
    let mut copies: BTreeMap<&str, usize> = BTreeMap::new();
    let images = [Images::new(Arc::new(shop.clone())), Images::new(Arc::new(a.clone()))];
    for (at, row) in b.rows.iter().enumerate() {
        let source = wanted[at / 2];
        let of = &shop.rows[source];
        assert_eq!(
            (&row.split, &row.labels, &row.item_id, &row.category),
            (&of.split, &of.labels, &of.item_id, &of.category)
        );
        *copies.entry(&row.item_id).or_default() += 1;
        let [garment, rest] = changes((&images[0], source), (&images[1], at));
        // What JPEG loses, and bleeds over the garment's edge, is little beside another colour.
        assert!(
            garment > 8.0 && rest < 5.0 && garment > 3.0 * rest,
            "{}: {garment} {rest}",
            of.path
        );
    }
    for (at, row) in shop.rows.iter().enumerate() {
        let listed = &a.rows[b.rows.len() + at];
        assert_eq!((&listed.split, &listed.item_id), (&row.split, &row.item_id));
        assert!(
            dir.join("a").join(&listed.path).is_file(),
            "{} is not there",
            listed.path
        );
    }
    assert!(image::open(dir.join("sheet.png")).is_ok());

    let bare: String = fs::read_to_string(dir.join("shop/manifest.csv")).expect("a manifest");
    for row in &shop.rows {
        let copy = dir.join("bare").join(&row.path);
        fs::create_dir_all(copy.parent().expect("a folder")).expect("creates");
        fs::copy(dir.join("shop").join(&row.path), copy).expect("copies");
    }
    let column = bare
        .lines()
        .next()
        .expect("a header")
        .split(',')
        .position(|name| name == "mask")
        .expect("masks");
    let without: String = bare
        .lines()
        .enumerate()
        .map(|(at, line)| {
            let cell = |(i, cell)| if i == column && at > 0 { "" } else { cell };
            line.split(',').enumerate().map(cell).collect::<Vec<_>>().join(",") + "\n"
        })
        .collect();
    fs::write(dir.join("bare/manifest.csv"), without).expect("writes");
    tests::fixture::write_style_bundle(&dir.join("style")).expect("writes");
    for (arguments, said) in [
        (vec!["shop", "--person", "2", "--out", "a"], "exists already"),
        (vec!["shop", "--out", "c"], "do not say what is garment"),
        (
            vec!["shop", "--person", "2", "--labels", "raer", "--out", "c"],
            "has the label 'raer'",
        ),
        (
            vec!["bare", "--person", "2", "--out", "c"],
            "has a mask, and there is no network",
        ),
        (
            vec!["bare", "--segmenter", "style", "--out", "c"],
            "not for segmentation",
        ),
        (vec!["shop", "--person", "1,2", "--out", "c"], "shows a garment"),
    ] {
        let error = recolour(&arguments).expect_err(said);
        assert!(error.contains(said), "{arguments:?}: {error}");
    }
}

#[test]
fn a_recipe_recolours_rare_labels_while_training() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    run(
        dir,
        &[
            "dataset", "render", "--items", "24", "--size", "48", "--seed", "2", "--out", "shop",
        ],
    )
    .expect("renders");
    let recipe = "name = 'tiny'\nseed = 3\nepochs = 1\n[data]\ndir = 'shop'\nholdout = 0.3\n[input]\nwidth = 24\n\
        height = 24\nfit = 'pad'\n[optimiser]\nbatch = 8\nrate = 0.01\n[recolour]\nprobability = 1\nbelow = 1000\n\
        person = [2]\n[task]\nkind = 'style'\nbackbone = 'resnet10_w16'\nhidden = 8\n";
    fs::write(dir.join("recipe.toml"), recipe).expect("writes");
    let train = |out: &str, settings: &[&str]| {
        let settings = settings.iter().flat_map(|setting| ["--set", setting]);
        let args = ["--device", "cpu", "train", "recipe.toml", "--out", out];
        run(dir, &args.into_iter().chain(settings).collect::<Vec<_>>())
    };
    let loss = |out: &str| {
        let lines = fs::read_to_string(dir.join(out).join("metrics.jsonl")).expect("metrics");
        let line: serde_json::Value = serde_json::from_str(lines.lines().next().expect("an epoch")).expect("JSON");
        line["train_loss"].as_f64().expect("a number")
    };
    for (out, settings) in [
        ("a", &[][..]),
        ("b", &[]),
        ("plain", &["recolour=null"]),
        ("none", &["recolour.below=1"]),
    ] {
        train(out, settings).expect("trains");
    }
    assert_eq!(loss("a"), loss("b"), "the seed decides");
    assert_ne!(loss("a"), loss("plain"), "other colours, another loss");
    assert_eq!(loss("none"), loss("plain"), "no label is that rare");
    // The sheet of what a recipe does shows the other colours, and nothing else where only they are on.
    for (out, settings) in [("sheet.png", &[][..]), ("bare.png", &["--set", "recolour=null"])] {
        let args = [
            "--device",
            "cpu",
            "dataset",
            "augmented",
            "recipe.toml",
            "--photos",
            "3",
            "--draws",
            "2",
            "--out",
            out,
        ];
        run(dir, &[&args, settings].concat()).expect("lays pictures out");
    }
    let pixels = |name: &str| image::open(dir.join(name)).expect("a picture").to_rgb8();
    assert_ne!(pixels("sheet.png"), pixels("bare.png"));
    for (settings, said) in [
        (&["recolour.labels=['raer']"][..], "'raer'"),
        (&["recolour.probability=0"], "recolour.probability must"),
        (&["recolour.person=null"], "recolour.segmenter"),
        (&["recolour.segmenter='shop'"], "shop is not a bundle"),
    ] {
        let error = train("c", settings).expect_err(said);
        assert!(error.contains(said), "{settings:?}: {error}");
    }
}
