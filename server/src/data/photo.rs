//! Bytes from strangers → upright pixels, within bounds.
//!
//! The format is told from the first bytes, never from a name or a header; the size is read before a pixel is decoded, so
//! that a small file that claims to be huge costs nothing.

use anyhow::Context;
use std::io::Cursor;
use std::path::Path;

use image::error::{ImageError, LimitErrorKind};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage, metadata::Orientation};
use shared::input::{CropBox, InputError, Pixels};

use super::jpeg;
use super::raster;

/// The most pixels a photo may have.
pub const MAX_PIXELS: u64 = 40_000_000;

/// The most pixels a photo may have along one side.
pub const MAX_SIDE: u32 = 12_000;

/// The most bytes the decoded picture may take, which is [`MAX_PIXELS`] at four bytes each.
const MAX_DECODED_BYTES: u64 = 4 * MAX_PIXELS;

/// What the decoder may allocate besides; progressive JPEGs keep their coefficients.
const MAX_WORKING_BYTES: u64 = 8 * MAX_PIXELS;

/// Why bytes did not become a [`Photo`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PhotoError {
    /// There are no bytes.
    #[error("the photo has no bytes; choose another file")]
    Empty,
    /// The first bytes are those of no format read here.
    #[error("the file is not a JPEG, PNG, WebP, GIF or BMP picture; save it as one of these and send it again")]
    NotAnImage,
    /// The format is known, but the bytes end early or are damaged.
    #[error("the picture is damaged or breaks off ({0}); send the complete file")]
    Damaged(String),
    /// The picture would take too much memory.
    #[error(
        "the picture has {width} x {height} pixels; send one of at most {} megapixels and {} pixels a side",
        MAX_PIXELS / 1_000_000,
        MAX_SIDE
    )]
    TooLarge {
        /// Width in pixels, as the file says.
        width: u32,
        /// Height in pixels, as the file says.
        height: u32,
    },
}

/// A decoded photo, turned upright as its EXIF data asks.
#[derive(Debug)]
pub struct Photo {
    width: u32,
    height: u32,
    channels: usize,
    pixels: Vec<u8>,
}

impl Photo {
    /// Decodes the first frame of a JPEG, PNG, WebP, GIF or BMP file.
    ///
    /// Takes up to a second for the largest photos: call it off the async threads.
    ///
    /// # Errors
    /// See [`PhotoError`]; never panics and never allocates for a picture beyond the limits.
    pub fn decode(bytes: &[u8]) -> Result<Self, PhotoError> {
        if bytes.is_empty() {
            return Err(PhotoError::Empty);
        }
        let format = match image::guess_format(bytes) {
            Ok(
                format @ (ImageFormat::Jpeg
                | ImageFormat::Png
                | ImageFormat::WebP
                | ImageFormat::Gif
                | ImageFormat::Bmp),
            ) => format,
            _ => return Err(PhotoError::NotAnImage),
        };
        let mut decoder = ImageReader::with_format(Cursor::new(bytes), format).into_decoder().map_err(refusal)?;
        let (width, height) = decoder.dimensions();
        let too_large = PhotoError::TooLarge { width, height };
        if width > MAX_SIDE
            || height > MAX_SIDE
            || u64::from(width) * u64::from(height) > MAX_PIXELS
            || decoder.total_bytes() > MAX_DECODED_BYTES
        {
            return Err(too_large);
        }
        if width == 0 || height == 0 {
            return Err(PhotoError::Damaged("it has no pixels".into()));
        }
        if format == ImageFormat::Jpeg && !jpeg::is_complete(bytes) {
            return Err(PhotoError::Damaged("its end is missing".into()));
        }
        let mut limits = Limits::no_limits();
        limits.max_image_width = Some(MAX_SIDE);
        limits.max_image_height = Some(MAX_SIDE);
        limits.max_alloc = Some(MAX_WORKING_BYTES);
        decoder.set_limits(limits).map_err(|_| too_large)?;
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let mut picture = DynamicImage::from_decoder(decoder).map_err(refusal)?;
        picture.apply_orientation(orientation);
        Ok(Self::from(picture))
    }

    /// Reads and decodes a file.
    ///
    /// # Errors
    /// Names the file.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::decode(&bytes).with_context(|| format!("cannot decode {}", path.display()))
    }

    /// Bytes that the decoded pixels take.
    pub fn bytes(&self) -> usize {
        self.pixels.len()
    }

    /// Width in pixels, upright.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels, upright.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The part of it within a box.
    ///
    /// # Errors
    /// [`InputError::Crop`] if the box leaves the picture.
    pub fn cropped(&self, crop: CropBox) -> Result<Self, InputError> {
        let pixels = raster::crop(&self.pixels, (self.width, self.height), self.channels, crop)?;
        Ok(Self { width: crop.width, height: crop.height, channels: self.channels, pixels })
    }

    /// Turned clockwise by quarters.
    pub fn turned(&self, quarters: u8) -> Self {
        let size = (self.width, self.height);
        let ((width, height), pixels) = raster::turn(&self.pixels, size, self.channels, quarters);
        Self { width, height, channels: self.channels, pixels }
    }

    /// The picture in RGB; transparent pixels as seen on white.
    pub fn to_rgb(&self) -> RgbImage {
        let over_white = |value: u8, alpha: u8| {
            let (value, alpha) = (u16::from(value), u16::from(alpha));
            ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
        };
        let pixels = match self.channels {
            4 => self.pixels.chunks_exact(4).flat_map(|p| [0, 1, 2].map(|c| over_white(p[c], p[3]))).collect(),
            _ => self.pixels.clone(),
        };
        RgbImage::from_raw(self.width, self.height, pixels).unwrap_or_default()
    }

    /// The pixels as the models' preprocessing takes them.
    ///
    /// # Errors
    /// Never for a photo that was decoded; the preprocessing checks its sizes all the same.
    pub fn pixels(&self) -> Result<Pixels<'_>, InputError> {
        Pixels::new(&self.pixels, self.width as usize, self.height as usize, self.channels)
    }
}

impl From<DynamicImage> for Photo {
    fn from(picture: DynamicImage) -> Self {
        let (width, height) = (picture.width(), picture.height());
        // What a transparent pixel looks like is decided in one place, the shared preprocessing.
        let (channels, pixels) = if picture.color().has_alpha() {
            (4, picture.into_rgba8().into_raw())
        } else {
            (3, picture.into_rgb8().into_raw())
        };
        Self { width, height, channels, pixels }
    }
}

fn refusal(error: ImageError) -> PhotoError {
    match error {
        ImageError::Limits(limit) => match limit.kind() {
            LimitErrorKind::DimensionError | LimitErrorKind::InsufficientMemory => {
                PhotoError::Damaged("it needs too much memory to decode".into())
            }
            _ => PhotoError::Damaged("it exceeds a limit of its format".into()),
        },
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            PhotoError::Damaged("its end is missing".into())
        }
        // The decoder's own words may quote the file, so they stay out of the answer and the log.
        ImageError::IoError(_) | ImageError::Decoding(_) | ImageError::Encoding(_) | ImageError::Parameter(_) => {
            PhotoError::Damaged("its data make no sense".into())
        }
        ImageError::Unsupported(_) => PhotoError::NotAnImage,
    }
}

#[cfg(test)]
mod tests {
    use image::{ImageEncoder, Rgb, RgbImage, codecs::jpeg::JpegEncoder};

    use super::*;

    /// Left half red, right half blue.
    fn picture() -> RgbImage {
        RgbImage::from_fn(32, 16, |x, _| if x < 16 { Rgb([250, 0, 0]) } else { Rgb([0, 0, 250]) })
    }

    fn encode(format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture().write_to(&mut bytes, format).expect("encodes");
        bytes.into_inner()
    }

    /// A JPEG that asks to be turned by a quarter, clockwise.
    fn turned() -> Vec<u8> {
        let exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0".to_vec();
        let mut bytes = Vec::new();
        let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 95);
        encoder.set_exif_metadata(exif).expect("supported");
        encoder.encode_image(&picture()).expect("encodes");
        bytes
    }

    #[test]
    fn decodes_every_format_upright() {
        let formats =
            [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif, ImageFormat::Bmp].map(encode);
        for bytes in formats {
            let photo = Photo::decode(&bytes).expect("decodes");
            assert_eq!((photo.width(), photo.height()), (32, 16));
        }
        let photo = Photo::decode(&turned()).expect("decodes");
        assert_eq!((photo.width(), photo.height()), (16, 32));
        let (top, bottom) = (&photo.pixels[..3], &photo.pixels[photo.pixels.len() - 3..]);
        assert!(top[0] > 200 && bottom[2] > 200, "red is on top: {top:?} {bottom:?}");
    }

    #[test]
    fn every_cut_is_refused() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Bmp] {
            let bytes = encode(format);
            for cut in 0..bytes.len() - 12 {
                assert!(Photo::decode(&bytes[..cut]).is_err(), "{format:?} cut after {cut} of {} bytes", bytes.len());
            }
        }
    }

    #[test]
    fn refuses_bombs_by_their_size_alone() {
        // A bitmap says its size in plain bytes.
        for (width, height) in [(65_000u32, 65_000u32), (12_001, 1), (1, 12_001), (8_000, 8_000)] {
            let mut bytes = encode(ImageFormat::Bmp);
            bytes[18..22].copy_from_slice(&width.to_le_bytes());
            bytes[22..26].copy_from_slice(&height.to_le_bytes());
            assert_eq!(Photo::decode(&bytes).err(), Some(PhotoError::TooLarge { width, height }));
        }
        assert_eq!(Photo::decode(b"").err(), Some(PhotoError::Empty));
        assert_eq!(Photo::decode(b"<svg/>").err(), Some(PhotoError::NotAnImage));
    }
}
