//! JPEG files: what their headers say, and their pixels.
//!
//! Colours are decided as libjpeg and browsers decide them. Ordinary files are decoded by `zune-jpeg`. It misreads files
//! whose chroma is sampled finer than the luma and files that hold each component in a scan of its own, so those go to
//! `jpeg-decoder`; what that misreads in turn is refused by name.

mod header;

use jpeg_decoder::ColorTransform;
use std::borrow::Cow;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::photo::PhotoError;
use header::is_complete;
pub(super) use header::{Jpeg, Model};

/// Decoded samples, row by row.
pub(super) struct Samples {
    /// 1 of grey, 3 of RGB, or 4 amounts of ink (CMYK; 255 is all of it).
    pub(super) channels: usize,
    pub(super) bytes: Vec<u8>,
}

impl Jpeg {
    /// The most bytes that [`decode`](Self::decode) holds at once, its result included.
    pub(super) fn working_bytes(&self) -> u64 {
        let pixels = u64::from(self.width) * u64::from(self.height);
        let samples = self.samples();
        let result = pixels * self.components.len() as u64;
        match (self.is_plain(), self.progressive) {
            // Rows are converted as they are read.
            (true, false) => result + samples / 4,
            // Coefficients of two bytes, then the result.
            (true, true) => result + 2 * samples,
            // Coefficients, planes, and the result.
            (false, _) => result + 3 * samples,
        }
    }

    /// Decodes the picture.
    ///
    /// # Errors
    /// If the file breaks off or makes no sense.
    pub(super) fn decode(&self, bytes: &[u8]) -> Result<Samples, PhotoError> {
        if !is_complete(bytes) {
            return Err(PhotoError::Damaged("its end is missing".into()));
        }
        let samples = if self.is_plain() {
            self.decode_plain(bytes)
        } else {
            None
        };
        let samples = samples.or_else(|| self.decode_rare(bytes));
        let samples = samples.ok_or_else(|| PhotoError::Damaged("its data make no sense".into()))?;
        let expected = self.width as usize * self.height as usize * samples.channels;
        match samples.bytes.len() == expected {
            true => Ok(samples),
            false => Err(PhotoError::Damaged("its data make no sense".into())),
        }
    }

    fn decode_plain(&self, bytes: &[u8]) -> Option<Samples> {
        // Without the markers that mislead it, the decoder takes three components for YCbCr or, by their names, for RGB.
        let bytes = self.without_adobe(bytes);
        let options = DecoderOptions::default().set_strict_mode(false);
        let open = |options| JpegDecoder::new_with_options(ZCursor::new(&bytes[..]), options);
        let mut headers = open(options);
        headers.decode_headers().ok()?;
        let wanted = match (self.model, headers.input_colorspace()?) {
            (Model::Grey, ColorSpace::Luma) => ColorSpace::Luma,
            (Model::YCbCr, ColorSpace::YCbCr) => ColorSpace::RGB,
            // The samples as they are.
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

    /// The file without its Adobe segments, which mislead decoders.
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
