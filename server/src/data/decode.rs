//! Bytes of a picture → pixels, with limits that hold before memory is taken.

use image::{DynamicImage, ImageDecoder, ImageReader, Limits, RgbImage};
use std::io::Cursor;
use std::path::Path;

/// The longest side that is accepted, in pixels.
pub const MAX_SIDE: u32 = 12_000;
/// The most pixels that are accepted.
pub const MAX_PIXELS: u64 = 40_000_000;

/// Why bytes are no usable picture.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// No picture format that is read here.
    #[error("this is not a JPEG, PNG, WebP, GIF or BMP picture")]
    NotAnImage,
    /// Wider, higher or larger than accepted.
    #[error("the picture has {width}×{height} pixels; at most {MAX_SIDE} a side and 40 million together are accepted")]
    TooLarge {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// A picture that ends early or is damaged.
    #[error("the picture is damaged or cut off: {0}")]
    Damaged(String),
}

/// Decodes a picture of any accepted format, turned upright by its EXIF orientation.
///
/// # Errors
/// [`DecodeError`]; sizes are checked before any pixel is decoded.
pub fn decode(bytes: &[u8]) -> Result<DynamicImage, DecodeError> {
    let damaged = |error: image::ImageError| DecodeError::Damaged(error.to_string());
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| DecodeError::Damaged(error.to_string()))?;
    if reader.format().is_none() {
        return Err(DecodeError::NotAnImage);
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_PIXELS * 8);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    if width > MAX_SIDE || height > MAX_SIDE || u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(DecodeError::TooLarge { width, height });
    }
    let orientation = decoder.orientation().map_err(damaged)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    image.apply_orientation(orientation);
    Ok(image)
}

/// Reads and decodes a file as RGB, transparency seen on white.
///
/// # Errors
/// Names the file.
pub fn read_rgb(path: &Path) -> anyhow::Result<RgbImage> {
    use anyhow::Context;
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let image = decode(&bytes).with_context(|| format!("cannot decode {}", path.display()))?;
    Ok(image.to_rgb8())
}
