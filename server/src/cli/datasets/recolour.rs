//! `selvedge dataset recolour`: a dataset of photos whose garments are recoloured.

use crate::cli::output::{print_path, progress_bar};
use anyhow::{Context, ensure};
use clap::Args;
use dataset::recolour::Extent;
use dataset::recoloured::{CopyOptions, RecolouredDataset, candidates, is_candidate};
use dataset::{Dataset, Garments, Images, Limit, MaxErrors, contact_sheet};
use device::DeviceChoice;
use evaluation::segmentation;
use image::RgbImage;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Side of every cell of the contact sheet in pixels.
const CELL: u32 = 200;
/// Maximum number of photos on the contact sheet.
const SHEET: usize = 24;

/// Arguments of `selvedge dataset recolour`.
#[derive(Debug, Args)]
pub(crate) struct RecolourArgs {
    /// Dataset folder
    dir: PathBuf,
    /// Folder of the new dataset, which has the recoloured photos in the split 'train' with the labels of their sources
    #[arg(long)]
    out: PathBuf,
    /// Folder of a segmentation bundle, for photos without masks; its manifest also tells which mask ids are garments
    #[arg(long, value_name = "BUNDLE")]
    segmenter: Option<PathBuf>,
    /// Mask ids of skin, hair and the like, if 0 is the background: 41,19 for ccp, 2 for a rendered shop
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    person: Vec<u8>,
    /// Only photos with one of these labels
    #[arg(long, value_delimiter = ',')]
    labels: Vec<String>,
    /// Number of recoloured copies per photo
    #[arg(long, default_value_t = 1)]
    copies: usize,
    /// Random seed of the colours
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Rotate the hues of the whole photo, skin and surroundings included, as published. A black, white or grey garment only
    /// changes its shade
    #[arg(long)]
    whole: bool,
    /// Maximum number of photos, spread evenly
    #[arg(long)]
    limit: Option<usize>,
    /// Also list the dataset's own photos, at their paths, to train on both
    #[arg(long)]
    with_originals: bool,
    /// Also write a contact sheet of photos and their copies
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    /// Maximum number or share of unreadable photos, such as 5 or 1%; they are listed and left out
    #[arg(long, value_name = "SHARE", default_value_t)]
    max_errors: MaxErrors,
}

/// Counts of a run, and the cells of its contact sheet.
#[derive(Default)]
struct Written {
    copies: usize,
    /// Photos that show next to no garment.
    without_garment: usize,
    cells: Vec<RgbImage>,
}

pub(super) fn recolour(args: &RecolourArgs, device: DeviceChoice) -> anyhow::Result<()> {
    ensure!(
        !args.out.exists(),
        "{} exists already; name another folder with --out",
        args.out.display()
    );
    ensure!(args.copies > 0, "--copies must be at least 1");
    let mut dataset = Dataset::open(&args.dir)?;
    dataset.leave_out_corrupt(
        |row| is_candidate(row, &args.labels),
        true,
        Limit::Share(args.max_errors),
    )?;
    let rows = candidates(&dataset, &args.labels, args.limit)?;
    let images = Arc::new(Images::keeping(Arc::new(dataset), 0));
    let garments = find_garments(args, &images, &rows, device)?;
    let written = write_dataset(args, &images, &rows, &garments)?;
    if written.without_garment > 0 {
        eprintln!(
            "{} photos show next to no garment and were left out",
            written.without_garment
        );
    }
    eprintln!(
        "recoloured {} photos into {}",
        rows.len() - written.without_garment,
        written.copies
    );
    if let Some(path) = &args.sheet {
        write_sheet(path, &written.cells, args.copies)?;
    }
    print_path(&args.out)
}

/// Finds the garments of the rows, by their masks or by the segmentation bundle.
fn find_garments(
    args: &RecolourArgs,
    images: &Arc<Images>,
    rows: &[usize],
    device: DeviceChoice,
) -> anyhow::Result<Garments> {
    let without_mask = rows
        .iter()
        .filter(|row| images.dataset().rows[**row].mask.is_empty())
        .count();
    let bar = progress_bar(without_mask, "segmenting");
    let person = (!args.person.is_empty()).then_some(&args.person[..]);
    let bundle = args.segmenter.as_deref();
    let garments = segmentation::garments(images, rows, person, bundle, &device.open()?, || bar.inc(1))?;
    bar.finish_and_clear();
    Ok(garments)
}

fn write_dataset(args: &RecolourArgs, images: &Images, rows: &[usize], garments: &Garments) -> anyhow::Result<Written> {
    let options = CopyOptions {
        copies: args.copies,
        seed: args.seed,
        extent: if args.whole { Extent::Whole } else { Extent::Garment },
    };
    let mut dataset = RecolouredDataset::new(images, &args.out, options);
    let mut written = Written::default();
    let every = rows.len().div_ceil(SHEET);
    let bar = progress_bar(rows.len(), "recolouring");
    for (at, row) in rows.iter().copied().enumerate() {
        bar.inc(1);
        let Some(garment) = garments.coverage(images, row)? else {
            continue;
        };
        let photo = images.get(row)?.to_rgb();
        let copies = dataset.add(row, &photo, &garment)?;
        if copies.is_empty() {
            written.without_garment += 1;
            continue;
        }
        written.copies += copies.len();
        if args.sheet.is_some() && at.is_multiple_of(every) {
            written.cells.push(photo);
            written.cells.extend(copies);
        }
    }
    bar.finish_and_clear();
    ensure!(written.copies > 0, "none of {} photos shows a garment", rows.len());
    if args.with_originals {
        dataset.add_originals()?;
    }
    dataset.finish()?;
    Ok(written)
}

/// Writes a contact sheet with complete groups of a photo and its copies per row.
fn write_sheet(path: &Path, cells: &[RgbImage], copies: usize) -> anyhow::Result<()> {
    let columns = (copies + 1) * (8 / (copies + 1)).max(1);
    contact_sheet(cells, columns, CELL)
        .save(path)
        .with_context(|| format!("cannot write {}", path.display()))
}
