//! Properties that an image file declares in its headers: format, size, and memory needed for decoding.

use image::ImageFormat;

use super::error::{MAX_PIXELS, MAX_SIDE, PhotoError};
use super::jpeg::Jpeg;
use super::kind::Kind;
use super::png;

/// Number of pixels up to which a file may have any size.
const FREE_PIXELS: u64 = 4_000_000;

/// Maximum number of pixels per byte of the file, for images above [`FREE_PIXELS`].
///
/// Photos have fewer than a hundred. A PNG of one colour at 8 bits per channel has at most 1,032, the limit of Deflate.
/// Only lossless WebP files of one colour exceed this value, and a kilobyte of them takes a second to decode.
const PIXELS_PER_BYTE: u64 = 2_000;

/// Bytes for metadata, tables and row buffers.
const OVERHEAD: u64 = 2 << 20;

/// Declared properties of a file that may be decoded.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) format: ImageFormat,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Maximum number of bytes that decoding allocates, including its result.
    pub(super) working_bytes: u64,
    /// Headers of a JPEG file, `None` for other formats.
    pub(super) jpeg: Option<Jpeg>,
}

impl Declared {
    /// Reads the headers.
    ///
    /// # Errors
    /// If the format is not supported, the headers are damaged, or the image is too large.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, PhotoError> {
        let kind = Kind::detect(bytes)?;
        let jpeg = if kind == Kind::Jpeg {
            Some(Jpeg::read(bytes)?)
        } else {
            None
        };
        let truncated = PhotoError::truncated;
        // Format, size, and bytes per pixel while decoding and while rotating upright.
        let (format, (width, height), (decoding, rotating)) = match (kind, &jpeg) {
            (Kind::Jpeg, None) => return Err(truncated()),
            (_, Some(jpeg)) => (ImageFormat::Jpeg, (jpeg.width, jpeg.height), (0, 6)),
            (Kind::Png, None) => {
                let header = png::Header::read(bytes)?;
                (
                    ImageFormat::Png,
                    (header.width, header.height),
                    (header.pixel_bytes() + 4, 8),
                )
            }
            // Canvas, frame, and planes or packed pixels of the frame.
            (Kind::WebP, None) => (ImageFormat::WebP, webp_size(bytes).ok_or_else(truncated)?, (12, 8)),
            (Kind::Gif, None) => (ImageFormat::Gif, gif_size(bytes).ok_or_else(truncated)?, (9, 8)),
            (Kind::Bmp, None) => (ImageFormat::Bmp, bmp_size(bytes).ok_or_else(truncated)?, (8, 8)),
        };
        let pixels = u64::from(width) * u64::from(height);
        if width > MAX_SIDE || height > MAX_SIDE || pixels > MAX_PIXELS {
            return Err(PhotoError::TooLarge { width, height });
        }
        if pixels == 0 {
            return Err(PhotoError::Damaged("it has no pixels".into()));
        }
        if jpeg.as_ref().is_some_and(|jpeg| !jpeg.has_room_for_all(bytes.len())) {
            return Err(PhotoError::Damaged("its data ends before the image is complete".into()));
        }
        if pixels > FREE_PIXELS && pixels > PIXELS_PER_BYTE * bytes.len() as u64 {
            return Err(PhotoError::TooSparse {
                width,
                height,
                bytes: bytes.len(),
            });
        }
        let decoding = jpeg.as_ref().map_or(decoding * pixels, Jpeg::working_bytes);
        let working_bytes = decoding.max(rotating * pixels) + OVERHEAD + bytes.len() as u64;
        Ok(Self {
            format,
            width,
            height,
            working_bytes,
            jpeg,
        })
    }
}

fn le16(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from(u16::from_le_bytes([*bytes.get(at)?, *bytes.get(at + 1)?])))
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(le16(bytes, at)? | le16(bytes, at + 2)? << 16)
}

fn webp_size(bytes: &[u8]) -> Option<(u32, u32)> {
    match bytes.get(12..16)? {
        b"VP8 " => Some((le16(bytes, 26)? & 0x3FFF, le16(bytes, 28)? & 0x3FFF)),
        b"VP8L" => {
            let bits = le32(bytes, 21)?;
            Some(((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1))
        }
        b"VP8X" => {
            let side = |at: usize| Some((le32(bytes, at)? & 0xFF_FFFF) + 1);
            // The height has three bytes. A file truncated right after them is refused as well.
            Some((side(24)?, side(27)?))
        }
        _ => None,
    }
}

fn gif_size(bytes: &[u8]) -> Option<(u32, u32)> {
    Some((le16(bytes, 6)?, le16(bytes, 8)?))
}

fn bmp_size(bytes: &[u8]) -> Option<(u32, u32)> {
    match le32(bytes, 14)? {
        12 => Some((le16(bytes, 18)?, le16(bytes, 20)?)),
        // A negative height means that rows are stored from top to bottom.
        _ => Some((le32(bytes, 18)?, (le32(bytes, 22)? as i32).unsigned_abs())),
    }
}
