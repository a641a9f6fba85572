//! Headers of a JPEG file up to its first scan, and the check that a file is complete.
//!
//! The strict mode of `zune-jpeg` cannot replace the check: it accepts files without an end marker, refuses intact files with
//! extra bytes between segments, and does not cover `jpeg-decoder`.

use std::ops::Range;

use crate::decode::error::{PhotoError, SAVE_AS_ORDINARY};

const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;
const DHP: u8 = 0xDE;
const ADOBE: u8 = 0xEE;

/// Colour model of the components.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Model {
    Grey,
    YCbCr,
    Rgb,
    Cmyk,
    Ycck,
}

/// Component of a frame with its sampling factors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Component {
    id: u8,
    across: u8,
    down: u8,
}

/// Headers of a file whose coding is supported.
#[derive(Debug)]
pub(crate) struct Jpeg {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(super) model: Model,
    /// Byte range of the EXIF data, from its TIFF header on.
    pub(crate) exif: Option<Range<usize>>,
    /// Pieces of the colour profile: number from 1, total count, and byte range.
    icc: Vec<(u8, u8, Range<usize>)>,
    pub(super) progressive: bool,
    pub(super) components: Vec<Component>,
    /// True if the first scan holds all components.
    interleaved: bool,
    /// Byte ranges of the Adobe segments, including their markers.
    pub(super) adobe_segments: Vec<Range<usize>>,
}

/// Content of the frame header.
#[derive(Default)]
struct Frame {
    progressive: bool,
    size: (u32, u32),
    components: Vec<Component>,
}

impl Jpeg {
    /// Reads the headers of a file that begins with the start-of-image marker.
    ///
    /// # Errors
    /// [`PhotoError::Unsupported`] names a coding that is not supported. [`PhotoError::Damaged`] if the headers are
    /// truncated.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, PhotoError> {
        let (mut at, mut frame, mut jfif) = (2, None::<Frame>, false);
        let (mut adobe, mut exif) = (None, None);
        let (mut icc, mut adobe_segments) = (Vec::new(), Vec::new());
        while let Some((marker, after)) = next_marker(bytes, at) {
            if matches!(marker, 0x01 | 0xD0..=SOI) {
                at = after;
                continue;
            }
            if marker == EOI {
                return Err(PhotoError::Damaged("it ends before its image data begins".into()));
            }
            let Some(content) = segment(bytes, after) else { break };
            let data = &bytes[content.clone()];
            match marker {
                0xE0 if data.starts_with(b"JFIF\0") => jfif = true,
                0xE1 if exif.is_none() && data.starts_with(b"Exif\0") => {
                    exif = Some((content.start + 6).min(content.end)..content.end)
                }
                0xE2 if data.starts_with(b"ICC_PROFILE\0") && data.len() >= 14 => {
                    icc.push((data[12], data[13], content.start + 14..content.end));
                }
                ADOBE if data.starts_with(b"Adobe") && data.len() >= 12 => {
                    adobe = Some(data[11]);
                    adobe_segments.push(after - 2..content.end);
                }
                DHP => return Err(unsupported("a hierarchical JPEG")),
                0xC0..=0xCF | 0xF7 if !matches!(marker, 0xC4 | 0xC8 | 0xCC) && frame.is_none() => {
                    frame = Some(read_frame(marker, data)?);
                }
                SOS => {
                    let frame = frame.ok_or_else(|| PhotoError::Damaged("its frame header is missing".into()))?;
                    let interleaved = data
                        .first()
                        .is_some_and(|&count| usize::from(count) == frame.components.len());
                    let model = model(&frame.components, jfif, adobe);
                    let Frame {
                        progressive,
                        size: (width, height),
                        components,
                    } = frame;
                    let read = Self {
                        width,
                        height,
                        model,
                        exif,
                        icc,
                        progressive,
                        components,
                        interleaved,
                        adobe_segments,
                    };
                    return read.check_sampling().map(|()| read);
                }
                _ => {}
            }
            at = content.end;
        }
        Err(PhotoError::truncated())
    }

    /// Joins the pieces of the colour profile. `None` if a piece is missing or duplicated, as in browsers.
    pub(crate) fn icc(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let count = self.icc.first()?.1;
        let mut whole = Vec::new();
        for number in 1..=count {
            let mut pieces = self.icc.iter().filter(|(at, ..)| *at == number);
            match (pieces.next(), pieces.next()) {
                (Some((_, of, piece)), None) if *of == count => whole.extend_from_slice(&bytes[piece.clone()]),
                _ => return None,
            }
        }
        Some(whole)
    }

    /// Number of samples of all components, padded to whole blocks.
    pub(super) fn samples(&self) -> u64 {
        let (across, down) = self.most();
        let units = |side: u32, most: u8| u64::from(side.div_ceil(8 * u32::from(most)));
        let units = units(self.width, across) * units(self.height, down);
        let blocks: u64 = self
            .components
            .iter()
            .map(|part| u64::from(part.across) * u64::from(part.down))
            .sum();
        units * blocks * 64
    }

    /// True if a file of `bytes` bytes has room for the shortest codes of all blocks: two bits each, or one bit if
    /// progressive. Decoders fill missing blocks with grey.
    pub(crate) fn has_room_for_all(&self, bytes: usize) -> bool {
        let (across, down) = self.most();
        let parts: u64 = self
            .components
            .iter()
            .map(|part| u64::from(part.across) * u64::from(part.down))
            .sum();
        let samples = u64::from(self.width) * u64::from(self.height) * parts / (u64::from(across) * u64::from(down));
        let bits = samples / 64 * if self.progressive { 1 } else { 2 };
        bytes as u64 * 8 >= bits
    }

    /// True if at most the first component is sampled finer than the others, in one scan or in progressive scans.
    pub(super) fn is_plain(&self) -> bool {
        let (across, down) = self.most();
        let [first, others @ ..] = &self.components[..] else {
            return false;
        };
        let plain = (first.across, first.down) == (across, down)
            && others.iter().all(|part| (part.across, part.down) == (1, 1))
            && across != 3;
        self.components.len() == 1 || (self.components.len() == 3 && plain && (self.progressive || self.interleaved))
    }

    fn most(&self) -> (u8, u8) {
        let most = |factor: fn(&Component) -> u8| self.components.iter().map(factor).max().unwrap_or(1);
        (most(|part| part.across), most(|part| part.down))
    }

    /// Refuses sampling factors that neither decoder reads correctly.
    fn check_sampling(&self) -> Result<(), PhotoError> {
        let (across, down) = self.most();
        let whole = |part: &Component| across.is_multiple_of(part.across) && down.is_multiple_of(part.down);
        // With a factor between 1 and the maximum, the scan of a single component has fewer blocks than the decoder expects.
        let between =
            |part: &Component| (part.across > 1 && part.across < across) || (part.down > 1 && part.down < down);
        let split = self.progressive || !self.interleaved;
        if self.is_plain()
            || self
                .components
                .iter()
                .all(|part| whole(part) && !(split && between(part)))
        {
            return Ok(());
        }
        let factors: Vec<String> = self
            .components
            .iter()
            .map(|part| format!("{}x{}", part.across, part.down))
            .collect();
        Err(unsupported(&format!(
            "a JPEG with the rare chroma sampling {}",
            factors.join(", ")
        )))
    }
}

fn unsupported(what: &str) -> PhotoError {
    PhotoError::Unsupported {
        what: what.to_owned(),
        instead: SAVE_AS_ORDINARY,
    }
}

fn read_frame(marker: u8, data: &[u8]) -> Result<Frame, PhotoError> {
    let name = match marker {
        0xC0..=0xC2 => None,
        0xC3 => Some("a lossless JPEG"),
        0xC9..=0xCB => Some("an arithmetic-coded JPEG"),
        0xF7 => Some("a JPEG-LS image"),
        _ => Some("a hierarchical JPEG"),
    };
    if let Some(name) = name {
        return Err(unsupported(name));
    }
    let broken = || PhotoError::Damaged("its frame header is malformed".into());
    let [precision, h1, h0, w1, w0, count, parts @ ..] = data else {
        return Err(broken());
    };
    if *precision != 8 {
        return Err(unsupported(&format!("a JPEG of {precision} bits per sample")));
    }
    let side = |high: u8, low: u8| u32::from(u16::from_be_bytes([high, low]));
    let size = (side(*w1, *w0), side(*h1, *h0));
    if size.1 == 0 {
        return Err(unsupported("a JPEG that states its height after its data"));
    }
    if !matches!(count, 1 | 3 | 4) {
        return Err(unsupported(&format!("a JPEG of {count} colour components")));
    }
    let components: Vec<Component> = parts
        .chunks_exact(3)
        .take(usize::from(*count))
        .map(|part| Component {
            id: part[0],
            across: part[1] >> 4,
            down: part[1] & 15,
        })
        .collect();
    let factor = |factor: u8| (1..=4).contains(&factor);
    if components.len() != usize::from(*count)
        || !components.iter().all(|part| factor(part.across) && factor(part.down))
    {
        return Err(broken());
    }
    Ok(Frame {
        progressive: marker == 0xC2,
        size,
        components,
    })
}

/// Decides the colour model as libjpeg does.
fn model(components: &[Component], jfif: bool, adobe: Option<u8>) -> Model {
    let ids: Vec<u8> = components.iter().map(|part| part.id).collect();
    match (ids.len(), adobe) {
        (1, _) => Model::Grey,
        (3, _) if jfif => Model::YCbCr,
        (3, Some(0)) => Model::Rgb,
        (3, None) if ids == *b"RGB" => Model::Rgb,
        (3, _) => Model::YCbCr,
        (4, None | Some(0)) => Model::Cmyk,
        _ => Model::Ycck,
    }
}

/// Byte range of the segment's content, whose length field is at `at`. `None` if it is truncated.
fn segment(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let length = usize::from(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?])).max(2);
    (at + length <= bytes.len()).then(|| at + 2..at + length)
}

/// True if the segments of `bytes` lead to an end-of-image marker after at least one scan.
///
/// Decoders fill missing data with grey and report success, so a truncated upload would be searched like a complete image.
/// Bytes after the end marker are allowed because cameras append previews and notes there.
pub(super) fn is_complete(bytes: &[u8]) -> bool {
    if !bytes.starts_with(&[0xFF, SOI]) {
        return false;
    }
    let mut at = 2;
    let mut scanned = false;
    while let Some((marker, after)) = next_marker(bytes, at) {
        match marker {
            EOI => return scanned,
            // Markers without a length: TEM, restarts and a repeated start of image.
            0x01 | 0xD0..=SOI => at = after,
            _ => {
                let Some(content) = segment(bytes, after) else {
                    return false;
                };
                at = content.end;
                scanned |= marker == SOS;
            }
        }
    }
    false
}

/// Returns the next marker at or after `at`, and the position after it. Inside a scan, `FF 00` is a stuffed data byte.
fn next_marker(bytes: &[u8], mut at: usize) -> Option<(u8, usize)> {
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == 0xFF)?;
        // A marker may be padded by any number of FF bytes.
        let filler = bytes[at..].iter().take_while(|&&byte| byte == 0xFF).count();
        let marker = *bytes.get(at + filler)?;
        at += filler + 1;
        if marker != 0 {
            return Some((marker, at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_with_a_scan_and_an_end_marker_are_complete() {
        let head = [0xFF, SOI, 0xFF, 0xE1, 0, 6, 0xFF, EOI, 1, 2, 0xFF, SOS, 0, 3, 9];
        let scan = [1, 0xFF, 0, 2, 0xFF, 0xD0, 3];
        let whole = [&head[..], &scan, &[0xFF, 0xFF, EOI]].concat();
        let cases: [(&str, Vec<u8>, bool); 6] = [
            ("whole", whole.clone(), true),
            ("with a note after it", [&whole[..], b"note"].concat(), true),
            ("without its end", [&head[..], &scan].concat(), false),
            ("an end marker inside a segment does not count", head.to_vec(), false),
            ("no scan at all", vec![0xFF, SOI, 0xFF, EOI], false),
            ("nothing", Vec::new(), false),
        ];
        for (name, bytes, expected) in cases {
            assert_eq!(is_complete(&bytes), expected, "{name}");
        }
        for cut in 0..whole.len() {
            assert!(!is_complete(&whole[..cut]), "cut after {cut} bytes");
        }
    }
}
