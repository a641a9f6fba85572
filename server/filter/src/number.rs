//! Numbers of filters, and the intervals that they bound.

use std::cmp::Ordering;

/// A number of a filter.
///
/// A number with whole value is compared exactly with columns of `u64`. All numbers are compared as `f64` with columns of
/// `f64`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Number {
    /// Largest whole number that is not greater.
    floor: i128,
    /// Smallest whole number that is not less.
    ceiling: i128,
    value: f64,
}

impl Number {
    /// Converts a number of JSON.
    pub(crate) fn new(number: &serde_json::Number) -> Option<Self> {
        let value = number.as_f64().filter(|value| value.is_finite())?;
        let whole = number.as_u64().map(i128::from).or(number.as_i64().map(i128::from));
        // The casts saturate far outside of `u64`.
        Some(Self {
            floor: whole.unwrap_or(value.floor() as i128),
            ceiling: whole.unwrap_or(value.ceil() as i128),
            value,
        })
    }
}

/// End of a range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bound {
    /// Position of the end.
    pub(crate) number: Number,
    /// True if the number itself is in the range.
    pub(crate) inclusive: bool,
}

impl Bound {
    /// End that is not in the range.
    pub(crate) fn open(number: Number) -> Self {
        Self {
            number,
            inclusive: false,
        }
    }

    /// End that is in the range.
    pub(crate) fn closed(number: Number) -> Self {
        Self {
            number,
            inclusive: true,
        }
    }
}

/// A range of numbers. A missing bound does not restrict it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Range {
    /// Lower end.
    pub(crate) lower: Option<Bound>,
    /// Upper end.
    pub(crate) upper: Option<Bound>,
}

impl Range {
    /// The range that contains one number.
    pub(crate) fn point(number: Number) -> Self {
        Self {
            lower: Some(Bound::closed(number)),
            upper: Some(Bound::closed(number)),
        }
    }
}

/// Numbers of a column.
pub(crate) trait Numeric: Copy + PartialOrd {
    /// Compares two numbers. A number that is not a number comes after all others.
    fn order(&self, other: &Self) -> Ordering {
        self.partial_cmp(other).unwrap_or(Ordering::Greater)
    }

    /// First and last number of the column's type in a range. First is greater than last if the range contains none.
    fn interval(range: &Range) -> (Self, Self);

    /// The number as JSON.
    fn to_json(self) -> Option<serde_json::Number>;
}

impl Numeric for u64 {
    fn interval(range: &Range) -> (Self, Self) {
        // The largest `u64` stands for an absent value.
        let last = i128::from(Self::MAX - 1);
        let low = range.lower.map_or(0, |bound| match bound.inclusive {
            true => bound.number.ceiling,
            false => bound.number.floor.saturating_add(1),
        });
        let high = range.upper.map_or(last, |bound| match bound.inclusive {
            true => bound.number.floor,
            false => bound.number.ceiling.saturating_sub(1),
        });
        match (Self::try_from(low.max(0)), Self::try_from(high.min(last))) {
            (Ok(low), Ok(high)) => (low, high),
            _ => (1, 0),
        }
    }

    fn to_json(self) -> Option<serde_json::Number> {
        Some(self.into())
    }
}

impl Numeric for f64 {
    fn interval(range: &Range) -> (Self, Self) {
        let low = range.lower.map_or(Self::NEG_INFINITY, |bound| match bound.inclusive {
            true => bound.number.value,
            false => bound.number.value.next_up(),
        });
        let high = range.upper.map_or(Self::INFINITY, |bound| match bound.inclusive {
            true => bound.number.value,
            false => bound.number.value.next_down(),
        });
        (low, high)
    }

    fn to_json(self) -> Option<serde_json::Number> {
        const EXACT: f64 = (1_u64 << f64::MANTISSA_DIGITS) as f64;
        if self.fract() == 0.0 && self.abs() <= EXACT {
            Some((self as i64).into())
        } else {
            serde_json::Number::from_f64(self)
        }
    }
}
