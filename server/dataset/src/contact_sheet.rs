//! Contact sheets: many images on one page.

use image::{Rgb, RgbImage, imageops};

/// Gap between cells in pixels.
const GAP: u32 = 4;

/// Minimum side of a cell in pixels.
const SMALLEST: u32 = 8;

/// Resizes an image so that its longer side has `cell` pixels, at least 8, as on a [`contact_sheet`].
pub fn fit_cell(image: &RgbImage, cell: u32) -> RgbImage {
    let cell = cell.max(SMALLEST);
    let (w, h) = image.dimensions();
    let longest = w.max(h).max(1);
    let (w, h) = ((w * cell / longest).max(1), (h * cell / longest).max(1));
    if image.dimensions() == (w, h) {
        return image.clone();
    }
    imageops::resize(image, w, h, imageops::FilterType::Triangle)
}

/// Draws images on a white page in rows of `columns`. Each is centred in a square cell of `cell` pixels, at least 8.
pub fn contact_sheet(images: &[RgbImage], columns: usize, cell: u32) -> RgbImage {
    let columns = columns.max(1) as u32;
    let cell = cell.max(SMALLEST);
    let rows = (images.len() as u32).div_ceil(columns).max(1);
    let mut page = RgbImage::from_pixel(
        columns * (cell + GAP) + GAP,
        rows * (cell + GAP) + GAP,
        Rgb([255, 255, 255]),
    );
    for (i, image) in (0..).zip(images) {
        let small = fit_cell(image, cell);
        let (w, h) = small.dimensions();
        let (column, row) = (i % columns, i / columns);
        let (x, y) = (
            GAP + column * (cell + GAP) + (cell - w) / 2,
            GAP + row * (cell + GAP) + (cell - h) / 2,
        );
        imageops::replace(&mut page, &small, i64::from(x), i64::from(y));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_centred_in_their_cells() {
        let black = RgbImage::new(20, 40);
        let page = contact_sheet(&[black.clone(), black], 2, 10);
        assert_eq!(page.dimensions(), (2 * 14 + 4, 10 + 2 * 4));
        let dark: Vec<u32> = (0..page.width())
            .filter(|x| page.get_pixel(*x, 9).0 == [0; 3])
            .collect();
        assert_eq!(dark, [6, 7, 8, 9, 10, 20, 21, 22, 23, 24]);
    }
}
