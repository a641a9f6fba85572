//! Label maps beside photos: 8-bit grey PNG, the grey value of a pixel is the id of what it shows.

use super::photo::{MAX_SIDE, Photo};
use super::raster;
use anyhow::Context;
use image::{DynamicImage, ImageFormat, ImageReader, Limits};
use shared::input::{CropBox, InputError, Labels};
use std::io::Cursor;
use std::path::Path;

/// The id of positions that show nothing of the picture; no file may use it.
pub const OUTSIDE: u8 = u8::MAX;

/// A decoded label map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    width: u32,
    height: u32,
    ids: Vec<u8>,
}

impl Mask {
    /// Wraps `width × height` ids, row by row.
    ///
    /// # Errors
    /// If there are more or fewer of them, or none.
    pub fn new(width: u32, height: u32, ids: Vec<u8>) -> Result<Self, InputError> {
        Labels::new(&ids, width as usize, height as usize)?;
        Ok(Self { width, height, ids })
    }

    /// Reads the label map of `photo`.
    ///
    /// # Errors
    /// Names the file: if it cannot be read, is no 8-bit grey PNG, differs from the photo in size, or uses [`OUTSIDE`].
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
        let DynamicImage::ImageLuma8(grey) = reader.decode().context("it is no readable PNG")? else {
            anyhow::bail!("it is no 8-bit grey PNG; save ids as grey values, without a palette");
        };
        anyhow::ensure!(
            grey.dimensions() == size,
            "it has {} × {} pixels and its photo, upright, {} × {}; make it again from the upright photo",
            grey.width(),
            grey.height(),
            size.0,
            size.1
        );
        let (width, height) = grey.dimensions();
        let ids = grey.into_raw();
        anyhow::ensure!(
            !ids.contains(&OUTSIDE),
            "it uses the id {OUTSIDE}, which is reserved for 'no label'; use 0 to 254"
        );
        Ok(Self::new(width, height, ids)?)
    }

    /// The ids as the models' preprocessing takes them.
    ///
    /// # Errors
    /// Never for a mask that was made; the preprocessing checks its sizes all the same.
    pub fn labels(&self) -> Result<Labels<'_>, InputError> {
        Labels::new(&self.ids, self.width as usize, self.height as usize)
    }

    /// The ids, row by row.
    pub fn ids(&self) -> &[u8] {
        &self.ids
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The part of it within a box.
    ///
    /// # Errors
    /// [`InputError::Crop`] if the box leaves the map.
    pub fn cropped(&self, crop: CropBox) -> Result<Self, InputError> {
        let ids = raster::crop(&self.ids, (self.width, self.height), 1, crop)?;
        Ok(Self {
            width: crop.width,
            height: crop.height,
            ids,
        })
    }

    /// Turned clockwise by quarters.
    pub fn turned(&self, quarters: u8) -> Self {
        let ((width, height), ids) = raster::turn(&self.ids, (self.width, self.height), 1, quarters);
        Self { width, height, ids }
    }

    /// The same map with other ids.
    pub fn map(&self, id: impl Fn(u8) -> u8) -> Self {
        Self {
            ids: self.ids.iter().map(|old| id(*old)).collect(),
            ..*self
        }
    }
}
