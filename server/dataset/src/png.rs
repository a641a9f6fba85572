//! The chunks of a PNG file before its pixels, as far as they say what its numbers mean.

use super::photo::PhotoError;

/// The signature and the header chunk, its checksum included.
const HEADER: usize = 33;

/// The header chunk.
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
    /// If it is missing, or is Apple's own kind of PNG.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, PhotoError> {
        if bytes.get(12..16) == Some(b"CgBI") {
            return Err(PhotoError::Unsupported {
                what: "a PNG in the form that only Apple's programs read (CgBI)".into(),
                instead: "save it as an ordinary PNG and send that",
            });
        }
        let Some(header) = bytes.get(16..HEADER) else {
            return Err(PhotoError::Damaged("its end is missing".into()));
        };
        let number = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        Ok(Self {
            width: number(0),
            height: number(4),
            depth: header[8],
            colours: header[9],
        })
    }

    /// The most bytes of a pixel as the decoder gives it: palettes and colours that stand for transparency become channels.
    pub(super) fn pixel_bytes(self) -> u64 {
        let channels = if matches!(self.colours, 0 | 4) { 2 } else { 4 };
        channels * if self.depth == 16 { 2 } else { 1 }
    }
}

/// Colour information of a PNG file, besides an ICC profile.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Colours {
    /// Primaries, transfer, matrix and range by their ITU-T H.273 numbers.
    pub(super) cicp: Option<[u8; 4]>,
    /// The picture is in sRGB.
    pub(super) srgb: bool,
    /// The exponent from light to numbers, such as 0.45455.
    pub(super) gamma: Option<f32>,
    /// x and y of white, red, green and blue.
    pub(super) chromaticities: Option<[f32; 8]>,
}

impl Colours {
    /// Reads the chunks before the pixels; of a damaged file, as far as they go.
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

/// The chunk at a position: its name and its data.
fn chunk(bytes: &[u8], at: usize) -> Option<(&[u8; 4], &[u8])> {
    let head = bytes.get(at..at + 8)?;
    let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let data = bytes.get(at + 8..(at + 8).checked_add(length)?)?;
    Some((head[4..8].try_into().ok()?, data))
}
