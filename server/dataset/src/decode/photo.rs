//! Decoded images.

use anyhow::Context;
use std::path::Path;

use image::{DynamicImage, Rgb, RgbImage, RgbaImage};
use shared::input::{CropBox, InputError, Pixels};

use super::declared::Declared;
use super::error::PhotoError;
use super::rotate::{crop, rotate};
use super::samples;

/// Decoded image in sRGB at 8 bits per channel, upright according to its EXIF data.
#[derive(Debug)]
pub struct Photo(Channels);

/// Pixels without or with an alpha channel.
#[derive(Debug)]
enum Channels {
    Rgb(RgbImage),
    Rgba(RgbaImage),
}

impl Photo {
    /// Maximum number of bytes that [`decode`](Self::decode) allocates for a file, including its result. Reads only the
    /// headers.
    ///
    /// # Errors
    /// [`PhotoError`] if the headers show that the file cannot be decoded.
    pub fn working_bytes(bytes: &[u8]) -> Result<u64, PhotoError> {
        Declared::read(bytes).map(|declared| declared.working_bytes)
    }

    /// Decodes the first frame of a JPEG, PNG, WebP, GIF or BMP file and converts it to sRGB.
    ///
    /// Detects the format by the first bytes. Checks the size before it decodes a pixel. Takes up to two seconds for the
    /// largest images and blocks the thread.
    ///
    /// # Errors
    /// See [`PhotoError`]. Never panics, and allocates at most [`working_bytes`](Self::working_bytes).
    pub fn decode(bytes: &[u8]) -> Result<Self, PhotoError> {
        samples::decode(bytes).map(Self::from)
    }

    /// Reads and decodes a file.
    ///
    /// # Errors
    /// Names the file.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::decode(&bytes).with_context(|| format!("cannot decode {}", path.display()))
    }

    fn parts(&self) -> (&[u8], usize) {
        match &self.0 {
            Channels::Rgb(image) => (image.as_raw(), 3),
            Channels::Rgba(image) => (image.as_raw(), 4),
        }
    }

    /// Size of the pixels in bytes.
    pub fn bytes(&self) -> usize {
        self.parts().0.len()
    }

    /// Width in pixels, upright.
    pub fn width(&self) -> u32 {
        match &self.0 {
            Channels::Rgb(image) => image.width(),
            Channels::Rgba(image) => image.width(),
        }
    }

    /// Height in pixels, upright.
    pub fn height(&self) -> u32 {
        match &self.0 {
            Channels::Rgb(image) => image.height(),
            Channels::Rgba(image) => image.height(),
        }
    }

    /// Returns the part within a box.
    ///
    /// # Errors
    /// [`InputError::Crop`] if the box exceeds the image.
    pub fn cropped(&self, window: CropBox) -> Result<Self, InputError> {
        Ok(Self(match &self.0 {
            Channels::Rgb(image) => Channels::Rgb(crop(image, window)?),
            Channels::Rgba(image) => Channels::Rgba(crop(image, window)?),
        }))
    }

    /// Rotates clockwise by `quarters` times 90°.
    #[must_use]
    pub fn rotated(&self, quarters: u8) -> Self {
        Self(match &self.0 {
            Channels::Rgb(image) => Channels::Rgb(rotate(image, quarters)),
            Channels::Rgba(image) => Channels::Rgba(rotate(image, quarters)),
        })
    }

    /// Converts to RGB. Transparent pixels are blended with white.
    pub fn to_rgb(&self) -> RgbImage {
        let over_white = |value: u8, alpha: u8| {
            let (value, alpha) = (u16::from(value), u16::from(alpha));
            ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
        };
        match &self.0 {
            Channels::Rgb(image) => image.clone(),
            Channels::Rgba(image) => RgbImage::from_fn(image.width(), image.height(), |x, y| {
                let [r, g, b, alpha] = image.get_pixel(x, y).0;
                Rgb([r, g, b].map(|value| over_white(value, alpha)))
            }),
        }
    }

    /// Returns the pixels as input of the shared preprocessing.
    ///
    /// # Errors
    /// Never for a decoded image. The preprocessing checks sizes nevertheless.
    pub fn pixels(&self) -> Result<Pixels<'_>, InputError> {
        let (bytes, channels) = self.parts();
        Pixels::new(bytes, self.width() as usize, self.height() as usize, channels)
    }
}

impl From<DynamicImage> for Photo {
    fn from(image: DynamicImage) -> Self {
        // An alpha channel is kept: only the shared preprocessing decides the colour of transparent pixels.
        Self(if image.color().has_alpha() {
            Channels::Rgba(image.into_rgba8())
        } else {
            Channels::Rgb(image.into_rgb8())
        })
    }
}

#[cfg(test)]
mod tests;
