//! Small versions of photos for web pages.

use anyhow::Context;
use image::ExtendedColorType::Rgb8;
use image::codecs::jpeg::JpegEncoder;
use image::{RgbImage, imageops};

use crate::Photo;

/// Quality of the JPEG files, 1 to 100.
const QUALITY: u8 = 85;

/// Encodes a photo as JPEG whose longer side has at most `side` pixels. It is never enlarged and has no metadata.
///
/// # Errors
/// If the encoder fails.
pub fn thumbnail(photo: &Photo, side: u32) -> anyhow::Result<Vec<u8>> {
    let mut image = photo.to_rgb();
    let longest = image.width().max(image.height());
    if longest > side {
        let scaled = |length: u32| ((u64::from(length) * u64::from(side) / u64::from(longest)) as u32).max(1);
        let (width, height) = (scaled(image.width()), scaled(image.height()));
        image = reduced(image, width, height);
    }
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, QUALITY)
        .encode(&image, image.width(), image.height(), Rgb8)
        .context("the image cannot be encoded")?;
    Ok(bytes)
}

/// Reduces an image. A large one is halved by averages first, which is much faster than the filter and as good.
fn reduced(image: RgbImage, width: u32, height: u32) -> RgbImage {
    let (double_width, double_height) = (2 * width, 2 * height);
    if image.width() > 2 * double_width && image.height() > 2 * double_height {
        let rough = imageops::thumbnail(&image, double_width, double_height);
        return imageops::resize(&rough, width, height, imageops::FilterType::CatmullRom);
    }
    imageops::resize(&image, width, height, imageops::FilterType::CatmullRom)
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, RgbImage};

    use super::*;

    #[test]
    fn large_photos_are_reduced_and_small_ones_keep_their_size() {
        for ((width, height), expected) in [
            ((2000, 1000), (640, 320)),
            ((90, 900), (64, 640)),
            ((700, 3), (640, 2)),
            ((5000, 1), (640, 1)),
            ((100, 50), (100, 50)),
        ] {
            let photo = Photo::from(DynamicImage::from(RgbImage::new(width, height)));
            let bytes = thumbnail(&photo, 640).expect("the photo is encoded");
            let small = Photo::decode(&bytes).expect("the file is an image");
            assert_eq!((small.width(), small.height()), expected, "{width}×{height}");
        }
    }
}
