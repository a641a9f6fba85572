//! Image as it is listed by a benchmark, before its file is found.

use crate::decode::Photo;
use anyhow::{Context, ensure};
use shared::input::CropBox;

/// Domain of query images.
pub(super) const USER: &str = "user";

/// Box `[x0, y0, x1, y1]` in pixels of the upright image. The right and bottom edges are exclusive.
pub(super) type Corners = [u32; 4];

/// Image as listed by a benchmark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Path within the folder of images, or a URL whose last part is the file name.
    pub name: String,
    pub(super) split: &'static str,
    pub(super) item_id: String,
    pub(super) category: String,
    pub(super) domain: &'static str,
    pub(super) corners: Option<Corners>,
}

/// Parses a box. Decimals are rounded, and negative coordinates become 0.
///
/// # Errors
/// If a coordinate is not a number, or the box is empty.
pub(super) fn parse_corners(numbers: [&String; 4]) -> anyhow::Result<Corners> {
    let mut corners = [0; 4];
    for (corner, text) in corners.iter_mut().zip(numbers) {
        let value: f64 = text
            .parse()
            .ok()
            .filter(|value: &f64| value.is_finite())
            .with_context(|| format!("'{text}' is not a coordinate; a box is x1 y1 x2 y2 in pixels"))?;
        *corner = value.round().max(0.0) as u32;
    }
    ensure!(
        corners[0] < corners[2] && corners[1] < corners[3],
        "the box {corners:?} is empty; it is x1 y1 x2 y2"
    );
    Ok(corners)
}

/// Clips a box to an upright image, since some listed boxes exceed their images by a pixel or two. `None` if nothing is
/// left.
pub fn crop_box([x, y, right, bottom]: Corners, photo: &Photo) -> Option<CropBox> {
    let (right, bottom) = (right.min(photo.width()), bottom.min(photo.height()));
    (x < right && y < bottom).then(|| CropBox {
        x,
        y,
        width: right - x,
        height: bottom - y,
    })
}
