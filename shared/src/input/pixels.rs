//! Pixels, boxes in them, and errors about both.

use serde::{Deserialize, Serialize};

/// Errors of preparing a model's input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// The number of bytes does not fit the width, height and channels.
    #[error("{width}×{height} pixels of {channels} channels need {expected} bytes, got {actual}")]
    Size {
        /// Declared width in pixels.
        width: usize,
        /// Declared height in pixels.
        height: usize,
        /// Declared channels: 3 or 4, or 1 for a label map.
        channels: usize,
        /// Bytes that the declared size needs.
        expected: usize,
        /// Given bytes.
        actual: usize,
    },
    /// The crop box is empty or not inside the image.
    #[error(
        "the crop box at ({}, {}) of {}×{} pixels is empty or not inside the image of {width}×{height} pixels",
        crop.x, crop.y, crop.width, crop.height
    )]
    Crop {
        /// The crop box.
        crop: CropBox,
        /// Width of the image in pixels.
        width: usize,
        /// Height of the image in pixels.
        height: usize,
    },
    /// An image has no pixels.
    #[error("an image of {width}×{height} pixels is empty")]
    Empty {
        /// Width of the image in pixels.
        width: usize,
        /// Height of the image in pixels.
        height: usize,
    },
    /// A strip does not continue the part of the image that is needed.
    #[error("a strip of {width}×{height} pixels does not fit: {missing} rows of {expected} pixels are missing")]
    Strip {
        /// Width of the strip in pixels.
        width: usize,
        /// Rows of the strip.
        height: usize,
        /// Width of the needed part in pixels.
        expected: usize,
        /// Rows that are missing.
        missing: usize,
    },
    /// The image ended too early.
    #[error("{missing} rows of the image are missing")]
    Incomplete {
        /// Rows that are missing.
        missing: usize,
    },
    /// The specification has a value with which no image can be prepared.
    #[error("input.{key} is {value}; {limits}")]
    Spec {
        /// Key in the specification.
        key: &'static str,
        /// Value of the key.
        value: String,
        /// Allowed values.
        limits: &'static str,
    },
}

/// A rectangle in pixels, origin at the top left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CropBox {
    /// Left edge.
    pub x: u32,
    /// Top edge.
    pub y: u32,
    /// Width, at least 1.
    pub width: u32,
    /// Height, at least 1.
    pub height: u32,
}

/// Borrowed 8-bit pixels, row by row, RGB or RGBA. Transparent pixels are blended with white.
#[derive(Debug, Clone, Copy)]
pub struct Pixels<'a> {
    pub(super) data: &'a [u8],
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) channels: usize,
}

impl<'a> Pixels<'a> {
    /// Wraps `data`, `width × height × channels` bytes.
    ///
    /// # Errors
    /// [`InputError::Size`] if a side is zero, `channels` is neither 3 nor 4, or the byte count differs.
    pub fn new(data: &'a [u8], width: usize, height: usize, channels: usize) -> Result<Self, InputError> {
        let expected = width.saturating_mul(height).saturating_mul(channels);
        if width == 0 || height == 0 || !(3..=4).contains(&channels) || expected != data.len() {
            return Err(InputError::Size {
                width,
                height,
                channels,
                expected,
                actual: data.len(),
            });
        }
        Ok(Self {
            data,
            width,
            height,
            channels,
        })
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }
}
