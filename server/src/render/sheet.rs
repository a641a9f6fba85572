//! Contact sheets: many pictures on one page, to look at a shop with one's own eyes.

use std::path::PathBuf;

use image::{Rgb, RgbImage, imageops};

use super::RenderError;

/// Gap between cells, pixels.
const GAP: u32 = 4;

/// See [`super::contact_sheet`].
pub(crate) fn sheet(images: &[PathBuf], columns: usize, cell: u32) -> Result<RgbImage, RenderError> {
    let open = |path: &PathBuf| match image::open(path) {
        Ok(picture) => Ok(picture.to_rgb8()),
        Err(source) => Err(RenderError::Image { path: path.clone(), source }),
    };
    let pictures: Vec<RgbImage> = images.iter().map(open).collect::<Result<_, _>>()?;
    Ok(lay_out(&pictures, columns, cell))
}

/// See [`super::lay_out`].
pub(crate) fn lay_out(pictures: &[RgbImage], columns: usize, cell: u32) -> RgbImage {
    let columns = columns.max(1) as u32;
    let cell = cell.max(8);
    let rows = (pictures.len() as u32).div_ceil(columns).max(1);
    let mut page = RgbImage::from_pixel(columns * (cell + GAP) + GAP, rows * (cell + GAP) + GAP, Rgb([255, 255, 255]));
    for (i, picture) in (0..).zip(pictures) {
        let (w, h) = picture.dimensions();
        let longest = w.max(h).max(1);
        let (w, h) = ((w * cell / longest).max(1), (h * cell / longest).max(1));
        let small = if picture.dimensions() == (w, h) {
            picture.clone()
        } else {
            imageops::resize(picture, w, h, imageops::FilterType::Triangle)
        };
        let (column, row) = (i % columns, i / columns);
        let (x, y) = (GAP + column * (cell + GAP) + (cell - w) / 2, GAP + row * (cell + GAP) + (cell - h) / 2);
        imageops::replace(&mut page, &small, i64::from(x), i64::from(y));
    }
    page
}
