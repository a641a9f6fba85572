//! Columns with at most one value per product.

use scan::Bitmap;

use crate::number::{Number, Numeric, Range};

/// A value of a column.
pub(crate) trait Value: Copy {
    /// Mark of an absent value. It is not a value.
    const ABSENT: Self;

    /// True if this is the mark of an absent value.
    fn is_absent(self) -> bool;
}

macro_rules! value {
    ($type:ty, $absent:expr, $is_absent:expr) => {
        impl Value for $type {
            const ABSENT: Self = $absent;
            fn is_absent(self) -> bool {
                $is_absent(self)
            }
        }
    };
}

// A truth value is 0 or 1 in a column of `u8`.
value!(u8, u8::MAX, |value| value == u8::MAX);
value!(u32, u32::MAX, |value| value == u32::MAX);
value!(u64, u64::MAX, |value| value == u64::MAX);
value!(f64, f64::NAN, f64::is_nan);

/// A column with at most one value per row. Rows are products.
///
/// A column with few values stores their rows and values. A column with many values stores one value for every row, up to
/// the last row with a value.
#[derive(Debug, Clone)]
pub(crate) struct Column<T> {
    /// Rows of `values` in ascending order, or `None` if `values` has an entry for each row.
    rows: Option<Vec<u32>>,
    values: Vec<T>,
    /// Number of values that are not absent.
    present: usize,
}

impl<T> Default for Column<T> {
    fn default() -> Self {
        Self {
            rows: None,
            values: Vec::new(),
            present: 0,
        }
    }
}

impl<T: Value> Column<T> {
    /// Adds the value of a row. The rows of all calls must ascend.
    pub(crate) fn push(&mut self, row: u32, value: T) {
        debug_assert!(!value.is_absent(), "an absent value is not pushed");
        self.present += 1;
        // The two bounds differ, so that the layout changes rarely.
        let rows = row as usize + 1;
        match &self.rows {
            None if self.present * 4 < rows => self.drop_absent(),
            Some(_) if self.present * 2 > rows => self.fill_absent(),
            _ => {}
        }
        match &mut self.rows {
            Some(rows) => rows.push(row),
            None => self.values.resize(row as usize, T::ABSENT),
        }
        self.values.push(value);
    }

    /// True if no row has a value.
    pub(crate) fn is_empty(&self) -> bool {
        self.present == 0
    }

    /// Set of the rows below `len` whose value `keep` accepts. It must refuse [`Value::ABSENT`].
    pub(crate) fn select(&self, len: usize, keep: impl Fn(T) -> bool) -> Bitmap {
        let Some(rows) = &self.rows else {
            return Bitmap::from_values(len, &self.values, |value| keep(*value));
        };
        let mut found = Bitmap::new(len);
        for (row, value) in rows.iter().zip(&self.values) {
            if keep(*value) {
                found.insert(*row as usize);
            }
        }
        found
    }

    /// Set of the rows below `len` with a value.
    pub(crate) fn present(&self, len: usize) -> Bitmap {
        self.select(len, |value| !value.is_absent())
    }

    /// Calls `visit` with the value of every row in `among` that has one.
    pub(crate) fn visit(&self, among: &Bitmap, mut visit: impl FnMut(T)) {
        match &self.rows {
            Some(rows) => {
                let pairs = rows.iter().zip(&self.values);
                let kept = pairs.filter(|(row, _)| among.contains(**row as usize));
                kept.for_each(|(_, value)| visit(*value));
            }
            None => {
                let values = among.iter().map_while(|row| self.values.get(row));
                values
                    .filter(|value| !value.is_absent())
                    .for_each(|value| visit(*value));
            }
        }
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        let rows = self.rows.as_ref().map_or(0, Vec::capacity);
        rows * size_of::<u32>() + self.values.capacity() * size_of::<T>()
    }

    /// Changes the layout to rows and values.
    fn drop_absent(&mut self) {
        let present = || (0..).zip(&self.values).filter(|(_, value)| !value.is_absent());
        self.rows = Some(present().map(|(row, _)| row).collect());
        self.values = present().map(|(_, value)| *value).collect();
    }

    /// Changes the layout to one value per row.
    fn fill_absent(&mut self) {
        let rows = self.rows.take().unwrap_or_default();
        let len = rows.last().map_or(0, |last| *last as usize + 1);
        let mut values = vec![T::ABSENT; len];
        rows.iter()
            .zip(&self.values)
            .for_each(|(row, value)| values[*row as usize] = *value);
        self.values = values;
    }
}

impl<T: Value + Numeric> Column<T> {
    /// Set of the rows below `len` whose number is in a range.
    pub(crate) fn within(&self, len: usize, range: &Range) -> Bitmap {
        let (low, high) = T::interval(range);
        self.select(len, |value| low <= value && value <= high)
    }

    /// Set of the rows below `len` whose number is one of `numbers`.
    pub(crate) fn among(&self, len: usize, numbers: &[Number]) -> Bitmap {
        if let [number] = numbers {
            return self.within(len, &Range::point(*number));
        }
        let points = numbers.iter().map(|number| T::interval(&Range::point(*number)));
        let mut wanted: Vec<T> = points.filter(|(low, high)| low <= high).map(|(low, _)| low).collect();
        wanted.sort_by(T::order);
        self.select(len, |value| {
            wanted.binary_search_by(|wanted| wanted.order(&value)).is_ok()
        })
    }
}
