//! Contact sheets: photos laid out on one JPEG.

use anyhow::Context;
use dataset::Photo;
use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};
use shared::input::{Fit, InputSpec};

/// Side of a photo's place in pixels.
pub(crate) const CELL: usize = 144;

/// Lays out images of [`CELL`] × [`CELL`] pixels on one JPEG with `columns` per line. `None` leaves a place empty.
pub(crate) fn page(cells: &[Option<RgbImage>], columns: usize) -> anyhow::Result<Vec<u8>> {
    let lines = cells.len().div_ceil(columns).max(1);
    let mut page = RgbImage::from_pixel((columns * CELL) as u32, (lines * CELL) as u32, Rgb([128, 128, 128]));
    for (i, cell) in cells.iter().enumerate() {
        let Some(cell) = cell else { continue };
        let corner = ((i % columns) * CELL, (i / columns) * CELL);
        image::imageops::replace(&mut page, cell, corner.0 as i64, corner.1 as i64);
    }
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 82)
        .encode_image(&page)
        .context("cannot encode the contact sheet")?;
    Ok(bytes)
}

/// Resizes a whole photo into a square of [`CELL`] pixels, with the resizing of model inputs.
pub(crate) fn thumbnail(photo: &Photo) -> anyhow::Result<RgbImage> {
    // The mean is the colour of the padding: a middle grey, which fits light and dark pages.
    let spec = InputSpec {
        mean: [0.5; 3],
        std: [1.0; 3],
        ..InputSpec::new(CELL, CELL, Fit::Pad)
    };
    let chw = spec.to_chw(photo.pixels()?, None)?;
    RgbImage::from_raw(CELL as u32, CELL as u32, spec.to_rgb(&chw)).context("the thumbnail has another size")
}
