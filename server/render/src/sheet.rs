//! Contact sheets: many pictures on one page, to look at a shop with one's own eyes.

use image::{Rgb, RgbImage, imageops};

/// Gap between cells, pixels.
const GAP: u32 = 4;

/// See [`super::fitted`].
pub(crate) fn fitted(picture: &RgbImage, cell: u32) -> RgbImage {
    let (w, h) = picture.dimensions();
    let longest = w.max(h).max(1);
    let (w, h) = ((w * cell / longest).max(1), (h * cell / longest).max(1));
    if picture.dimensions() == (w, h) {
        return picture.clone();
    }
    imageops::resize(picture, w, h, imageops::FilterType::Triangle)
}

/// See [`super::lay_out`].
pub(crate) fn lay_out(pictures: &[RgbImage], columns: usize, cell: u32) -> RgbImage {
    let columns = columns.max(1) as u32;
    let cell = cell.max(8);
    let rows = (pictures.len() as u32).div_ceil(columns).max(1);
    let mut page = RgbImage::from_pixel(
        columns * (cell + GAP) + GAP,
        rows * (cell + GAP) + GAP,
        Rgb([255, 255, 255]),
    );
    for (i, picture) in (0..).zip(pictures) {
        let small = fitted(picture, cell);
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
