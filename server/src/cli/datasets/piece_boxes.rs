//! `selvedge dataset boxes --segmenter`: a dataset whose rows have the box of the piece of their category.

use crate::cli::output::{print_path, progress_bar};
use crate::cli::pieces::read_finder;
use anyhow::ensure;
use dataset::boxed::write_with_boxes;
use dataset::{Dataset, Images, Limit, MaxErrors};
use device::DeviceChoice;
use shared::input::{CropBox, saliency};
use shared::pieces::Outfit;
use shared::taxonomy::Category;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Folders of the command.
pub(super) struct PieceBoxes<'a> {
    pub(super) dir: &'a Path,
    /// Segmentation bundle for outfits.
    pub(super) segmenter: &'a Path,
    /// Folder of the new dataset.
    pub(super) out: &'a Path,
    pub(super) max_errors: MaxErrors,
}

/// Numbers of rows by the source of their box.
#[derive(Default)]
struct Counts {
    pieces: usize,
    persons: usize,
    proposed: usize,
    whole: usize,
}

pub(super) fn write(args: &PieceBoxes<'_>, device: DeviceChoice) -> anyhow::Result<()> {
    ensure!(
        !args.out.exists(),
        "{} exists already; name another folder with --out",
        args.out.display()
    );
    let finder = read_finder(args.segmenter, &device.open()?)?;
    let mut dataset = Dataset::open(args.dir)?;
    dataset.leave_out_corrupt(|row| row.bounds.is_none(), false, Limit::Share(args.max_errors))?;
    let images = Images::keeping(Arc::new(dataset), 0);
    let dataset = images.dataset();
    let bare = |row: &usize| dataset.rows[*row].bounds.is_none() && !dataset.left_out.contains(row);
    let rows: Vec<usize> = (0..dataset.rows.len()).filter(bare).collect();
    let bar = progress_bar(rows.len(), "finding pieces");
    let mut counts = Counts::default();
    let mut boxes = HashMap::new();
    for row in rows {
        bar.inc(1);
        let photo = images.get(row)?;
        let outfit = finder.find(photo.pixels()?)?;
        let found = box_of(&outfit, &dataset.rows[row].category, &mut counts);
        let found = match found {
            // A flat photo of one product has neither a person nor pieces that the network knows.
            None if outfit.pieces.is_empty() => {
                let proposed = saliency::propose(photo.pixels()?);
                counts.proposed += usize::from(proposed.is_some());
                proposed
            }
            found => found,
        };
        match found {
            Some(bounds) => drop(boxes.insert(row, bounds)),
            None => counts.whole += 1,
        }
    }
    bar.finish_and_clear();
    write_with_boxes(dataset, args.out, &boxes)?;
    let Counts {
        pieces,
        persons,
        proposed,
        whole,
    } = counts;
    eprintln!("boxes of {pieces} pieces, {persons} persons and {proposed} salient parts; {whole} photos without a box");
    print_path(args.out)
}

/// Returns the box of the largest piece of a category, or of the person if the category is none of a shop's.
fn box_of(outfit: &Outfit, category: &str, counts: &mut Counts) -> Option<CropBox> {
    let category = match category {
        "dress" => Some(Category::Tops),
        id => Category::from_id(id),
    };
    let Some(category) = category else {
        counts.persons += usize::from(outfit.person.is_some());
        return outfit.person;
    };
    let piece = outfit.largest(|class| class.category() == Some(category))?;
    counts.pieces += 1;
    Some(piece.bounds)
}
