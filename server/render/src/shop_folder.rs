//! Folder of a rendered shop: images, masks, `manifest.csv`, `products.jsonl` and `samples.txt`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use rayon::prelude::*;
use serde::Serialize;

use super::camera::Shot;
use super::names::names;
use super::options::{RenderError, RenderOptions, RenderSummary};
use super::photo;
use super::spec::{ItemSpec, draw_specs};

/// Maximum number of user photos that `samples.txt` offers to visitors.
const SAMPLES: usize = 8;

/// Allowed sides of photos in pixels.
const SIDES: std::ops::RangeInclusive<u32> = 32..=2048;

/// Line of the manifest.
#[derive(Serialize)]
struct Row<'a> {
    path: &'a str,
    split: &'a str,
    labels: &'a str,
    item_id: &'a str,
    category: &'a str,
    domain: &'a str,
    mask: &'a str,
}

/// Renders a shop into the folder `options.out`: `shop/`, `user/`, `mask/`, `manifest.csv`, `products.jsonl` and, with user
/// photos, `samples.txt`.
///
/// Masks are 8-bit: 0 is background, 1 the garment, 2 a person (skin, hair and other clothes). Items are rendered in
/// parallel, and `progress` is called with 1 after each. Everything is written to a temporary folder that is renamed at the
/// end, so the folder appears complete or not at all.
///
/// # Errors
/// [`RenderError`] if an option is out of range, the folder is not empty, or a file cannot be written.
pub fn render_dataset(
    options: &RenderOptions,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<RenderSummary, RenderError> {
    if !SIDES.contains(&options.size) {
        return Err(RenderError::BadSize { size: options.size });
    }
    if options.items == 0 {
        return Err(RenderError::NoItems);
    }
    if options.shop_photos == 0 {
        return Err(RenderError::NoShopPhotos);
    }
    let out = &options.out;
    let occupied = match fs::read_dir(out) {
        Ok(mut entries) => entries.next().is_some(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => false,
        Err(source) => {
            return Err(RenderError::Io {
                path: out.clone(),
                source,
            });
        }
    };
    if occupied {
        return Err(RenderError::NotEmpty { path: out.clone() });
    }
    let work = Staging::new(out)?;
    let specs = draw_specs(options.items, options.seed, options.style_mix);
    specs.par_iter().try_for_each(|spec| -> Result<(), RenderError> {
        render_item(spec, options, &work.path)?;
        progress(1);
        Ok(())
    })?;
    write_tables(&specs, options, &work.path)?;
    work.publish(out)?;
    Ok(RenderSummary {
        items: specs.len(),
        images: specs.len() * (options.shop_photos + options.user_photos),
        out: out.clone(),
    })
}

/// Temporary folder next to the target. It is renamed to the target by [`publish`](Self::publish) and otherwise removed on
/// drop.
struct Staging {
    path: PathBuf,
    published: bool,
}

impl Staging {
    fn new(out: &Path) -> Result<Self, RenderError> {
        let name = out
            .file_name()
            .map_or_else(|| "shop".to_owned(), |n| n.to_string_lossy().into_owned());
        let path = out.with_file_name(format!(".{name}.rendering-{}", std::process::id()));
        if path.exists() {
            fs::remove_dir_all(&path).map_err(io(&path))?;
        }
        for folder in ["shop", "user", "mask"] {
            let folder = path.join(folder);
            fs::create_dir_all(&folder).map_err(io(&folder))?;
        }
        Ok(Self { path, published: false })
    }

    fn publish(mut self, out: &Path) -> Result<(), RenderError> {
        if out.exists() {
            fs::remove_dir(out).map_err(io(out))?;
        }
        fs::rename(&self.path, out).map_err(io(out))?;
        self.published = true;
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.published {
            // A failed removal is ignored, since the error that led here is reported.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> RenderError + '_ {
    move |source| RenderError::Io {
        path: path.to_owned(),
        source,
    }
}

fn render_item(spec: &ItemSpec, options: &RenderOptions, root: &Path) -> Result<(), RenderError> {
    let size = options.size as usize;
    for k in 0..options.shop_photos {
        write_shot(
            &photo::shop(spec, k, size),
            size,
            root,
            &shop_path(spec, k),
            &shop_mask(spec, k),
        )?;
    }
    for k in 1..=options.user_photos {
        write_shot(
            &photo::user(spec, k, size),
            size,
            root,
            &user_path(spec, k),
            &user_mask(spec, k),
        )?;
    }
    Ok(())
}

fn write_shot(shot: &Shot, size: usize, root: &Path, image: &str, mask: &str) -> Result<(), RenderError> {
    let side = size as u32;
    let path = root.join(image);
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, shot.quality)
        .encode(&shot.bytes(), side, side, ExtendedColorType::Rgb8)
        .map_err(|source| RenderError::Image {
            path: path.clone(),
            source,
        })?;
    fs::write(&path, &bytes).map_err(io(&path))?;
    let path = root.join(mask);
    bytes.clear();
    PngEncoder::new(&mut bytes)
        .write_image(&shot.mask, side, side, ExtendedColorType::L8)
        .map_err(|source| RenderError::Image {
            path: path.clone(),
            source,
        })?;
    fs::write(&path, &bytes).map_err(io(&path))
}

/// Path of a shop photo. `k` counts from 0.
fn shop_path(spec: &ItemSpec, k: usize) -> String {
    match k {
        0 => format!("shop/{}.jpg", spec.id),
        k => format!("shop/{}_{k}.jpg", spec.id),
    }
}

fn shop_mask(spec: &ItemSpec, k: usize) -> String {
    match k {
        0 => format!("mask/{}.png", spec.id),
        k => format!("mask/{}_shop{k}.png", spec.id),
    }
}

fn user_path(spec: &ItemSpec, k: usize) -> String {
    format!("user/{}_{k}.jpg", spec.id)
}

fn user_mask(spec: &ItemSpec, k: usize) -> String {
    format!("mask/{}_{k}.png", spec.id)
}

fn write_tables(specs: &[ItemSpec], options: &RenderOptions, root: &Path) -> Result<(), RenderError> {
    let path = root.join("manifest.csv");
    let table = |source: csv::Error| RenderError::Table {
        path: path.clone(),
        source,
    };
    let mut rows = csv::Writer::from_path(&path).map_err(table)?;
    for spec in specs {
        let labels = spec.styles.ids().join(";");
        let mut row = |path: &str, domain: &str, mask: &str| {
            rows.serialize(Row {
                path,
                split: spec.split,
                labels: &labels,
                item_id: &spec.id,
                category: spec.garment.category(),
                domain,
                mask,
            })
        };
        for k in 0..options.shop_photos {
            row(&shop_path(spec, k), "shop", &shop_mask(spec, k)).map_err(table)?;
        }
        for k in 1..=options.user_photos {
            row(&user_path(spec, k), "user", &user_mask(spec, k)).map_err(table)?;
        }
    }
    rows.flush().map_err(io(&path))?;
    let path = root.join("products.jsonl");
    let mut out = BufWriter::new(fs::File::create(&path).map_err(io(&path))?);
    for spec in specs {
        let (en, zh) = names(spec);
        let product = serde_json::json!({
            "id": spec.id,
            "category": spec.garment.category(),
            "name": { "en": en, "zh": zh },
            "price": { "amount": spec.price, "currency": "CNY" },
            "styles": spec.styles.ids(),
            "attributes": spec.attributes(),
            "image": shop_path(spec, 0),
        });
        writeln!(out, "{product}").map_err(io(&path))?;
    }
    out.flush().map_err(io(&path))?;
    if options.user_photos == 0 {
        return Ok(());
    }
    let path = root.join("samples.txt");
    let lines: String = samples(specs)
        .into_iter()
        .map(|spec| user_path(spec, 1) + "\n")
        .collect();
    fs::write(&path, lines).map_err(io(&path))
}

/// Selects the products of `samples.txt`: the split `test` first, and categories alternately.
fn samples(specs: &[ItemSpec]) -> Vec<&ItemSpec> {
    let mut by_category: BTreeMap<&str, Vec<&ItemSpec>> = BTreeMap::new();
    for spec in specs {
        by_category.entry(spec.garment.category()).or_default().push(spec);
    }
    let mut queues: Vec<_> = by_category.into_values().collect();
    queues
        .iter_mut()
        .for_each(|queue| queue.sort_by_key(|spec| spec.split != "test"));
    let longest = queues.iter().map(Vec::len).max().unwrap_or(0);
    let rounds = (0..longest).flat_map(|round| queues.iter().filter_map(move |queue| queue.get(round).copied()));
    rounds.take(SAMPLES).collect()
}
