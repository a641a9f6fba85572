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

    /// Creates the set of all rows below `len`.
    pub fn full(len: usize) -> Self {
        let mut bitmap = Self::new(len);
        bitmap.invert();
        bitmap
    }

    /// Creates the set of the rows below `len` whose value `keep` accepts. Row `i` has the value `values[i]`. Rows without a
    /// value are not in the set.
    pub fn from_values<T>(len: usize, values: &[T], keep: impl Fn(&T) -> bool) -> Self {
        let mut bitmap = Self::new(len);
        let values = &values[..values.len().min(len)];
        for (word, values) in bitmap.words.iter_mut().zip(values.chunks(WORD)) {
            let bits = values.iter().enumerate();
            *word = bits.fold(0, |word, (bit, value)| word | u64::from(keep(value)) << bit);
        }
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

    /// Removes the rows that are not in `other`.
    pub fn intersect_with(&mut self, other: &Self) {
        let others = other.words.iter().chain(std::iter::repeat(&0));
        self.words
            .iter_mut()
            .zip(others)
            .for_each(|(word, other)| *word &= other);
    }

    /// Adds the rows of `other` that are less than [`len`](Self::len).
    pub fn union_with(&mut self, other: &Self) {
        let pairs = self.words.iter_mut().zip(&other.words);
        pairs.for_each(|(word, other)| *word |= other);
        self.clear_tail();
    }

    /// Replaces the set by the set of the other rows below [`len`](Self::len).
    pub fn invert(&mut self) {
        self.words.iter_mut().for_each(|word| *word = !*word);
        self.clear_tail();
    }

    /// Clears the bits of the last word that belong to no row.
    fn clear_tail(&mut self) {
        if let (used @ 1.., Some(last)) = (self.len % WORD, self.words.last_mut()) {
            *last &= (1 << used) - 1;
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

    #[test]
    fn sets_are_combined_row_by_row() {
        for len in [0, 1, 63, 64, 65, 130] {
            let (odd, third) = (|row: usize| row % 2 == 1, |row: usize| row % 3 == 1);
            let odds = Bitmap::from_fn(len, odd);
            let longer = Bitmap::from_fn(len + 70, third);
            let combined = |change: fn(&mut Bitmap, &Bitmap)| {
                let mut bitmap = odds.clone();
                change(&mut bitmap, &longer);
                bitmap
            };
            let both = combined(Bitmap::intersect_with);
            assert_eq!(both, Bitmap::from_fn(len, |row| odd(row) && third(row)));
            let any = combined(Bitmap::union_with);
            assert_eq!(any, Bitmap::from_fn(len, |row| odd(row) || third(row)));
            let even = combined(|bitmap, _| bitmap.invert());
            assert_eq!(even, Bitmap::from_fn(len, |row| !odd(row)));
            assert_eq!(Bitmap::full(len), Bitmap::from_fn(len, |_| true));
        }
    }

    #[test]
    fn rows_without_a_value_are_not_in_the_set() {
        let values: Vec<usize> = (0..100).collect();
        let odd = |value: &usize| value % 2 == 1;
        assert_eq!(
            Bitmap::from_values(140, &values, odd),
            Bitmap::from_fn(140, |row| row < 100 && row % 2 == 1)
        );
        assert_eq!(Bitmap::from_values(3, &values, odd).iter().collect::<Vec<_>>(), [1]);
    }
}
