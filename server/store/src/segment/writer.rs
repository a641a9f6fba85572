//! Writing of a segment file.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::format::{BLOCK, Element, Layout};
use crate::error::StoreError;

/// A row in its stored form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    /// The numbers' bytes.
    pub(crate) values: &'a [u8],
    /// Scale. Only [`Element::Int8`] stores it.
    pub(crate) scale: f32,
    /// Number of the image.
    pub(crate) image: u64,
}

/// Size and checksum of a finished file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finished {
    pub(crate) rows: usize,
    pub(crate) bytes: usize,
    /// CRC-32 of the footer.
    pub(crate) checksum: u32,
}

/// Writer of a segment file. It removes the file when it is dropped before the end.
pub(crate) struct SegmentWriter {
    path: PathBuf,
    out: Option<BufWriter<File>>,
    layout: Layout,
    scales: Vec<f32>,
    images: Vec<u64>,
    position: usize,
    block: crc32fast::Hasher,
    blocks: Vec<u32>,
}

impl SegmentWriter {
    /// Creates the file of exactly `rows` rows.
    pub(crate) fn create(path: &Path, element: Element, dim: usize, rows: usize) -> Result<Self, StoreError> {
        let layout = Layout::new(element, dim, rows)
            .ok_or_else(|| StoreError::damaged(path, "a segment of this size cannot be addressed"))?;
        let file = File::create_new(path).map_err(StoreError::io("create", path))?;
        let mut writer = Self {
            path: path.to_owned(),
            out: Some(BufWriter::with_capacity(1 << 20, file)),
            layout,
            scales: Vec::new(),
            images: Vec::with_capacity(rows),
            position: 0,
            block: crc32fast::Hasher::new(),
            blocks: Vec::new(),
        };
        let header = writer.layout.header();
        writer.write(&header)?;
        Ok(writer)
    }

    /// Appends a row.
    pub(crate) fn push(&mut self, row: Row<'_>) -> Result<(), StoreError> {
        if row.values.len() != self.layout.dim * self.layout.element.bytes() || self.images.len() == self.layout.rows {
            return Err(StoreError::damaged(&self.path, "a row does not fit into the segment"));
        }
        self.write(row.values)?;
        if self.layout.element == Element::Int8 {
            self.scales.push(row.scale);
        }
        self.images.push(row.image);
        Ok(())
    }

    /// Writes the remaining parts and syncs the file. The caller syncs the folder.
    pub(crate) fn finish(mut self) -> Result<Finished, StoreError> {
        if self.images.len() != self.layout.rows {
            return Err(StoreError::damaged(&self.path, "rows are missing from the segment"));
        }
        let layout = self.layout.clone();
        let (scales, images) = (std::mem::take(&mut self.scales), std::mem::take(&mut self.images));
        self.pad(layout.scales.start)?;
        self.write(bytemuck::cast_slice(&scales))?;
        self.pad(layout.images.start)?;
        self.write(bytemuck::cast_slice(&images))?;
        if !self.position.is_multiple_of(BLOCK) {
            self.end_block();
        }
        let (footer, checksum) = layout.footer(&self.blocks);
        let out = self.out.take();
        let written = out.map_or(Ok(()), |mut out| {
            out.write_all(&footer)?;
            out.into_inner()
                .map_err(std::io::IntoInnerError::into_error)?
                .sync_all()
        });
        if let Err(error) = written {
            let _ = fs::remove_file(&self.path);
            return Err(StoreError::io("write", &self.path)(error));
        }
        Ok(Finished {
            rows: layout.rows,
            bytes: layout.bytes,
            checksum,
        })
    }

    fn pad(&mut self, end: usize) -> Result<(), StoreError> {
        self.write(&vec![0; end.saturating_sub(self.position)])
    }

    fn write(&mut self, mut bytes: &[u8]) -> Result<(), StoreError> {
        if let Some(out) = &mut self.out {
            out.write_all(bytes).map_err(StoreError::io("write", &self.path))?;
        }
        while !bytes.is_empty() {
            let room = BLOCK - self.position % BLOCK;
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.block.update(now);
            self.position += now.len();
            if now.len() == room {
                self.end_block();
            }
            bytes = later;
        }
        Ok(())
    }

    fn end_block(&mut self) {
        self.blocks.push(std::mem::take(&mut self.block).finalize());
    }
}

impl Drop for SegmentWriter {
    /// Removes an unfinished file. The start of the store removes what stays.
    fn drop(&mut self) {
        if self.out.take().is_some() {
            let _ = fs::remove_file(&self.path);
        }
    }
}
