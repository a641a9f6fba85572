//! `selvedge dataset boxes`: how well a photo's box is guessed without any network, against the box of its mask.

use super::print;
use anyhow::Context;
use clap::Args;
use dataset::{Crop, Dataset, Images, Limit, MaxErrors, Row};
use evaluation::classifier::mean_of_numbers;
use evaluation::statistics::{Interval, interval};
use rayon::prelude::*;
use shared::input::CropBox;
use std::path::PathBuf;
use std::sync::Arc;

/// `selvedge dataset boxes`
#[derive(Debug, Args)]
pub struct BoxesArgs {
    /// Folder of the dataset; photos without a mask do not count.
    dir: PathBuf,
    /// The split to measure on.
    #[arg(long, default_value = "val")]
    split: String,
    /// The split whose mean box is the guess to beat.
    #[arg(long, default_value = "train")]
    guess_from: String,
    /// Values of masks that show no garment, such as background, skin and hair.
    #[arg(long, value_delimiter = ',', default_values_t = [0])]
    ground: Vec<u8>,
    /// Share of the photos that may be unreadable; they are named and left out.
    #[arg(long, value_name = "SHARE", default_value_t)]
    max_errors: MaxErrors,
}

/// Left, top, right and bottom as shares of the picture's sides.
type Shares = [f64; 4];

/// A photo's true box and the proposed one.
struct Boxes {
    truth: Shares,
    proposed: Option<Shares>,
}

pub(super) fn boxes(args: &BoxesArgs) -> anyhow::Result<()> {
    let mut dataset = Dataset::open(&args.dir)?;
    let wanted = |split: &str| split == args.split || split == args.guess_from;
    let masked = |row: &Row| wanted(&row.split) && !row.mask.is_empty();
    dataset.leave_out_corrupt(masked, true, Limit::Share(args.max_errors))?;
    let images = Arc::new(Images::keeping(Arc::new(dataset), 0));
    let measured = of_split(&images, &args.split, args, true)?;
    let guess = of_split(&images, &args.guess_from, args, false)?;
    let side = |at: usize| mean_of_numbers(guess.iter().map(|boxes| boxes.truth[at]));
    let mean = [side(0), side(1), side(2), side(3)];
    let whole = [0.0, 0.0, 1.0, 1.0];
    let figure = |of: &(dyn Fn(&Boxes) -> Shares + Sync)| -> Interval {
        let overlaps: Vec<f64> = measured.iter().map(|boxes| overlap(&boxes.truth, &of(boxes))).collect();
        interval(overlaps.len(), |drawn| {
            mean_of_numbers(drawn.iter().map(|at| overlaps[*at]))
        })
    };
    let proposals = measured.iter().filter(|boxes| boxes.proposed.is_some()).count();
    print(&format!(
        "{} photos of {}, a box proposed for {proposals}\nmean intersection over union with the box of what the mask shows\n  \
         proposed, else whole  {}\n  guess: whole picture  {}\n  guess: mean of {:<6} {}",
        measured.len(),
        args.split,
        figure(&|boxes| boxes.proposed.unwrap_or(whole)),
        figure(&|_| whole),
        args.guess_from,
        figure(&|_| mean)
    ))
}

/// The boxes of a split's photos that have a mask which shows something.
fn of_split(images: &Arc<Images>, split: &str, args: &BoxesArgs, propose: bool) -> anyhow::Result<Vec<Boxes>> {
    let rows = images
        .dataset()
        .split(split, |row| !row.mask.is_empty(), " with a mask")?;
    let of = |row: &usize| -> anyhow::Result<Option<Boxes>> {
        let photo = images.get(*row)?;
        let Some(mask) = images.mask(*row)? else {
            return Ok(None);
        };
        let size = (f64::from(mask.width()), f64::from(mask.height()));
        let (mut truth, mut shown) = ([f64::MAX, f64::MAX, 0.0, 0.0], false);
        for (at, id) in mask.ids().iter().enumerate() {
            if !args.ground.contains(id) {
                let (x, y) = ((at % mask.width() as usize) as f64, (at / mask.width() as usize) as f64);
                truth = [
                    truth[0].min(x),
                    truth[1].min(y),
                    truth[2].max(x + 1.0),
                    truth[3].max(y + 1.0),
                ];
                shown = true;
            }
        }
        let shares = |[x0, y0, x1, y1]: Shares| [x0 / size.0, y0 / size.1, x1 / size.0, y1 / size.1];
        let corners = |CropBox { x, y, width, height }| [x, y, x + width, y + height].map(f64::from);
        let proposed = if propose {
            Crop::Auto.of(&photo)?.map(corners).map(shares)
        } else {
            None
        };
        Ok(shown.then(|| Boxes {
            truth: shares(truth),
            proposed,
        }))
    };
    let boxes = rows.par_iter().map(of).collect::<anyhow::Result<Vec<_>>>()?;
    let boxes: Vec<Boxes> = boxes.into_iter().flatten().collect();
    (!boxes.is_empty()).then_some(boxes).with_context(|| {
        format!(
            "no mask of '{split}' shows anything but the values {:?}; change --ground",
            args.ground
        )
    })
}

fn overlap(a: &Shares, b: &Shares) -> f64 {
    let area = |of: &Shares| (of[2] - of[0]).max(0.0) * (of[3] - of[1]).max(0.0);
    let common = area(&[a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    common / (area(a) + area(b) - common)
}
