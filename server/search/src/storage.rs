//! Storage of embeddings as f32, f16 or int8, and exact search in the stored values.
//!
//! `scan` compares queries with the rows. Its codes and bounds of the rows are computed before the first search. Embeddings
//! that are stored as f32 or f16 take another byte per number for them.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use burn::tensor::Device;
use half::f16;
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;
use scan::{Bitmap, Coarse, Query, Rows, Scanner};
use serde::{Deserialize, Serialize};

use crate::device::codes::DeviceCodes;

/// Storage type of an embedding's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// Four bytes per number, as computed.
    #[default]
    F32,
    /// Two bytes per number.
    F16,
    /// One byte per number and one scale per embedding. The largest magnitude is stored as 127. The scale restores the length.
    Int8,
}

impl Storage {
    /// Name on the command line, and extension of a catalog's file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Int8 => "int8",
        }
    }

    /// Number of bytes of an embedding of `dim` numbers.
    pub const fn bytes(self, dim: usize) -> usize {
        match self {
            Self::F32 => 4 * dim,
            Self::F16 => 2 * dim,
            Self::Int8 => 4 + dim,
        }
    }

    /// Appends an embedding in the format of a catalog, little-endian. The scale of int8, an f32, comes first.
    pub fn encode(self, row: &[f32], bytes: &mut Vec<u8>) {
        match self {
            Self::F32 => bytes.extend(row.iter().flat_map(|value| value.to_le_bytes())),
            Self::F16 => bytes.extend(row.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes())),
            Self::Int8 => {
                let mut codes = Vec::with_capacity(row.len());
                bytes.extend(scan::quantise(row, &mut codes).to_le_bytes());
                bytes.extend(codes.into_iter().map(|code| code.to_le_bytes()[0]));
            }
        }
    }
}

/// Rows in memory that something else owns, such as a file that is mapped into memory.
pub trait MappedRows: std::fmt::Debug + Send + Sync {
    /// The numbers of all rows. They never change.
    fn values(&self) -> scan::Values<'_>;
}

/// Adjacent rows of a [`Stored`] with their codes. Successive galleries can share a block.
#[derive(Debug)]
pub struct Block {
    dim: usize,
    len: usize,
    values: Values,
    /// Codes and bounds of the rows, if a search has needed them.
    coarse: OnceLock<Coarse>,
    /// The codes on the device that searched last, while something uses them.
    on_device: Mutex<Weak<DeviceCodes>>,
}

#[derive(Debug)]
enum Values {
    F32(Vec<f32>),
    F16(Vec<f16>),
    Int8 { values: Vec<i8>, scales: Vec<f32> },
    Mapped(Box<dyn MappedRows>),
}

impl Block {
    /// Reads rows of `dim` numbers that [`Storage::encode`] appended.
    ///
    /// # Errors
    /// If the bytes are not whole rows, or a number is not finite.
    fn decode(storage: Storage, dim: usize, bytes: &[u8]) -> Result<Self, String> {
        let row = storage.bytes(dim);
        if dim == 0 || !bytes.len().is_multiple_of(row) {
            return Err(format!(
                "it does not hold whole rows of {dim} numbers stored as {}",
                storage.name()
            ));
        }
        let values = match storage {
            Storage::F32 => {
                let numbers = bytes.as_chunks::<4>().0.iter();
                Values::F32(numbers.map(|four| f32::from_le_bytes(*four)).collect())
            }
            Storage::F16 => {
                let numbers = bytes.as_chunks::<2>().0.iter();
                Values::F16(numbers.map(|two| f16::from_le_bytes(*two)).collect())
            }
            Storage::Int8 => {
                let (mut values, mut scales) = (Vec::with_capacity(bytes.len()), Vec::new());
                for (scale, row) in bytes.chunks_exact(row).filter_map(|row| row.split_first_chunk::<4>()) {
                    scales.push(f32::from_le_bytes(*scale));
                    values.extend(row.iter().map(|byte| i8::from_le_bytes([*byte])));
                }
                Values::Int8 { values, scales }
            }
        };
        let block = Self {
            dim,
            len: bytes.len() / row,
            values,
            coarse: OnceLock::new(),
            on_device: Mutex::default(),
        };
        block.check().map(|()| block)
    }

    /// Takes rows of `dim` numbers that something else owns.
    ///
    /// # Errors
    /// If they are not whole rows.
    pub fn mapped(dim: usize, rows: Box<dyn MappedRows>) -> Result<Self, String> {
        let len = Rows::new(dim, rows.values()).map_err(|error| error.to_string())?.len();
        Ok(Self {
            dim,
            len,
            values: Values::Mapped(rows),
            coarse: OnceLock::new(),
            on_device: Mutex::default(),
        })
    }

    /// Checks that all numbers are finite.
    fn check(&self) -> Result<(), String> {
        let dim = self.dim;
        let wrong = match self.values() {
            scan::Values::F32(values) => values
                .par_iter()
                .position_first(|value| !value.is_finite())
                .map(|at| at / dim),
            scan::Values::F16(values) => values
                .par_iter()
                .position_first(|value| !value.is_finite())
                .map(|at| at / dim),
            scan::Values::Int8 { scales, .. } => scales.iter().position(|scale| !scale.is_finite()),
        };
        wrong.map_or(Ok(()), |row| Err(format!("row {row} is not finite")))
    }

    fn values(&self) -> scan::Values<'_> {
        match &self.values {
            Values::F32(values) => scan::Values::F32(values),
            Values::F16(values) => scan::Values::F16(values),
            Values::Int8 { values, scales } => scan::Values::Int8 { codes: values, scales },
            Values::Mapped(rows) => rows.values(),
        }
    }

    fn rows(&self) -> Rows<'_> {
        Rows::new(self.dim, self.values()).unwrap_or_else(|error| panic!("only whole rows are stored: {error}"))
    }

    /// Codes and bounds of the rows. The first call computes them.
    fn coarse(&self) -> &Coarse {
        self.coarse.get_or_init(|| Coarse::new(&self.rows()))
    }

    /// Codes and bounds on a device. Users of the same device share them.
    fn codes_on(&self, device: &Device) -> Arc<DeviceCodes> {
        let mut known = self.on_device.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(codes) = known.upgrade().filter(|codes| codes.device() == device) {
            return codes;
        }
        let codes = Arc::new(DeviceCodes::new(&self.rows(), self.coarse(), device));
        *known = Arc::downgrade(&codes);
        codes
    }

    fn row(&self, row: usize) -> Vec<f32> {
        let range = row * self.dim..(row + 1) * self.dim;
        match self.values() {
            scan::Values::F32(values) => values[range].to_vec(),
            scan::Values::F16(values) => values[range].to_f32_vec(),
            scan::Values::Int8 { codes, scales } => codes[range].iter().map(|v| f32::from(*v) * scales[row]).collect(),
        }
    }
}

/// Embeddings of one dimension in memory, in blocks of adjacent rows.
#[derive(Debug)]
pub struct Stored {
    dim: usize,
    len: usize,
    pub(crate) blocks: Vec<Arc<Block>>,
    /// First row of each block.
    starts: Vec<usize>,
}

impl Stored {
    /// Stores `rows` of equal length.
    pub fn new(storage: Storage, rows: &[Vec<f32>]) -> Self {
        let dim = rows.first().map_or(0, Vec::len);
        let mut bytes = Vec::with_capacity(storage.bytes(dim) * rows.len());
        rows.iter().for_each(|row| storage.encode(row, &mut bytes));
        let block = Block::decode(storage, dim, &bytes);
        Self::of_blocks(dim, block.into_iter().map(Arc::new).collect())
    }

    /// Reads rows of `dim` numbers that [`Storage::encode`] appended.
    ///
    /// # Errors
    /// If the bytes are not whole rows, or a number is not finite.
    pub fn decode(storage: Storage, dim: usize, bytes: &[u8]) -> Result<Self, String> {
        Block::decode(storage, dim, bytes).map(|block| Self::of_blocks(dim, vec![Arc::new(block)]))
    }

    /// Joins blocks. A block of another dimension is left out.
    pub fn of_blocks(dim: usize, mut blocks: Vec<Arc<Block>>) -> Self {
        blocks.retain(|block| block.dim == dim && block.len > 0);
        let mut len = 0;
        let start = |block: &Arc<Block>| {
            len += block.len;
            len - block.len
        };
        let starts = blocks.iter().map(start).collect();
        Self {
            dim,
            len,
            blocks,
            starts,
        }
    }

    /// Dimension of the embeddings.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Number of embeddings.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of the embeddings, which may be in mapped files.
    pub fn vector_bytes(&self) -> usize {
        let bytes = |block: &Arc<Block>| match block.values() {
            scan::Values::F32(values) => size_of_val(values),
            scan::Values::F16(values) => size_of_val(values),
            scan::Values::Int8 { codes, scales } => size_of_val(codes) + size_of_val(scales),
        };
        self.blocks.iter().map(bytes).sum()
    }

    /// Bytes of the codes and bounds that were computed.
    pub fn code_bytes(&self) -> usize {
        let codes = self.blocks.iter().filter_map(|block| block.coarse.get());
        codes.map(Coarse::bytes).sum()
    }

    /// Returns an embedding as f32. An embedding that is stored as int8 has its original length. Its numbers were rounded to
    /// multiples of the largest magnitude / 127.
    pub fn row(&self, row: usize) -> Vec<f32> {
        let (block, row) = self.place(row);
        block.row(row)
    }

    /// Computes the inner product of `query`, `[dim]`, and an embedding, as [`scan::Rows::dot`] does.
    pub fn dot(&self, query: &[f32], row: usize) -> f32 {
        let (block, row) = self.place(row);
        block.rows().dot(query, row)
    }

    /// Block of a row, and its index in the block.
    fn place(&self, row: usize) -> (&Block, usize) {
        let at = self.starts.partition_point(|start| *start <= row).saturating_sub(1);
        (&self.blocks[at], row - self.starts[at])
    }

    /// Computes the inner products of each query and all embeddings, `[query][row]`.
    pub(crate) fn dots(&self, queries: &[&[f32]]) -> Vec<Vec<f32>> {
        self.scanner_with(|_| None).scores(queries)
    }

    /// First row of each block, and the codes of the block on a device. The first call copies them.
    pub(crate) fn codes_on(&self, device: &Device) -> impl Iterator<Item = (usize, Arc<DeviceCodes>)> {
        let blocks = self.starts.iter().zip(&self.blocks);
        blocks.map(|(start, block)| (*start, block.codes_on(device)))
    }

    /// Returns a scanner of all embeddings. The first call computes their codes and bounds.
    pub fn scanner(&self) -> Scanner<'_> {
        self.scanner_with(|block| Some(block.coarse()))
    }

    /// Returns per query the `n` rows that `filter` contains with the largest inner products, best first, with ties by row.
    pub(crate) fn nearest(&self, queries: &[&[f32]], n: usize, filter: Option<&Bitmap>) -> Vec<Vec<(usize, f32)>> {
        let queries = queries.iter().map(|vector| Query {
            vector,
            limit: n,
            filter,
            is_grouped: false,
        });
        let found = self.scanner().search(&queries.collect::<Vec<_>>());
        let pairs = |hits: Vec<scan::Hit>| hits.into_iter().map(|hit| (hit.row, hit.score)).collect();
        found.into_iter().map(pairs).collect()
    }

    fn scanner_with<'a>(&'a self, coarse: impl Fn(&'a Block) -> Option<&'a Coarse>) -> Scanner<'a> {
        let mut blocks = self.blocks.iter();
        let scanner = blocks.try_fold(Scanner::new(self.dim), |scanner, block| {
            scanner.segment(block.rows(), coarse(block))
        });
        scanner.unwrap_or_else(|error| panic!("the codes are those of the rows: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn length(row: &[f32]) -> f64 {
        row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt()
    }

    proptest! {
        #[test]
        fn a_stored_embedding_differs_by_at_most_the_rounding_error(
            row in proptest::collection::vec(-1f32..1.0, 1..300), query in proptest::collection::vec(-1f32..1.0, 300),
        ) {
            let most = row.iter().fold(0.0f32, |most, value| most.max(value.abs()));
            // The rounding error is half a step per number. Restoring the length adds at most as much.
            let int8 = f64::from(most) / 127.0 * (row.len() as f64).sqrt() + 1e-6;
            for (storage, bound) in [(Storage::F32, 0.0), (Storage::F16, length(&row) / 2048.0 + 1e-6), (Storage::Int8, int8)] {
                let mut bytes = Vec::new();
                storage.encode(&row, &mut bytes);
                prop_assert_eq!(bytes.len(), storage.bytes(row.len()));
                let stored = Stored::decode(storage, row.len(), &bytes).expect("the bytes are whole rows");
                let back = stored.row(0);
                let error: Vec<f32> = row.iter().zip(&back).map(|(a, b)| a - b).collect();
                prop_assert!(length(&error) <= bound, "{storage:?} {}", length(&error));
                prop_assert!((length(&back) - length(&row)).abs() <= length(&row) / 2048.0 + 1e-6, "{storage:?}");
                let exact: f64 = back.iter().zip(&query).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                prop_assert!((f64::from(stored.dot(&query[..row.len()], 0)) - exact).abs() < 1e-4, "{storage:?}");
            }
        }
    }

    #[test]
    fn bytes_that_are_not_whole_rows_or_not_finite_are_refused() {
        for (storage, dim, bytes) in [
            (Storage::F32, 2, vec![0u8; 4]),
            (Storage::F16, 0, vec![]),
            (Storage::Int8, 3, vec![0; 8]),
            (Storage::F32, 1, f32::NAN.to_le_bytes().to_vec()),
            (Storage::F16, 1, f16::INFINITY.to_le_bytes().to_vec()),
            (Storage::Int8, 1, [&f32::NAN.to_le_bytes()[..], &[1]].concat()),
        ] {
            assert!(Stored::decode(storage, dim, &bytes).is_err(), "{storage:?} {bytes:?}");
        }
    }
}
