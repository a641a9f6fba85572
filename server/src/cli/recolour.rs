//! `selvedge dataset recolour`: photos of a dataset with their garments in other colours, as a dataset.

use super::print;
use super::shop::bar;
use anyhow::Context;
use clap::Args;
use dataset::atomic;
use dataset::import::format_of;
use dataset::manifest::{MANIFEST, TRAIN};
use dataset::recolour::{Coverage, Extent, recolour};
use dataset::{Dataset, Images, Limit, MaxErrors, Row};
use device::DeviceChoice;
use evaluation::segmentation;
use image::codecs::jpeg::JpegEncoder;
use image::{GrayImage, ImageFormat, RgbImage};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use render::lay_out;
use serde::Serialize;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Quality of the JPEGs: what a photo loses by being stored again is not to tell copies from originals.
const QUALITY: u8 = 95;
/// Side of each picture's place on the sheet.
const CELL: u32 = 200;
/// Photos on the sheet at most.
const SHEET: usize = 24;

/// `selvedge dataset recolour`
#[derive(Debug, Args)]
pub struct RecolourArgs {
    /// Folder of the dataset.
    dir: PathBuf,
    /// The folder to make: a dataset of the recoloured photos, in the split 'train' with their sources' labels.
    #[arg(long)]
    out: PathBuf,
    /// Folder of a segmentation bundle, for photos without masks; it also says which ids of masks are garments.
    #[arg(long, value_name = "BUNDLE")]
    segmenter: Option<PathBuf>,
    /// Ids of skin, hair and the like in the photos' own masks, 0 being the background: 41,19 for ccp, 2 for a rendered
    /// shop.
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    person: Vec<u8>,
    /// Only photos that carry one of these labels.
    #[arg(long, value_delimiter = ',')]
    labels: Vec<String>,
    /// Recoloured photos of each.
    #[arg(long, default_value_t = 1)]
    copies: usize,
    /// Seed of the colours.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Turn the hues of the whole picture, skin and surroundings too, as published; a black, white or grey garment alone gets
    /// another shade.
    #[arg(long)]
    whole: bool,
    /// Photos at most, taken evenly.
    #[arg(long)]
    limit: Option<usize>,
    /// Also list the dataset's own photos, where they are, to train on both.
    #[arg(long)]
    with_originals: bool,
    /// Also write a page of photos before and after.
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    /// Share of the photos that may be unreadable; they are named and left out.
    #[arg(long, value_name = "SHARE", default_value_t)]
    max_errors: MaxErrors,
}

/// A line of the manifest.
#[derive(Serialize)]
struct Line<'a> {
    path: String,
    split: &'a str,
    labels: &'a str,
    item_id: &'a str,
    category: &'a str,
    domain: &'a str,
    mask: String,
    dup_group: &'a str,
    r#box: String,
    several_splits: &'a str,
}

impl<'a> Line<'a> {
    /// Rows without an item are their own, under the name of their file.
    fn of(row: &'a Row, path: String, mask: String) -> Self {
        Self {
            path,
            split: &row.split,
            labels: &row.labels,
            item_id: if row.item_id.is_empty() {
                &row.path
            } else {
                &row.item_id
            },
            category: &row.category,
            domain: &row.domain,
            mask,
            dup_group: &row.dup_group,
            r#box: String::new(),
            several_splits: if row.several_splits { "yes" } else { "" },
        }
    }
}

pub(super) fn recolour_dataset(args: &RecolourArgs, device: DeviceChoice) -> anyhow::Result<()> {
    anyhow::ensure!(
        !args.out.exists(),
        "{} is there already; name another folder with --out",
        args.out.display()
    );
    anyhow::ensure!(args.copies > 0, "--copies must be at least 1");
    let mut dataset = Dataset::open(&args.dir)?;
    dataset.leave_out_corrupt(|row| is_chosen(row, args), true, Limit::Share(args.max_errors))?;
    let rows = chosen(&dataset, args)?;
    let images = Arc::new(Images::keeping(Arc::new(dataset), 0));
    let bare = rows
        .iter()
        .filter(|row| images.dataset().rows[**row].mask.is_empty())
        .count();
    let finding = bar(bare, "segmenting");
    let person = (!args.person.is_empty()).then_some(&args.person[..]);
    let garments = segmentation::garments(
        &images,
        &rows,
        person,
        args.segmenter.as_deref(),
        &device.open()?,
        || finding.inc(1),
    )?;
    finding.finish_and_clear();

    let work = Work {
        args,
        images: &images,
        out: &args.out,
    };
    let mut table = csv::Writer::from_writer(Vec::new());
    let (mut page, mut n, mut plain) = (Vec::new(), 0, 0);
    let every = rows.len().div_ceil(SHEET);
    let bar = bar(rows.len(), "recolouring");
    for (at, row) in rows.iter().copied().enumerate() {
        bar.inc(1);
        let Some(garment) = garments.of(&images, row)? else {
            continue;
        };
        let before = images.get(row)?.to_rgb();
        let copies = work.copies(row, &before, &garment);
        if copies.is_empty() {
            plain += 1;
            continue;
        }
        let mask = work.write_mask(row)?;
        for (copy, picture) in copies.iter().enumerate() {
            let path = work.write_picture(row, copy, picture)?;
            table.serialize(Line::of(&images.dataset().rows[row], path, mask.clone()))?;
            n += 1;
        }
        if args.sheet.is_some() && at.is_multiple_of(every) {
            page.push(before);
            page.extend(copies);
        }
    }
    bar.finish_and_clear();
    anyhow::ensure!(n > 0, "none of {} photos shows a garment", rows.len());
    if args.with_originals {
        let home = std::fs::canonicalize(&args.dir)?;
        let place = |path: &str| {
            if path.is_empty() {
                String::new()
            } else {
                home.join(path).display().to_string()
            }
        };
        let dataset = images.dataset();
        for (_, row) in dataset
            .rows
            .iter()
            .enumerate()
            .filter(|(at, _)| !dataset.left_out.contains(at))
        {
            let r#box = row.bounds.map_or_else(String::new, |b| {
                format!("{} {} {} {}", b.x, b.y, b.x + b.width, b.y + b.height)
            });
            table.serialize(Line {
                r#box,
                ..Line::of(row, place(&row.path), place(&row.mask))
            })?;
        }
    }
    // Last, so that a folder with a manifest is whole.
    atomic::write(&args.out.join(MANIFEST), &table.into_inner()?)?;
    if plain > 0 {
        eprintln!("{plain} photos show next to no garment and were left out");
    }
    eprintln!("recoloured {} photos into {n}", rows.len() - plain);
    if let Some(path) = &args.sheet {
        // Whole groups of before and after in a row, as many as fill it.
        let columns = (args.copies + 1) * (8 / (args.copies + 1)).max(1);
        let page = lay_out(&page, columns, CELL);
        page.save(path)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    print(&args.out.display().to_string())
}

/// True if a row is to be recoloured, provided there is room for it.
fn is_chosen(row: &Row, args: &RecolourArgs) -> bool {
    let labels = &args.labels;
    row.split == TRAIN && (labels.is_empty() || row.labels().any(|label| labels.iter().any(|wanted| wanted == label)))
}

/// Training rows with one of the labels, as many as are wanted.
fn chosen(dataset: &Dataset, args: &RecolourArgs) -> anyhow::Result<Vec<usize>> {
    let known = dataset.vocabulary();
    if let Some(label) = args.labels.iter().find(|label| !known.contains(label)) {
        anyhow::bail!(
            "no photo of {} carries the label '{label}'; it has {}",
            args.dir.display(),
            known.join(", ")
        );
    }
    let rows = dataset.split(TRAIN, |row| is_chosen(row, args), " with one of these labels")?;
    let limit = args.limit.unwrap_or(rows.len()).clamp(1, rows.len());
    Ok((0..limit).map(|at| rows[at * rows.len() / limit]).collect())
}

struct Work<'a> {
    args: &'a RecolourArgs,
    images: &'a Images,
    out: &'a Path,
}

impl Work<'_> {
    /// Recoloured copies of a row's photo; none if it shows no garment.
    fn copies(&self, row: usize, before: &RgbImage, garment: &Coverage) -> Vec<RgbImage> {
        let extent = if self.args.whole {
            Extent::Whole
        } else {
            Extent::Garment
        };
        let copy = |copy: usize| {
            let mut rng = ChaCha8Rng::seed_from_u64(self.args.seed);
            // One stream a copy: other labels or limits change none of the others' colours.
            rng.set_stream(((row as u64) << 16) | copy as u64);
            let mut picture = before.clone();
            recolour(&mut picture, garment, extent, &mut rng).then_some(picture)
        };
        (0..self.args.copies).filter_map(copy).collect()
    }

    fn write_picture(&self, row: usize, copy: usize, picture: &RgbImage) -> anyhow::Result<String> {
        let dataset = self.images.dataset();
        let png = format_of(&dataset.dir.join(&dataset.rows[row].path)) == Some(ImageFormat::Png);
        let path = format!("images/{row:06}_{copy}.{}", if png { "png" } else { "jpg" });
        let mut bytes = Cursor::new(Vec::new());
        if png {
            picture.write_to(&mut bytes, ImageFormat::Png)?;
        } else {
            JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(picture)?;
        }
        self.write(path, &bytes.into_inner())
    }

    /// The mask that all copies share, or an empty path.
    fn write_mask(&self, row: usize) -> anyhow::Result<String> {
        let Some(mask) = self.images.mask(row)? else {
            return Ok(String::new());
        };
        let map = GrayImage::from_raw(mask.width(), mask.height(), mask.ids().to_vec()).context("a mask has ids")?;
        let mut bytes = Cursor::new(Vec::new());
        map.write_to(&mut bytes, ImageFormat::Png)?;
        self.write(format!("masks/{row:06}.png"), &bytes.into_inner())
    }

    fn write(&self, path: String, bytes: &[u8]) -> anyhow::Result<String> {
        let file = self.out.join(&path);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        std::fs::write(&file, bytes).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(path)
    }
}
