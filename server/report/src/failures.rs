//! The queries that find least on one sheet: a line each, the query, its first ten, and what it should have found.

use super::mistakes::{CELL, page, thumbnail};
use dataset::Images;
use evaluation::retrieval::Failure;
use image::imageops::rotate90;
use image::{Rgb, RgbImage};

/// Places in a line: the query, a gap, ten answers, a gap, the truth.
const COLUMNS: usize = 14;
/// Places of the answers.
const ANSWERS: std::ops::Range<usize> = 2..12;
/// Pixels of a right answer's frame.
const FRAME: u32 = 6;
/// Colour of the frame; wrong answers have none, so that colour alone says nothing.
const RIGHT: Rgb<u8> = Rgb([0, 200, 90]);

/// The sheet as a JPEG; photos are shown as networks see them, cut to their boxes.
///
/// # Errors
/// If a photo cannot be read; names it.
pub fn sheet(failures: &[Failure], images: &Images) -> anyhow::Result<Vec<u8>> {
    let shown = |row: usize| images.get(row).and_then(|photo| thumbnail(&photo));
    let mut cells: Vec<Option<RgbImage>> = Vec::with_capacity(failures.len() * COLUMNS);
    for failure in failures {
        let mut line = vec![None; COLUMNS];
        line[0] = Some((0..failure.turns).fold(shown(failure.row)?, |picture, _| rotate90(&picture)));
        for (place, (row, right)) in ANSWERS.zip(&failure.found) {
            let picture = shown(*row)?;
            line[place] = Some(if *right { framed(picture) } else { picture });
        }
        line[COLUMNS - 1] = Some(framed(shown(failure.truth)?));
        cells.extend(line);
    }
    page(&cells, COLUMNS)
}

fn framed(mut picture: RgbImage) -> RgbImage {
    let far = CELL as u32 - FRAME;
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        if x.min(y) < FRAME || x.max(y) >= far {
            *pixel = RIGHT;
        }
    }
    picture
}
