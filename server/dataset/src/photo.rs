//! Bytes from strangers → upright pixels, within bounds.
//!
//! The format is told from the first bytes, never from a name or a header; the size is read before a pixel is decoded, so
//! that a small file that claims to be huge costs nothing.

use anyhow::Context;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::error::{ImageError, LimitErrorKind};
use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage, RgbaImage};
use shared::input::{CropBox, InputError, Pixels};

use super::colour::{self, Conversion};
use super::declared::Declared;
use super::jpeg::{Jpeg, Samples};
use super::png;
use super::raster;

/// The most pixels a photo may have.
pub const MAX_PIXELS: u64 = 40_000_000;

/// The most pixels a photo may have along one side.
pub const MAX_SIDE: u32 = 12_000;

/// The most bytes that a decoder may take for what is no pixel, such as text and a packed colour profile.
const MAX_METADATA_BYTES: u64 = 16 << 20;

/// Why bytes did not become a [`Photo`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PhotoError {
    /// There are no bytes.
    #[error("the photo has no bytes; choose another file")]
    Empty,
    /// The file is something else than a picture.
    #[error("the file is {what}, and not a picture that can be read; {instead}")]
    NotAnImage {
        /// The kind of the file, with an article.
        what: &'static str,
        /// What to do instead.
        instead: &'static str,
    },
    /// The file is a picture in a format or coding that is not read here.
    #[error("the file is {what}, which is not supported here; {instead}")]
    Unsupported {
        /// The kind of the picture, with an article.
        what: String,
        /// What to do instead.
        instead: &'static str,
    },
    /// The format is known, but the bytes end early or are damaged.
    #[error("the picture is damaged or breaks off ({0}); send the complete file")]
    Damaged(String),
    /// The picture has too many pixels.
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
    /// The picture has more pixels than a file of its size holds of any photo.
    #[error(
        "the file of {bytes} bytes declares {width} x {height} pixels, too many for a photo of that size; send a smaller picture"
    )]
    TooSparse {
        /// Width in pixels, as the file says.
        width: u32,
        /// Height in pixels, as the file says.
        height: u32,
        /// Bytes of the file.
        bytes: usize,
    },
    /// Decoding the picture alone would take more memory than there is for all pictures.
    #[error(
        "decoding the picture takes {needed_mb} MB, and the server has {budget_mb} MB for it; send a smaller picture"
    )]
    TooMuchMemory {
        /// Megabytes that decoding may take.
        needed_mb: u64,
        /// Megabytes that there are.
        budget_mb: u64,
    },
}

/// A decoded photo in sRGB, turned upright as its EXIF data asks.
#[derive(Debug)]
pub struct Photo {
    width: u32,
    height: u32,
    channels: usize,
    pixels: Vec<u8>,
}

impl Photo {
    /// The most bytes of memory that [`decode`](Self::decode) takes for a file, its result included. Reads the headers
    /// alone.
    ///
    /// # Errors
    /// [`PhotoError`] if the headers tell already that the file will not be decoded.
    pub fn working_bytes(bytes: &[u8]) -> Result<u64, PhotoError> {
        Declared::read(bytes).map(|declared| declared.working_bytes)
    }

    /// Decodes the first frame of a JPEG, PNG, WebP, GIF or BMP file and converts it to sRGB.
    ///
    /// Takes up to two seconds for the largest photos: call it off the async threads. Takes at most the memory that
    /// [`working_bytes`](Self::working_bytes) says.
    ///
    /// # Errors
    /// See [`PhotoError`]; never panics and never allocates for a picture beyond the limits.
    pub fn decode(bytes: &[u8]) -> Result<Self, PhotoError> {
        let declared = Declared::read(bytes)?;
        // Decoders that panic on a hostile file must not take the request with them.
        let decoded = catch_unwind(AssertUnwindSafe(|| match &declared.jpeg {
            Some(jpeg) => decode_jpeg(bytes, jpeg),
            None => decode_other(bytes, &declared),
        }));
        let (mut picture, orientation) = decoded.unwrap_or_else(|_| Err(senseless()))?;
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
        Ok(Self {
            width: crop.width,
            height: crop.height,
            channels: self.channels,
            pixels,
        })
    }

    /// Turned clockwise by quarters.
    pub fn turned(&self, quarters: u8) -> Self {
        let size = (self.width, self.height);
        let ((width, height), pixels) = raster::turn(&self.pixels, size, self.channels, quarters);
        Self {
            width,
            height,
            channels: self.channels,
            pixels,
        }
    }

    /// The picture in RGB; transparent pixels as seen on white.
    pub fn to_rgb(&self) -> RgbImage {
        let over_white = |value: u8, alpha: u8| {
            let (value, alpha) = (u16::from(value), u16::from(alpha));
            ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
        };
        let pixels = match self.channels {
            4 => self
                .pixels
                .chunks_exact(4)
                .flat_map(|p| [0, 1, 2].map(|c| over_white(p[c], p[3])))
                .collect(),
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
        Self {
            width,
            height,
            channels,
            pixels,
        }
    }
}

fn decode_jpeg(bytes: &[u8], jpeg: &Jpeg) -> Result<(DynamicImage, Orientation), PhotoError> {
    let Samples {
        channels,
        bytes: samples,
    } = jpeg.decode(bytes)?;
    let (width, height) = (jpeg.width, jpeg.height);
    let icc = jpeg.icc(bytes);
    let conversion = |channels, inks| icc.as_deref().and_then(|icc| Conversion::of_icc(icc, channels, inks));
    let picture = match channels {
        1 => GrayImage::from_raw(width, height, samples).map(DynamicImage::from),
        3 => RgbImage::from_raw(width, height, samples).map(DynamicImage::from),
        _ => {
            let rgb = match conversion(channels, true) {
                Some(conversion) => conversion.convert(samples),
                None => Some(colour::inks_to_rgb(samples)),
            };
            rgb.and_then(|rgb| RgbImage::from_raw(width, height, rgb))
                .map(DynamicImage::from)
        }
    };
    let picture = match channels {
        4 => picture,
        _ => picture.and_then(|picture| in_srgb(picture, |channels| conversion(channels, false))),
    };
    let orientation = jpeg
        .exif
        .clone()
        .map_or(Orientation::NoTransforms, |exif| orientation(&bytes[exif]));
    Ok((picture.ok_or_else(senseless)?, orientation))
}

fn decode_other(bytes: &[u8], declared: &Declared) -> Result<(DynamicImage, Orientation), PhotoError> {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_METADATA_BYTES);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), declared.format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(refusal)?;
    if decoder.dimensions() != (declared.width, declared.height) {
        return Err(PhotoError::Damaged("its headers contradict each other".into()));
    }
    let exif = decoder.exif_metadata().ok().flatten();
    let icc = decoder.icc_profile().ok().flatten();
    let picture = DynamicImage::from_decoder(decoder).map_err(refusal)?;
    let colours = match declared.format {
        ImageFormat::Png => png::Colours::read(bytes),
        _ => png::Colours::default(),
    };
    let picture = in_srgb(picture, |channels| {
        // In this order by the PNG specification.
        let coded = colours.cicp.and_then(|_| Conversion::of_png(&colours, channels));
        let embedded = || icc.as_deref().and_then(|icc| Conversion::of_icc(icc, channels, false));
        let described = || {
            if icc.is_none() {
                Conversion::of_png(&colours, channels)
            } else {
                None
            }
        };
        coded.or_else(embedded).or_else(described)
    });
    let orientation = exif.map_or(Orientation::NoTransforms, |exif| orientation(&exif));
    Ok((picture.ok_or_else(senseless)?, orientation))
}

/// The picture at 8 bits a channel, by the conversion for its number of channels. A grey picture's may also be one of RGB.
fn in_srgb(picture: DynamicImage, conversion: impl Fn(usize) -> Option<Conversion>) -> Option<DynamicImage> {
    let (width, height) = (picture.width(), picture.height());
    let alpha = usize::from(picture.color().has_alpha());
    let grey = (!picture.color().has_color()).then(|| conversion(1 + alpha)).flatten();
    let samples = match (&grey, alpha) {
        (Some(_), 0) => picture.into_luma8().into_raw(),
        (Some(_), _) => picture.into_luma_alpha8().into_raw(),
        (None, 0) => picture.into_rgb8().into_raw(),
        (None, _) => picture.into_rgba8().into_raw(),
    };
    let pixels = match grey.or_else(|| conversion(3 + alpha)) {
        Some(conversion) => conversion.convert(samples)?,
        None => samples,
    };
    match alpha {
        0 => RgbImage::from_raw(width, height, pixels).map(DynamicImage::from),
        _ => RgbaImage::from_raw(width, height, pixels).map(DynamicImage::from),
    }
}

/// How EXIF data ask to turn the picture. Some writers leave the prefix that only JPEG files need.
fn orientation(exif: &[u8]) -> Orientation {
    let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    Orientation::from_exif_chunk(exif).unwrap_or(Orientation::NoTransforms)
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
        ImageError::Unsupported(_) => PhotoError::Unsupported {
            what: "a picture in a rare variant of its format".into(),
            instead: "save it as an ordinary JPEG, PNG or WebP picture and send that",
        },
        // The decoder's own words may quote the file, so they stay out of the answer and the log.
        ImageError::IoError(_) | ImageError::Decoding(_) | ImageError::Encoding(_) | ImageError::Parameter(_) => {
            senseless()
        }
    }
}

fn senseless() -> PhotoError {
    PhotoError::Damaged("its data make no sense".into())
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
        let formats = [
            ImageFormat::Jpeg,
            ImageFormat::Png,
            ImageFormat::WebP,
            ImageFormat::Gif,
            ImageFormat::Bmp,
        ]
        .map(encode);
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
                assert!(
                    Photo::decode(&bytes[..cut]).is_err(),
                    "{format:?} cut after {cut} of {} bytes",
                    bytes.len()
                );
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
            assert_eq!(
                Photo::decode(&bytes).err(),
                Some(PhotoError::TooLarge { width, height })
            );
        }
        assert_eq!(Photo::decode(b"").err(), Some(PhotoError::Empty));
        // The largest size that a PNG can declare, in a file of 57 bytes.
        let mut bytes = encode(ImageFormat::Png);
        bytes[16..24].copy_from_slice(&[0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF]);
        bytes.truncate(57);
        let side = 0x7FFF_FFFF;
        assert_eq!(
            Photo::decode(&bytes).err(),
            Some(PhotoError::TooLarge {
                width: side,
                height: side
            })
        );
    }

    #[test]
    fn small_files_do_not_become_huge_pictures() {
        let of = |side: u32, format: ImageFormat| {
            let mut bytes = Cursor::new(Vec::new());
            RgbImage::new(side, side).write_to(&mut bytes, format).expect("encodes");
            bytes.into_inner()
        };
        let packed = of(4000, ImageFormat::WebP);
        assert!(packed.len() < 8_000, "{} bytes", packed.len());
        assert!(matches!(
            Photo::decode(&packed),
            Err(PhotoError::TooSparse {
                width: 4000,
                height: 4000,
                ..
            })
        ));
        // Deflate packs a PNG of one colour as far as it can, and that is still a picture.
        for (side, format) in [
            (4000, ImageFormat::Png),
            (1500, ImageFormat::WebP),
            (2100, ImageFormat::Jpeg),
        ] {
            assert!(Photo::decode(&of(side, format)).is_ok(), "{format:?}");
        }
    }

    #[test]
    fn embedded_profiles_are_applied_in_every_format_that_has_them() {
        let icc = moxcms::ColorProfile::new_display_p3().encode().expect("encodes");
        let picture = RgbImage::from_pixel(16, 16, Rgb([200, 100, 50]));
        let (mut jpeg, mut png, mut webp) = (Vec::new(), Vec::new(), Vec::new());
        let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, 100);
        encoder.set_icc_profile(icc.clone()).expect("supported");
        encoder.encode_image(&picture).expect("encodes");
        let mut encoder = image::codecs::png::PngEncoder::new(&mut png);
        encoder.set_icc_profile(icc.clone()).expect("supported");
        picture.write_with_encoder(encoder).expect("encodes");
        let mut encoder = image::codecs::webp::WebPEncoder::new_lossless(&mut webp);
        encoder.set_icc_profile(icc.clone()).expect("supported");
        picture.write_with_encoder(encoder).expect("encodes");
        // 16 bits a channel are converted too.
        let deep = image::ImageBuffer::<Rgb<u16>, _>::from_pixel(16, 16, Rgb([200u16 * 257, 100 * 257, 50 * 257]));
        let mut deep_png = Vec::new();
        let mut encoder = image::codecs::png::PngEncoder::new(&mut deep_png);
        encoder.set_icc_profile(icc.clone()).expect("supported");
        deep.write_with_encoder(encoder).expect("encodes");
        for (name, bytes) in [
            ("JPEG", jpeg),
            ("PNG", png),
            ("WebP", webp),
            ("PNG of 16 bits", deep_png),
        ] {
            let photo = Photo::decode(&bytes).expect(name).to_rgb();
            let found = photo.get_pixel(8, 8).0;
            assert!(
                found.iter().zip([215, 93, 31]).all(|(a, b)| a.abs_diff(b) <= 3),
                "{name}: {found:?}"
            );
        }
        // A grey picture may have a coloured profile; grey stays grey.
        let mut grey = Vec::new();
        let mut encoder = JpegEncoder::new_with_quality(&mut grey, 100);
        encoder.set_icc_profile(icc).expect("supported");
        encoder
            .encode_image(&GrayImage::from_pixel(16, 16, image::Luma([90])))
            .expect("encodes");
        assert_eq!(
            Photo::decode(&grey).expect("decodes").to_rgb().get_pixel(8, 8).0,
            [90; 3]
        );
    }

    #[test]
    fn exif_data_of_webp_and_png_turn_with_and_without_the_prefix_of_jpeg() {
        let tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        for prefix in [&b""[..], b"Exif\0\0"] {
            let exif = [prefix, tiff].concat();
            let (mut png, mut webp) = (Vec::new(), Vec::new());
            let mut encoder = image::codecs::png::PngEncoder::new(&mut png);
            encoder.set_exif_metadata(exif.clone()).expect("supported");
            picture().write_with_encoder(encoder).expect("encodes");
            let mut encoder = image::codecs::webp::WebPEncoder::new_lossless(&mut webp);
            encoder.set_exif_metadata(exif).expect("supported");
            picture().write_with_encoder(encoder).expect("encodes");
            for bytes in [png, webp] {
                let photo = Photo::decode(&bytes).expect("decodes");
                assert_eq!((photo.width(), photo.height()), (16, 32));
                assert!(photo.pixels[0] > 200, "red is on top");
            }
        }
    }
}
