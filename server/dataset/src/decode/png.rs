//! Chunks of a PNG file before its pixel data: size, bit depth and colour space.

use super::error::PhotoError;

/// Length in bytes of the signature and the header chunk, including its checksum.
const HEADER: usize = 33;

/// Content of the header chunk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub(super) width: u32,
    pub(super) height: u32,
    depth: u8,
    colours: u8,
}

impl Header {
    /// Reads the header chunk.
    ///
    /// # Errors
    /// If it is missing, or the file is in Apple's CgBI variant.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, PhotoError> {
        if bytes.get(12..16) == Some(b"CgBI") {
            return Err(PhotoError::Unsupported {
                what: "a PNG in the form that only Apple's programs read (CgBI)".into(),
                instead: "save it as an ordinary PNG and use that",
            });
        }
        let Some(header) = bytes.get(16..HEADER) else {
            return Err(PhotoError::truncated());
        };
        let number = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        Ok(Self {
            width: number(0),
            height: number(4),
            depth: header[8],
            colours: header[9],
        })
    }

    /// Maximum number of bytes per decoded pixel. The decoder expands palettes and transparent colours to channels.
    pub(super) fn pixel_bytes(self) -> u64 {
        let channels = if matches!(self.colours, 0 | 4) { 2 } else { 4 };
        channels * if self.depth == 16 { 2 } else { 1 }
    }
}

/// Colour space of a PNG file, except for an ICC profile.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Colours {
    /// Primaries, transfer function, matrix and range as ITU-T H.273 code points.
    pub(super) cicp: Option<[u8; 4]>,
    /// True if the image is in sRGB.
    pub(super) srgb: bool,
    /// Exponent from linear light to stored values, such as 0.45455.
    pub(super) gamma: Option<f32>,
    /// CIE x and y of white, red, green and blue.
    pub(super) chromaticities: Option<[f32; 8]>,
}

impl Colours {
    /// Reads the chunks before the pixel data, up to the first damaged chunk.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut colours = Self::default();
        let mut at = 8;
        while let Some((name, data)) = chunk(bytes, at) {
            let number = |at: usize| {
                let four = data.get(4 * at..4 * at + 4)?;
                Some(u32::from_be_bytes([four[0], four[1], four[2], four[3]]) as f32 / 1e5)
            };
            match name {
                b"IDAT" => break,
                b"cICP" => colours.cicp = data.try_into().ok(),
                b"sRGB" => colours.srgb = true,
                b"gAMA" => colours.gamma = number(0).filter(|&gamma| gamma > 0.0),
                b"cHRM" => {
                    let all: Option<Vec<f32>> = (0..8).map(number).collect();
                    colours.chromaticities = all.and_then(|all| all.try_into().ok());
                }
                _ => {}
            }
            at += 12 + data.len();
        }
        colours
    }
}

/// Returns name and data of the chunk at a position.
fn chunk(bytes: &[u8], at: usize) -> Option<(&[u8; 4], &[u8])> {
    let head = bytes.get(at..at + 8)?;
    let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let data = bytes.get(at + 8..(at + 8).checked_add(length)?)?;
    Some((head[4..8].try_into().ok()?, data))
}
