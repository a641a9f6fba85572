//! Decoding of JPEG files.
//!
//! Colours are interpreted as in libjpeg and browsers. `zune-jpeg` decodes ordinary files. It misreads files with chroma
//! sampled finer than luma and files with a separate scan per component, so `jpeg-decoder` decodes those. Codings that
//! neither reads correctly are refused by name.

mod header;

use jpeg_decoder::ColorTransform;
use std::borrow::Cow;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::error::PhotoError;
use header::Model;
use header::is_complete;

pub(super) use header::Jpeg;

/// Decoded samples in row-major order.
pub(super) struct Samples {
    /// 1 for grey, 3 for RGB, or 4 for amounts of ink (CMYK; 255 is full coverage).
    pub(super) channels: usize,
    pub(super) bytes: Vec<u8>,
}

impl Jpeg {
    /// Maximum number of bytes that [`decode`](Self::decode) holds at once, including its result.
    pub(super) fn working_bytes(&self) -> u64 {
        let pixels = u64::from(self.width) * u64::from(self.height);
        let samples = self.samples();
        let result = pixels * self.components.len() as u64;
        match (self.is_plain(), self.progressive) {
            // Rows are converted while they are read.
            (true, false) => result + samples / 4,
            // Coefficients of two bytes, and the result.
            (true, true) => result + 2 * samples,
            // Coefficients, planes and the result.
            (false, _) => result + 3 * samples,
        }
    }

    /// Decodes the image.
    ///
    /// # Errors
    /// If the file is truncated or malformed.
    pub(super) fn decode(&self, bytes: &[u8]) -> Result<Samples, PhotoError> {
        if !is_complete(bytes) {
            return Err(PhotoError::truncated());
        }
        let samples = if self.is_plain() {
            self.decode_plain(bytes)
        } else {
            None
        };
        let samples = samples.or_else(|| self.decode_rare(bytes));
        let samples = samples.ok_or_else(PhotoError::malformed)?;
        let expected = self.width as usize * self.height as usize * samples.channels;
        match samples.bytes.len() == expected {
            true => Ok(samples),
            false => Err(PhotoError::malformed()),
        }
    }

    fn decode_plain(&self, bytes: &[u8]) -> Option<Samples> {
        // Without Adobe segments, the decoder takes three components as YCbCr or, by their ids, as RGB.
        let bytes = self.without_adobe(bytes);
        let options = DecoderOptions::default().set_strict_mode(false);
        let open = |options| JpegDecoder::new_with_options(ZCursor::new(&bytes[..]), options);
        let mut headers = open(options);
        headers.decode_headers().ok()?;
        let wanted = match (self.model, headers.input_colorspace()?) {
            (Model::Grey, ColorSpace::Luma) => ColorSpace::Luma,
            (Model::YCbCr, ColorSpace::YCbCr) => ColorSpace::RGB,
            // The samples are RGB already and must not be converted.
            (Model::Rgb, stored @ (ColorSpace::YCbCr | ColorSpace::RGB)) => stored,
            _ => return None,
        };
        let bytes = open(options.jpeg_set_out_colorspace(wanted)).decode().ok()?;
        Some(Samples {
            channels: if wanted == ColorSpace::Luma { 1 } else { 3 },
            bytes,
        })
    }

    fn decode_rare(&self, bytes: &[u8]) -> Option<Samples> {
        let bytes = self.without_adobe(bytes);
        let mut decoder = jpeg_decoder::Decoder::new(&bytes[..]);
        let (transform, channels) = match self.model {
            Model::Grey => (ColorTransform::Grayscale, 1),
            Model::YCbCr => (ColorTransform::YCbCr, 3),
            Model::Rgb => (ColorTransform::RGB, 3),
            Model::Cmyk => (ColorTransform::CMYK, 4),
            Model::Ycck => (ColorTransform::YCCK, 4),
        };
        decoder.set_color_transform(transform);
        Some(Samples {
            channels,
            bytes: decoder.decode().ok()?,
        })
    }

    /// Returns the file without its Adobe segments, which decoders misinterpret.
    fn without_adobe<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        if self.adobe_segments.is_empty() {
            return Cow::Borrowed(bytes);
        }
        let mut kept = Vec::with_capacity(bytes.len());
        let mut from = 0;
        for segment in &self.adobe_segments {
            kept.extend_from_slice(&bytes[from..segment.start]);
            from = segment.end;
        }
        kept.extend_from_slice(&bytes[from..]);
        Cow::Owned(kept)
    }
}

#[cfg(test)]
mod tests;
