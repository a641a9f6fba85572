//! Segments: immutable files of embeddings.
//!
//! A file has three parts. All numbers are little-endian.
//!
//! | part | content |
//! |---|---|
//! | header, 64 bytes | magic, format version, element type, dimension, number of rows, CRC-32 of the header |
//! | payload | the rows; for `int8` one `f32` scale per row; one image number (`u64`) per row; each array begins at a multiple of 64 bytes |
//! | footer | CRC-32 of each mebibyte before the footer, number of these, length of the file, CRC-32 of the footer, magic |
//!
//! The database stores the CRC-32 of the footer. So it identifies the content of the whole file.

mod format;
mod map;
mod writer;

pub use format::Element;
pub use map::{Check, Segment, Values};
pub(crate) use writer::{Row, SegmentWriter};
