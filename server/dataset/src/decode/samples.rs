//! Decoding of image files to upright sRGB pixels at 8 bits per channel.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::error::{ImageError, LimitErrorKind};
use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage, RgbaImage};

use super::colour::{self, Conversion};
use super::declared::Declared;
use super::error::{PhotoError, SAVE_AS_ORDINARY};
use super::jpeg::{Jpeg, Samples};
use super::png;

/// Maximum number of bytes that a decoder may allocate for anything but pixels, such as text and compressed colour
/// profiles.
const MAX_METADATA_BYTES: u64 = 16 << 20;

/// Decodes an image file; see [`Photo::decode`](super::Photo::decode).
///
/// # Errors
/// See [`PhotoError`].
pub(super) fn decode(bytes: &[u8]) -> Result<DynamicImage, PhotoError> {
    let declared = Declared::read(bytes)?;
    // A decoder that panics on a hostile file must not end the caller.
    let decoded = catch_unwind(AssertUnwindSafe(|| match &declared.jpeg {
        Some(jpeg) => decode_jpeg(bytes, jpeg),
        None => decode_other(bytes, &declared),
    }));
    let (mut image, orientation) = decoded.unwrap_or_else(|_| Err(PhotoError::malformed()))?;
    image.apply_orientation(orientation);
    Ok(image)
}

fn decode_jpeg(bytes: &[u8], jpeg: &Jpeg) -> Result<(DynamicImage, Orientation), PhotoError> {
    let Samples {
        channels,
        bytes: samples,
    } = jpeg.decode(bytes)?;
    let (width, height) = (jpeg.width, jpeg.height);
    let icc = jpeg.icc(bytes);
    let conversion = |channels, inks| icc.as_deref().and_then(|icc| Conversion::from_icc(icc, channels, inks));
    let image = match channels {
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
    let image = match channels {
        4 => image,
        _ => image.and_then(|image| in_srgb(image, |channels| conversion(channels, false))),
    };
    let orientation = jpeg
        .exif
        .clone()
        .map_or(Orientation::NoTransforms, |exif| orientation(&bytes[exif]));
    Ok((image.ok_or_else(PhotoError::malformed)?, orientation))
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
    let image = DynamicImage::from_decoder(decoder).map_err(refusal)?;
    let colours = match declared.format {
        ImageFormat::Png => png::Colours::read(bytes),
        _ => png::Colours::default(),
    };
    let image = in_srgb(image, |channels| {
        // The PNG specification gives this order of precedence.
        let coded = colours.cicp.and_then(|_| Conversion::from_png(&colours, channels));
        let embedded = || {
            icc.as_deref()
                .and_then(|icc| Conversion::from_icc(icc, channels, false))
        };
        let described = || {
            if icc.is_none() {
                Conversion::from_png(&colours, channels)
            } else {
                None
            }
        };
        coded.or_else(embedded).or_else(described)
    });
    let orientation = exif.map_or(Orientation::NoTransforms, |exif| orientation(&exif));
    Ok((image.ok_or_else(PhotoError::malformed)?, orientation))
}

/// Converts an image to sRGB at 8 bits per channel. `conversion` returns the colour conversion for a number of channels.
///
/// A greyscale image may have a conversion for greyscale or for RGB.
fn in_srgb(image: DynamicImage, conversion: impl Fn(usize) -> Option<Conversion>) -> Option<DynamicImage> {
    let (width, height) = (image.width(), image.height());
    let alpha = usize::from(image.color().has_alpha());
    let grey = (!image.color().has_color()).then(|| conversion(1 + alpha)).flatten();
    let samples = match (&grey, alpha) {
        (Some(_), 0) => image.into_luma8().into_raw(),
        (Some(_), _) => image.into_luma_alpha8().into_raw(),
        (None, 0) => image.into_rgb8().into_raw(),
        (None, _) => image.into_rgba8().into_raw(),
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

/// Reads the orientation from EXIF data. Some writers keep the prefix that only JPEG files need.
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
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => PhotoError::truncated(),
        ImageError::Unsupported(_) => PhotoError::Unsupported {
            what: "an image in a rare variant of its format".into(),
            instead: SAVE_AS_ORDINARY,
        },
        // The decoder's message may quote the file, so it must not reach responses and logs.
        ImageError::IoError(_) | ImageError::Decoding(_) | ImageError::Encoding(_) | ImageError::Parameter(_) => {
            PhotoError::malformed()
        }
    }
}
