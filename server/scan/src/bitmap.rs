//! A set of rows with one bit per row.

/// Bits per word.
const WORD: usize = u64::BITS as usize;

/// A set of rows. Rows from [`len`](Bitmap::len) on are not in the set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bitmap {
    words: Vec<u64>,
    len: usize,
}

impl Bitmap {
    /// Creates an empty set for `len` rows.
    pub fn new(len: usize) -> Self {
        Self {
            words: vec![0; len.div_ceil(WORD)],
            len,
        }
    }

    /// Creates the set of the rows below `len` that `keep` accepts.
    pub fn from_fn(len: usize, mut keep: impl FnMut(usize) -> bool) -> Self {
        let mut bitmap = Self::new(len);
        (0..len).filter(|row| keep(*row)).for_each(|row| bitmap.insert(row));
        bitmap
    }

    /// Number of rows that the set can contain.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if the set contains no row.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Adds a row.
    ///
    /// # Panics
    /// If `row` is not less than [`len`](Self::len).
    pub fn insert(&mut self, row: usize) {
        assert!(row < self.len, "row {row} of a bitmap of {} rows", self.len);
        self.words[row / WORD] |= 1 << (row % WORD);
    }

    /// Removes a row.
    pub fn remove(&mut self, row: usize) {
        if let Some(word) = self.words.get_mut(row / WORD) {
            *word &= !(1 << (row % WORD));
        }
    }

    /// True if the set contains `row`.
    #[inline]
    pub fn contains(&self, row: usize) -> bool {
        self.words
            .get(row / WORD)
            .is_some_and(|word| word >> (row % WORD) & 1 == 1)
    }

    /// Number of rows in the set.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Rows in the set, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(at, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros() as usize;
                (left != 0).then(|| {
                    left &= left - 1;
                    at * WORD + bit
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bitmap_contains_the_rows_that_were_inserted() {
        let mut bitmap = Bitmap::from_fn(130, |row| row % 64 == 1 || row == 129);
        assert_eq!(bitmap.iter().collect::<Vec<_>>(), [1, 65, 129]);
        assert_eq!((bitmap.count(), bitmap.len(), bitmap.is_empty()), (3, 130, false));
        bitmap.remove(65);
        assert!(bitmap.contains(129) && !bitmap.contains(65) && !bitmap.contains(4000));
        assert!(Bitmap::new(0).is_empty() && Bitmap::new(65).is_empty());
    }
}
