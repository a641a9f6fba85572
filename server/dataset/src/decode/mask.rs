//! Label maps of images: 8-bit greyscale PNG files whose pixel values are label ids.

use super::error::MAX_SIDE;
use super::photo::Photo;
use super::rotate::{crop, rotate};
use anyhow::Context;
use image::{DynamicImage, GrayImage, ImageFormat, ImageReader, Limits};
use shared::input::{CropBox, InputError, Labels};
use std::io::Cursor;
use std::path::Path;

/// Id of positions outside the image. Files must not use it.
pub const OUTSIDE: u8 = u8::MAX;

/// Decoded label map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask(GrayImage);

impl Mask {
    /// Wraps `width × height` ids in row-major order.
    ///
    /// # Errors
    /// If `ids` is empty or has another length.
    pub fn new(width: u32, height: u32, ids: Vec<u8>) -> Result<Self, InputError> {
        Labels::new(&ids, width as usize, height as usize)?;
        // The line above has checked the length, which is the only reason for the default.
        Ok(Self(GrayImage::from_raw(width, height, ids).unwrap_or_default()))
    }

    /// Reads the label map of `photo`.
    ///
    /// # Errors
    /// Names the file. If it cannot be read, is not an 8-bit greyscale PNG, differs from the image in size, or uses
    /// [`OUTSIDE`].
    pub fn read(path: &Path, photo: &Photo) -> anyhow::Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read the mask {}", path.display()))?;
        Self::decode(&bytes, (photo.width(), photo.height()))
            .with_context(|| format!("cannot use the mask {}", path.display()))
    }

    fn decode(bytes: &[u8], size: (u32, u32)) -> anyhow::Result<Self> {
        let mut limits = Limits::default();
        limits.max_image_width = Some(MAX_SIDE);
        limits.max_image_height = Some(MAX_SIDE);
        let mut reader = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png);
        reader.limits(limits);
        let DynamicImage::ImageLuma8(grey) = reader.decode().context("it is not a readable PNG")? else {
            anyhow::bail!("it is not an 8-bit greyscale PNG; save ids as grey values, without a palette");
        };
        anyhow::ensure!(
            grey.dimensions() == size,
            "it has {} × {} pixels and its image, upright, {} × {}; make it again from the upright image",
            grey.width(),
            grey.height(),
            size.0,
            size.1
        );
        anyhow::ensure!(
            !grey.as_raw().contains(&OUTSIDE),
            "it uses the id {OUTSIDE}, which is reserved for 'no label'; use 0 to 254"
        );
        Ok(Self(grey))
    }

    /// Returns the ids as input of the shared preprocessing.
    ///
    /// # Errors
    /// Never for a constructed mask. The preprocessing checks sizes nevertheless.
    pub fn labels(&self) -> Result<Labels<'_>, InputError> {
        Labels::new(self.ids(), self.width() as usize, self.height() as usize)
    }

    /// Ids in row-major order.
    pub fn ids(&self) -> &[u8] {
        self.0.as_raw()
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.0.width()
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.0.height()
    }

    /// Returns the part within a box.
    ///
    /// # Errors
    /// [`InputError::Crop`] if the box exceeds the map.
    pub fn cropped(&self, window: CropBox) -> Result<Self, InputError> {
        crop(&self.0, window).map(Self)
    }

    /// Rotates clockwise by `quarters` times 90°.
    #[must_use]
    pub fn rotated(&self, quarters: u8) -> Self {
        Self(rotate(&self.0, quarters))
    }

    /// Applies `id` to every id.
    #[must_use]
    pub fn map(&self, id: impl Fn(u8) -> u8) -> Self {
        let mut ids = self.0.clone();
        ids.iter_mut().for_each(|old| *old = id(*old));
        Self(ids)
    }
}
