//! Layout of a segment file.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// First bytes of a segment file.
pub(super) const MAGIC: [u8; 8] = *b"SLVGSEG\n";
/// Last bytes of a segment file.
pub(super) const END: [u8; 8] = *b"SLVGEND\n";
/// Version of the layout.
pub(super) const VERSION: u32 = 1;
/// Length of the header in bytes.
pub(super) const HEADER: usize = 64;
/// Number of bytes that one checksum covers.
pub(super) const BLOCK: usize = 1 << 20;
/// Length of the footer after its checksums in bytes.
pub(super) const TRAILER: usize = 28;
/// Arrays begin at multiples of this number of bytes.
const ALIGNMENT: usize = 64;

/// Type of the stored numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Element {
    /// 32-bit floating point.
    F32,
    /// 8-bit integers with one scale per row. The value is integer × scale.
    Int8,
}

impl Element {
    /// Name in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Int8 => "int8",
        }
    }

    /// Parses the name in the database.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::F32, Self::Int8]
            .into_iter()
            .find(|element| element.name() == name)
    }

    /// Bytes of one number.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Int8 => 1,
        }
    }

    /// Largest difference between 1 and the norm of a stored unit vector.
    #[must_use]
    pub fn tolerance(self) -> f32 {
        match self {
            Self::F32 => 1e-3,
            Self::Int8 => 2e-2,
        }
    }

    pub(super) fn code(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::Int8 => 1,
        }
    }

    pub(super) fn of_code(code: u32) -> Option<Self> {
        [Self::F32, Self::Int8]
            .into_iter()
            .find(|element| element.code() == code)
    }
}

/// Positions of the arrays in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) element: Element,
    pub(super) dim: usize,
    pub(super) rows: usize,
    /// Bytes of the rows.
    pub(super) values: Range<usize>,
    /// Bytes of the scales. Empty for [`Element::F32`].
    pub(super) scales: Range<usize>,
    /// Bytes of the image numbers.
    pub(super) images: Range<usize>,
    /// Length of the file in bytes.
    pub(super) bytes: usize,
}

impl Layout {
    /// The layout of `rows` rows. `None` if the file would be too long to be addressed.
    pub(super) fn new(element: Element, dim: usize, rows: usize) -> Option<Self> {
        let array = |start: usize, bytes: Option<usize>| {
            let start = start.checked_next_multiple_of(ALIGNMENT)?;
            Some(start..start.checked_add(bytes?)?)
        };
        let numbers = rows.checked_mul(dim)?;
        let values = array(HEADER, numbers.checked_mul(element.bytes()))?;
        let scales = match element {
            Element::F32 => values.end..values.end,
            Element::Int8 => array(values.end, rows.checked_mul(4))?,
        };
        let images = array(scales.end, rows.checked_mul(8))?;
        let blocks = images.end.div_ceil(BLOCK);
        let bytes = images.end.checked_add(blocks * 4 + TRAILER)?;
        Some(Self {
            element,
            dim,
            rows,
            values,
            scales,
            images,
            bytes,
        })
    }

    /// The header's bytes.
    pub(super) fn header(&self) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        header[..8].copy_from_slice(&MAGIC);
        header[8..12].copy_from_slice(&VERSION.to_le_bytes());
        header[12..16].copy_from_slice(&self.element.code().to_le_bytes());
        header[16..24].copy_from_slice(&(self.dim as u64).to_le_bytes());
        header[24..32].copy_from_slice(&(self.rows as u64).to_le_bytes());
        let checksum = crc32fast::hash(&header[..HEADER - 4]);
        header[HEADER - 4..].copy_from_slice(&checksum.to_le_bytes());
        header
    }

    /// Parses a header.
    ///
    /// # Errors
    /// The fault in words.
    pub(super) fn of_header(header: &[u8]) -> Result<Self, String> {
        if header.len() < HEADER || header[..8] != MAGIC {
            return Err("it is not a segment".into());
        }
        if crc32fast::hash(&header[..HEADER - 4]) != u32_at(header, HEADER - 4) {
            return Err("the checksum of the header is wrong".into());
        }
        if u32_at(header, 8) != VERSION {
            return Err(format!("its layout has version {}, not {VERSION}", u32_at(header, 8)));
        }
        let element = Element::of_code(u32_at(header, 12)).ok_or("its element type is unknown")?;
        let number = |at| usize::try_from(u64_at(header, at)).ok();
        let layout = number(16)
            .zip(number(24))
            .and_then(|(dim, rows)| Self::new(element, dim, rows));
        layout.ok_or_else(|| "its size is impossible".into())
    }

    /// The footer's bytes for the checksums of the blocks, and their checksum.
    pub(super) fn footer(&self, blocks: &[u32]) -> (Vec<u8>, u32) {
        let mut footer: Vec<u8> = blocks.iter().flat_map(|crc| crc.to_le_bytes()).collect();
        footer.extend((blocks.len() as u64).to_le_bytes());
        footer.extend((self.bytes as u64).to_le_bytes());
        let checksum = crc32fast::hash(&footer);
        footer.extend(checksum.to_le_bytes());
        footer.extend(END);
        (footer, checksum)
    }
}

/// The number at the byte `at`. The slice must reach beyond it.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}
