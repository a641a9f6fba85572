//! Memory of embeddings of earlier batches, which are additional negatives (XBM, Wang et al. 2020,
//! <https://arxiv.org/abs/1912.06798>).

use anyhow::Context;
use std::collections::VecDeque;

/// Newest embeddings of up to `capacity` rows, without gradients.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Memory {
    capacity: usize,
    /// Rows of the dataset with their embeddings, oldest first. A row has at most one entry.
    entries: VecDeque<(usize, Vec<f32>)>,
}

impl Memory {
    /// Creates an empty memory.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            entries: VecDeque::new(),
        }
    }

    /// Stores the embedding of a row instead of its earlier one. A full memory forgets the oldest entry.
    pub(crate) fn push(&mut self, row: usize, values: Vec<f32>) {
        self.entries.retain(|(known, _)| *known != row);
        self.entries.push_back((row, values));
        while self.entries.len() > self.capacity {
            self.entries.pop_front();
        }
    }

    /// Rows and embeddings, oldest first.
    pub(crate) fn entries(&self) -> impl ExactSizeIterator<Item = &(usize, Vec<f32>)> {
        self.entries.iter()
    }

    /// Returns the entries for a checkpoint: their number and length, then their rows as u64, then their values as f32, all
    /// in little-endian order.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let dim = self.entries.front().map_or(0, |(_, values)| values.len());
        let header = [self.entries.len(), dim];
        let rows = self.entries.iter().map(|(row, _)| *row);
        let mut bytes: Vec<u8> = header
            .into_iter()
            .chain(rows)
            .flat_map(|number| (number as u64).to_le_bytes())
            .collect();
        let values = self.entries.iter().flat_map(|(_, values)| values);
        bytes.extend(values.flat_map(|value| value.to_le_bytes()));
        bytes
    }

    /// Replaces the entries by those of a checkpoint.
    ///
    /// # Errors
    /// If the bytes are not of [`to_bytes`](Self::to_bytes).
    pub(crate) fn restore(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let damaged = "the checkpoint's memory is damaged; remove the checkpoint folder to start over";
        let number = |at: usize| -> Option<usize> {
            let bytes = bytes.get(8 * at..8 * at + 8)?.try_into().ok()?;
            usize::try_from(u64::from_le_bytes(bytes)).ok()
        };
        let n = number(0).context(damaged)?;
        let dim = number(1).context(damaged)?;
        let rows = (0..n)
            .map(|at| number(2 + at))
            .collect::<Option<Vec<_>>>()
            .context(damaged)?;
        let values: Vec<f32> = bytes[16 + 8 * n..]
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            .collect();
        anyhow::ensure!(values.len() == n * dim, damaged);
        let lines = values.chunks_exact(dim.max(1)).map(<[f32]>::to_vec);
        self.entries = rows.into_iter().zip(lines).collect();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_one_entry_and_the_oldest_is_forgotten() {
        let mut memory = Memory::new(2);
        memory.push(7, vec![1.0, 0.0]);
        memory.push(8, vec![2.0, 0.0]);
        memory.push(7, vec![3.0, 0.5]);
        let of = |memory: &Memory| memory.entries().cloned().collect::<Vec<_>>();
        assert_eq!(of(&memory), [(8, vec![2.0, 0.0]), (7, vec![3.0, 0.5])]);
        memory.push(9, vec![4.0, 0.0]);
        assert_eq!(of(&memory), [(7, vec![3.0, 0.5]), (9, vec![4.0, 0.0])]);
        let mut read = Memory::new(2);
        read.restore(&memory.to_bytes()).expect("the bytes are whole");
        assert_eq!(read, memory);
        assert!(read.restore(&memory.to_bytes()[..30]).is_err());
    }
}
