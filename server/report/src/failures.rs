//! Contact sheet of the worst queries: per line a query, its first ten results, and a photo of its item.

use super::contact_sheet::{CELL, page, thumbnail};
use dataset::Images;
use evaluation::retrieval::Failure;
use image::imageops::rotate90;
use image::{Rgb, RgbImage};

/// Places per line: the query, a gap, ten results, a gap, the item's photo.
const COLUMNS: usize = 14;
/// Places of the results.
const RESULTS: std::ops::Range<usize> = 2..12;
/// Width of the frame of a right result, in pixels.
const FRAME: u32 = 6;
/// Colour of the frame. Wrong results have no frame, so the sheet does not depend on colours.
const RIGHT: Rgb<u8> = Rgb([0, 200, 90]);

/// Draws the sheet as a JPEG. Photos are cropped to their crop boxes like model inputs.
///
/// # Errors
/// If a photo cannot be read.
pub fn sheet(failures: &[Failure], images: &Images) -> anyhow::Result<Vec<u8>> {
    let shown = |row: usize| images.get(row).and_then(|photo| thumbnail(&photo));
    let mut cells: Vec<Option<RgbImage>> = Vec::with_capacity(failures.len() * COLUMNS);
    for failure in failures {
        let mut line = vec![None; COLUMNS];
        line[0] = Some((0..failure.turns).fold(shown(failure.row)?, |photo, _| rotate90(&photo)));
        for (place, (row, is_right)) in RESULTS.zip(&failure.found) {
            let photo = shown(*row)?;
            line[place] = Some(if *is_right { framed(photo) } else { photo });
        }
        line[COLUMNS - 1] = Some(framed(shown(failure.truth)?));
        cells.extend(line);
    }
    page(&cells, COLUMNS)
}

fn framed(mut photo: RgbImage) -> RgbImage {
    let far = CELL as u32 - FRAME;
    for (x, y, pixel) in photo.enumerate_pixels_mut() {
        if x.min(y) < FRAME || x.max(y) >= far {
            *pixel = RIGHT;
        }
    }
    photo
}
