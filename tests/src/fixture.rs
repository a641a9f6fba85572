//! Small inputs of tests: a dataset of drawn photos, and bundles with random weights.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use burn::tensor::Device;
use image::{Rgb, RgbImage};
use shared::bundle::{FORMAT, MANIFEST_FILE, Manifest, Training, WEIGHTS_FILE, describe_weights};
use shared::input::{Fit, InputSpec};
use shared::model::{Architecture, HeadConfig, Hidden, QueryConfig, RetrievalConfig, SegmentConfig, StyleConfig};
use shared::outfit::OutfitClass;
use shared::taxonomy::{Category, STYLES};
use shared::weights::{Precision, save};

/// Side of the networks' input in pixels.
pub const INPUT: usize = 48;

/// Dimension of the retrieval bundle's embeddings.
pub const DIM: usize = 24;

/// A drawn photo of 64 × 80 pixels. Other numbers give clearly different photos.
pub fn photo(number: u32) -> RgbImage {
    let hue = |shift: u32| (number * 73 + shift * 91 + 40) as u8;
    let period = 3 + number % 11;
    RgbImage::from_fn(64, 80, |x, y| {
        let along = match number % 3 {
            0 => x,
            1 => y,
            _ => x + y,
        };
        if (along / period).is_multiple_of(2) {
            Rgb([hue(0), hue(1), hue(2)])
        } else {
            Rgb([255 - hue(1), hue(2) / 2, 255 - hue(0)])
        }
    })
}

/// Copies the files of a folder and its subfolders, without the lock of a store.
///
/// # Errors
/// If a file cannot be read or written.
pub fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_folder(&source, &target)?;
        } else if entry.file_name() != "store.lock" {
            fs::copy(source, target)?;
        }
    }
    Ok(())
}

/// Writes a shop of `products` products with two shop photos and one user photo each. The first three categories alternate.
///
/// Product `n` has the id `P000n`. Its photos have the numbers `seed + 3n`, `seed + 3n + 1` (shop) and `seed + 3n + 2` (user).
///
/// # Errors
/// If a file cannot be written.
pub fn write_dataset(dir: &Path, products: u32, seed: u32) -> Result<()> {
    let mut manifest = String::from("path,split,labels,item_id,category,domain,mask\n");
    let mut lines = String::new();
    for folder in ["shop", "user"] {
        fs::create_dir_all(dir.join(folder))?;
    }
    for number in 0..products {
        let id = format!("P{number:04}");
        let category = Category::ALL[number as usize % 3].id();
        for (at, domain) in (0..).zip(["shop", "shop", "user"]) {
            let path = format!("{domain}/{id}_{at}.png");
            photo(seed + 3 * number + at).save(dir.join(&path))?;
            manifest.push_str(&format!("{path},test,casual,{id},{category},{domain},\n"));
        }
        let product = serde_json::json!({
            "id": id,
            "category": category,
            "name": { "en": format!("Item {number}"), "zh": format!("商品{number}") },
            "price": { "amount": 9900 + u64::from(number), "currency": "CNY" },
            "styles": ["casual"],
            "attributes": { "pattern": "stripe", "buttons": 3 },
            "image": format!("shop/{id}_0.png"),
        });
        lines.push_str(&format!("{product}\n"));
    }
    fs::write(dir.join("manifest.csv"), manifest)?;
    fs::write(dir.join("products.jsonl"), lines)?;
    Ok(())
}

/// Moves the photos of the first `products` products of [`write_dataset`] to the split 'train'.
///
/// # Errors
/// If the manifest cannot be read or written.
pub fn train_on_first(dir: &Path, products: u32) -> Result<()> {
    let path = dir.join("manifest.csv");
    let moved = |line: &str| {
        let first = (0..products).any(|number| line.contains(&format!(",P{number:04},")));
        if first {
            line.replacen(",test,", ",train,", 1)
        } else {
            line.to_owned()
        }
    };
    let lines: Vec<String> = fs::read_to_string(&path)?.lines().map(moved).collect();
    fs::write(path, lines.join("\n") + "\n")?;
    Ok(())
}

/// Writes the dataset `dir/shop`, with twenty products in 'train' and twenty in 'test', and retrieval bundles of these names
/// in `dir`.
///
/// # Errors
/// If a file cannot be written.
pub fn write_search(dir: &Path, bundles: &[&str]) -> Result<()> {
    write_dataset(&dir.join("shop"), 40, 0)?;
    train_on_first(&dir.join("shop"), 20)?;
    bundles
        .iter()
        .try_for_each(|name| write_retrieval_bundle(&dir.join(name)))
}

/// Writes a retrieval bundle with random weights.
///
/// # Errors
/// If a file cannot be written.
pub fn write_retrieval_bundle(dir: &Path) -> Result<()> {
    let config = RetrievalConfig {
        horizontal: vec![],
        vertical: vec![],
        ring: vec![],
        part_dim: DIM,
        last_stride: 2,
        ..RetrievalConfig::published("resnet18")
    };
    let net = config.init(&Device::flex()).context("the configuration is valid")?;
    let weights = save(&net, Precision::F32)?;
    write_bundle(
        dir,
        "tiny.retrieval",
        Architecture::Retrieval(config),
        Vec::new(),
        None,
        Precision::F32,
        &weights,
    )
}

/// Writes a style bundle for browsers with random weights.
///
/// # Errors
/// If a file cannot be written.
pub fn write_style_bundle(dir: &Path) -> Result<()> {
    let config = StyleConfig {
        backbone: "mobilenet_v3_small".into(),
        head: HeadConfig::Style {
            hidden: Hidden::new(vec![16])?,
        },
        dense: None,
        per_label: false,
        n_labels: STYLES.len(),
    };
    let net = config.init(&Device::flex()).context("the configuration is valid")?;
    let weights = save(&net, Precision::F16)?;
    let labels = STYLES.iter().map(|style| style.id.to_owned()).collect();
    write_bundle(
        dir,
        "tiny.style",
        Architecture::Style(config),
        labels,
        None,
        Precision::F16,
        &weights,
    )
}

/// Writes a category classifier that predicts `always` for every photo.
///
/// # Errors
/// If a file cannot be written.
pub fn write_category_bundle(dir: &Path, always: Category) -> Result<()> {
    let config = StyleConfig {
        backbone: "resnet10_w16".into(),
        head: HeadConfig::Style {
            hidden: Hidden::new(vec![])?,
        },
        dense: None,
        per_label: false,
        n_labels: Category::ALL.len(),
    };
    let prior = Category::ALL.map(|category| if category == always { 1.0 } else { 0.0 });
    let net = config
        .init(&Device::flex())
        .context("the configuration is valid")?
        .with_prior(&prior);
    let weights = save(&net, Precision::F16)?;
    let labels = Category::ALL.iter().map(|category| category.id().to_owned()).collect();
    write_bundle(
        dir,
        "tiny.category",
        Architecture::Style(config),
        labels,
        None,
        Precision::F16,
        &weights,
    )
}

/// Writes a segmentation network for outfits with random weights.
///
/// # Errors
/// If a file cannot be written.
pub fn write_segment_bundle(dir: &Path) -> Result<()> {
    let config = SegmentConfig {
        backbone: "efficientnet_lite_w8_s5".into(),
        bridge: Some(8),
        widths: vec![8, 8, 8],
        ids: OutfitClass::ALL.iter().map(|class| vec![*class as u8]).collect(),
    };
    let net = config.init(&Device::flex()).context("the configuration is valid")?;
    let weights = save(&net, Precision::F16)?;
    let labels = OutfitClass::ALL.iter().map(|class| class.id().to_owned()).collect();
    write_bundle(
        dir,
        "tiny.outfit",
        Architecture::Segment(config),
        labels,
        None,
        Precision::F16,
        &weights,
    )
}

/// Writes a query encoder with random weights that embeds into the space `space` of `dim` dimensions.
///
/// # Errors
/// If a file cannot be written.
pub fn write_query_bundle(dir: &Path, space: &str, dim: usize) -> Result<()> {
    let config = QueryConfig {
        backbone: "mobilenet_v3_small".into(),
        embedding_dim: dim,
        parts: None,
    };
    let net = config.init(&Device::flex()).context("the configuration is valid")?;
    let weights = save(&net, Precision::F16)?;
    write_bundle(
        dir,
        "tiny.query",
        Architecture::Query(config),
        Vec::new(),
        Some(space.into()),
        Precision::F16,
        &weights,
    )
}

fn write_bundle(
    dir: &Path,
    id: &str,
    architecture: Architecture,
    labels: Vec<String>,
    embeds_into: Option<String>,
    precision: Precision,
    weights: &[u8],
) -> Result<()> {
    let embedding_dim = match &architecture {
        Architecture::Style(_) | Architecture::Segment(_) => 0,
        Architecture::Retrieval(config) => config.embedding_dim(),
        Architecture::Query(config) => config.embedding_dim,
    };
    let manifest = Manifest {
        format: FORMAT,
        id: id.into(),
        architecture,
        input: InputSpec::new(INPUT, INPUT, Fit::Pad),
        thresholds: vec![0.5; labels.len()],
        labels,
        groups: Vec::new(),
        precise: None,
        embedding_dim,
        embeds_into,
        floor: None,
        weights: describe_weights(weights, precision, false),
        projection: None,
        training: Training {
            command: "selvedge train path/of/the/maker/recipe.toml".into(),
            data: "path/of/the/maker".into(),
            ..Training::default()
        },
        metrics: [("f2".to_owned(), 0.5)].into(),
        licence: "MIT OR Apache-2.0".into(),
    };
    fs::create_dir_all(dir)?;
    fs::write(dir.join(MANIFEST_FILE), serde_json::to_vec_pretty(&manifest)?)?;
    fs::write(dir.join(WEIGHTS_FILE), weights)?;
    Ok(())
}
