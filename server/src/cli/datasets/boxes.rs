//! `selvedge dataset boxes`: accuracy of the crop boxes that are proposed without a network, against the boxes of masks; or a
//! dataset with the boxes of a segmenter.

use super::piece_boxes::{self, PieceBoxes};
use crate::cli::output::print;
use anyhow::Context;
use clap::Args;
use dataset::{Crop, Dataset, Images, Limit, Mask, MaxErrors, Row};
use device::DeviceChoice;
use evaluation::classifier::mean_of_numbers;
use evaluation::statistics::{Interval, interval};
use rayon::prelude::*;
use shared::input::CropBox;
use std::path::PathBuf;
use std::sync::Arc;

/// Arguments of `selvedge dataset boxes`.
#[derive(Debug, Args)]
pub(crate) struct BoxesArgs {
    /// Dataset folder; photos without a mask are ignored
    dir: PathBuf,
    /// Folder of a segmentation bundle for outfits. Nothing is measured: a new dataset is written, in which each photo without a
    /// box has the box of the largest piece of its category
    #[arg(long, value_name = "BUNDLE", requires = "out")]
    segmenter: Option<PathBuf>,
    /// Folder of the new dataset, which names the photos of the old one
    #[arg(long, requires = "segmenter")]
    out: Option<PathBuf>,
    /// Split to measure on
    #[arg(long, default_value = "val")]
    split: String,
    /// Split whose mean box is the baseline
    #[arg(long, default_value = "train")]
    guess_from: String,
    /// Mask values that are not garments, such as background, skin and hair
    #[arg(long, value_delimiter = ',', default_values_t = [0])]
    ground: Vec<u8>,
    /// Maximum number or share of unreadable photos, such as 5 or 1%; they are listed and left out
    #[arg(long, value_name = "SHARE", default_value_t)]
    max_errors: MaxErrors,
}

/// Left, top, right and bottom as shares of the photo's sides, 0 to 1.
type Shares = [f64; 4];

/// The box of a photo's mask and the proposed box.
struct Boxes {
    truth: Shares,
    proposed: Option<Shares>,
}

pub(super) fn boxes(args: &BoxesArgs, device: DeviceChoice) -> anyhow::Result<()> {
    if let (Some(segmenter), Some(out)) = (&args.segmenter, &args.out) {
        let args = PieceBoxes {
            dir: &args.dir,
            segmenter,
            out,
            max_errors: args.max_errors,
        };
        return piece_boxes::write(&args, device);
    }
    let mut dataset = Dataset::open(&args.dir)?;
    let has_mask = |row: &Row| (row.split == args.split || row.split == args.guess_from) && !row.mask.is_empty();
    dataset.leave_out_corrupt(has_mask, true, Limit::Share(args.max_errors))?;
    let images = Arc::new(Images::keeping(Arc::new(dataset), 0));
    let measured = split_boxes(&images, &args.split, args, true)?;
    let baseline = split_boxes(&images, &args.guess_from, args, false)?;
    let side = |at: usize| mean_of_numbers(baseline.iter().map(|boxes| boxes.truth[at]));
    let mean = [side(0), side(1), side(2), side(3)];
    let whole = [0.0, 0.0, 1.0, 1.0];
    let mean_overlap = |guess: &(dyn Fn(&Boxes) -> Shares + Sync)| -> Interval {
        let overlaps: Vec<f64> = measured
            .iter()
            .map(|boxes| overlap(&boxes.truth, &guess(boxes)))
            .collect();
        interval(overlaps.len(), |drawn| {
            mean_of_numbers(drawn.iter().map(|at| overlaps[*at]))
        })
    };
    let proposals = measured.iter().filter(|boxes| boxes.proposed.is_some()).count();
    print(&format!(
        "{} photos of {}, a box proposed for {proposals}\nmean intersection over union with the box of the mask\n  \
         proposed, else whole    {}\n  baseline: whole photo   {}\n  baseline: mean of {:<5} {}",
        measured.len(),
        args.split,
        mean_overlap(&|boxes| boxes.proposed.unwrap_or(whole)),
        mean_overlap(&|_| whole),
        args.guess_from,
        mean_overlap(&|_| mean)
    ))
}

/// Boxes of the photos of a split whose masks show a garment.
///
/// # Errors
/// If there is no such photo, or a file cannot be read.
fn split_boxes(images: &Arc<Images>, split: &str, args: &BoxesArgs, propose: bool) -> anyhow::Result<Vec<Boxes>> {
    let rows = images
        .dataset()
        .split(split, |row| !row.mask.is_empty(), " with a mask")?;
    let boxes = |row: &usize| -> anyhow::Result<Option<Boxes>> {
        let photo = images.get(*row)?;
        let Some(mask) = images.mask(*row)? else {
            return Ok(None);
        };
        let size = (f64::from(mask.width()), f64::from(mask.height()));
        let shares = |[x0, y0, x1, y1]: Shares| [x0 / size.0, y0 / size.1, x1 / size.0, y1 / size.1];
        let corners = |CropBox { x, y, width, height }| [x, y, x + width, y + height].map(f64::from);
        let proposed = if propose {
            Crop::Auto.crop_box(&photo)?.map(corners).map(shares)
        } else {
            None
        };
        Ok(mask_box(&mask, &args.ground).map(|corners| Boxes {
            truth: shares(corners),
            proposed,
        }))
    };
    let boxes = rows.par_iter().map(boxes).collect::<anyhow::Result<Vec<_>>>()?;
    let boxes: Vec<Boxes> = boxes.into_iter().flatten().collect();
    (!boxes.is_empty()).then_some(boxes).with_context(|| {
        format!(
            "no mask of '{split}' has a value other than {:?}; change --ground",
            args.ground
        )
    })
}

/// Corners in pixels of the box around all mask values that are not in `ground`; `None` without such a value.
fn mask_box(mask: &Mask, ground: &[u8]) -> Option<Shares> {
    let width = mask.width() as usize;
    let garment = mask.ids().iter().enumerate().filter(|(_, id)| !ground.contains(id));
    garment
        .map(|(at, _)| ((at % width) as f64, (at / width) as f64))
        .map(|(x, y)| [x, y, x + 1.0, y + 1.0])
        .reduce(|a, b| [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])])
}

/// Intersection over union of two boxes.
fn overlap(a: &Shares, b: &Shares) -> f64 {
    let area = |shares: &Shares| (shares[2] - shares[0]).max(0.0) * (shares[3] - shares[1]).max(0.0);
    let common = area(&[a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    common / (area(a) + area(b) - common)
}
