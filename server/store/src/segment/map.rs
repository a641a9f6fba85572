//! Reading of a segment file through a memory map.

#![allow(unsafe_code)] // This file maps files into memory. The block states why it is sound.

use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::format::{BLOCK, END, Element, Layout, TRAILER, u32_at};
use super::writer::Row;
use crate::error::StoreError;

/// Extent of the check when a segment is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Check {
    /// Length, header and footer. It reads a few pages.
    Structure,
    /// Also the checksum of every block. It reads the whole file.
    #[default]
    Full,
}

/// Values of one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Values<'a> {
    /// 32-bit floating point.
    F32(&'a [f32]),
    /// Integers and their scale.
    Int8(&'a [i8], f32),
}

/// A sealed segment, mapped into memory. It stays readable after its file was removed.
#[derive(Debug)]
pub struct Segment {
    path: PathBuf,
    map: Mmap,
    layout: Layout,
    checksum: u32,
}

impl Segment {
    /// Maps the file at `path` and checks it.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the file cannot be opened, and [`StoreError::Damaged`] if it is not what its writer wrote.
    pub fn open(path: &Path, check: Check) -> Result<Self, StoreError> {
        if cfg!(target_endian = "big") {
            return Err(StoreError::damaged(
                path,
                "segments are little-endian, and this machine is not",
            ));
        }
        let file = File::open(path).map_err(StoreError::io("open", path))?;
        // SAFETY: the map is read-only. Sealed files are never changed, only removed, and removing keeps the map. The
        // lock of the folder keeps other stores away.
        let map = unsafe { Mmap::map(&file) }.map_err(StoreError::io("map", path))?;
        let (layout, checksum) = parts(&map).map_err(|message| StoreError::damaged(path, message))?;
        let segment = Self {
            path: path.to_owned(),
            map,
            layout,
            checksum,
        };
        if check == Check::Full {
            segment.check_blocks()?;
        }
        Ok(segment)
    }

    /// Compares the checksum of every block.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] with the position of the first wrong block.
    pub fn check_blocks(&self) -> Result<(), StoreError> {
        let end = self.layout.images.end;
        for (at, block) in self.map[..end].chunks(BLOCK).enumerate() {
            if crc32fast::hash(block) != u32_at(&self.map, end + at * 4) {
                let message = format!("the checksum of the block at byte {} is wrong", at * BLOCK);
                return Err(StoreError::damaged(&self.path, message));
            }
        }
        Ok(())
    }

    /// Path of the file at the time of opening.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Type of the numbers.
    #[must_use]
    pub fn element(&self) -> Element {
        self.layout.element
    }

    /// Dimension of the rows.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.layout.dim
    }

    /// Number of rows, with those that are no longer used.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.layout.rows
    }

    /// Length of the file in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.layout.bytes
    }

    /// CRC-32 of the footer, which identifies the content.
    #[must_use]
    pub fn checksum(&self) -> u32 {
        self.checksum
    }

    /// All rows, one after another. Empty for [`Element::Int8`].
    #[must_use]
    pub fn f32_values(&self) -> &[f32] {
        match self.layout.element {
            Element::F32 => cast(&self.map[self.layout.values.clone()]),
            Element::Int8 => &[],
        }
    }

    /// All rows, one after another. Empty for [`Element::F32`].
    #[must_use]
    pub fn int8_values(&self) -> &[i8] {
        match self.layout.element {
            Element::F32 => &[],
            Element::Int8 => cast(&self.map[self.layout.values.clone()]),
        }
    }

    /// Scale per row. Empty for [`Element::F32`].
    #[must_use]
    pub fn scales(&self) -> &[f32] {
        cast(&self.map[self.layout.scales.clone()])
    }

    /// Number of the image per row, as the database counts images.
    #[must_use]
    pub fn images(&self) -> &[u64] {
        cast(&self.map[self.layout.images.clone()])
    }

    /// Values of the row `slot`.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn row(&self, slot: usize) -> Values<'_> {
        let numbers = slot * self.dim()..(slot + 1) * self.dim();
        match self.layout.element {
            Element::F32 => Values::F32(&self.f32_values()[numbers]),
            Element::Int8 => Values::Int8(&self.int8_values()[numbers], self.scales()[slot]),
        }
    }

    /// The row `slot` as floating point numbers.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn vector(&self, slot: usize) -> Vec<f32> {
        match self.row(slot) {
            Values::F32(values) => values.to_vec(),
            Values::Int8(values, scale) => values.iter().map(|value| f32::from(*value) * scale).collect(),
        }
    }

    /// The row `slot` in its stored form.
    pub(crate) fn stored(&self, slot: usize) -> Row<'_> {
        let length = self.layout.dim * self.layout.element.bytes();
        let start = self.layout.values.start + slot * length;
        Row {
            values: &self.map[start..start + length],
            scale: self.scales().get(slot).copied().unwrap_or_default(),
            image: self.images()[slot],
        }
    }
}

/// Layout and checksum of a mapped file.
fn parts(bytes: &[u8]) -> Result<(Layout, u32), String> {
    let layout = Layout::of_header(bytes)?;
    if bytes.len() != layout.bytes {
        return Err(format!("it has {} bytes instead of {}", bytes.len(), layout.bytes));
    }
    let footer = &bytes[layout.images.end..];
    let checksum = u32_at(footer, footer.len() - 12);
    if footer[footer.len() - 8..] != END || crc32fast::hash(&footer[..footer.len() - 12]) != checksum {
        return Err("the checksum of the footer is wrong".into());
    }
    debug_assert!(footer.len() >= TRAILER);
    Ok((layout, checksum))
}

/// Numbers in a part of the map. Parts begin at multiples of 64 bytes of a page, so they are aligned.
fn cast<T: bytemuck::AnyBitPattern>(bytes: &[u8]) -> &[T] {
    bytemuck::try_cast_slice(bytes).unwrap_or_default()
}
