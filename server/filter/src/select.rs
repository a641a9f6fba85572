//! Evaluation of filters.

use std::slice;

use scan::Bitmap;

use crate::columns::{Columns, Parts};
use crate::error::FilterError;
use crate::language::{Condition, Filter, Kind, Node, Scalar, Test};
use crate::number::{Number, Range};
use crate::path::Path;

/// Advice for an attribute that no product has.
pub(crate) const ATTRIBUTES: &str = "send the name of an attribute that a product has";

impl Columns {
    /// Selects the products that match a filter. The bitmap has one row per product.
    ///
    /// # Errors
    /// [`FilterError::UnknownField`] for an attribute that no product has. [`FilterError::WrongType`] for a value that is
    /// compared with a field whose values all have other types.
    pub fn select(&self, filter: &Filter) -> Result<Bitmap, FilterError> {
        self.evaluate(&filter.0, &Path::root("filter"))
    }

    /// Selects the products that match a part of a filter.
    pub(crate) fn evaluate(&self, node: &Node, path: &Path<'_>) -> Result<Bitmap, FilterError> {
        match node {
            Node::And(parts) => self.combine(parts, &path.key("and"), Bitmap::intersect_with),
            Node::Or(parts) => self.combine(parts, &path.key("or"), Bitmap::union_with),
            Node::Not(part) => {
                let mut rows = self.evaluate(part, &path.key("not"))?;
                rows.invert();
                Ok(rows)
            }
            Node::Condition(condition) => self.compare(condition, path),
        }
    }

    /// Evaluates all parts, so that every error is found, and joins their rows.
    fn combine(
        &self,
        parts: &[Node],
        path: &Path<'_>,
        join: impl Fn(&mut Bitmap, &Bitmap),
    ) -> Result<Bitmap, FilterError> {
        let mut all: Option<Bitmap> = None;
        for (at, part) in parts.iter().enumerate() {
            let rows = self.evaluate(part, &path.index(at))?;
            match &mut all {
                Some(all) => join(all, &rows),
                None => all = Some(rows),
            }
        }
        Ok(all.unwrap_or_else(|| Bitmap::new(self.len())))
    }

    fn compare(&self, condition: &Condition, path: &Path<'_>) -> Result<Bitmap, FilterError> {
        let parts = self
            .parts(&condition.field, condition.currency.as_deref())
            .ok_or_else(|| FilterError::unknown_field(path.key("field"), &condition.field.to_string(), ATTRIBUTES))?;
        check_types(condition, &parts, path)?;
        Ok(match &condition.test {
            Test::Exists(exists) => {
                let mut rows = parts.present(self.len());
                if !exists {
                    rows.invert();
                }
                rows
            }
            Test::Range(range) => parts.within(self.len(), range),
            Test::Is(value) => parts.among(self.len(), slice::from_ref(value)),
            Test::In(values) => parts.among(self.len(), values),
        })
    }
}

/// Refuses values that have the type of no value of the field.
fn check_types(condition: &Condition, parts: &Parts<'_>, path: &Path<'_>) -> Result<(), FilterError> {
    let kinds = parts.kinds();
    let check = |kind: Kind, path: Path<'_>| {
        if kinds.contains(&kind) {
            return Ok(());
        }
        let names = |name: fn(Kind) -> &'static str, joint: &str| {
            let names: Vec<&str> = kinds.iter().map(|kind| name(*kind)).collect();
            names.join(joint)
        };
        Err(FilterError::WrongType {
            path: path.to_string(),
            value: kind.singular().to_owned(),
            field: condition.field.to_string(),
            values: names(Kind::plural, " and "),
            advice: names(Kind::singular, " or "),
        })
    };
    match &condition.test {
        Test::Exists(_) => Ok(()),
        Test::Is(value) => check(value.kind(), path.key("is")),
        Test::In(values) => {
            let mut values = values.iter().enumerate();
            values.try_for_each(|(at, value)| check(value.kind(), path.key("in").index(at)))
        }
        Test::Range(_) if kinds.contains(&Kind::Number) => Ok(()),
        Test::Range(_) => {
            let message = format!(
                "is a range of numbers, but `{}` has no numbers; send `is`, `in` or `exists`",
                condition.field
            );
            Err(FilterError::invalid(path.key("range"), message))
        }
    }
}

impl Parts<'_> {
    /// Set of the rows below `len` with a value.
    fn present(&self, len: usize) -> Bitmap {
        let bools = self.bools.map(|column| column.present(len));
        let keywords = self.keywords.map(|column| column.present(len));
        let numbers = self.numbers.map(|column| column.present(len));
        let quantity = self.quantity.map(|column| column.present(len));
        let prices = self.prices.iter().flatten().map(|(_, column)| column.present(len));
        union(
            len,
            [bools, keywords, numbers, quantity].into_iter().flatten().chain(prices),
        )
    }

    /// Set of the rows below `len` with a number in a range.
    fn within(&self, len: usize, range: &Range) -> Bitmap {
        let numbers = self.numbers.map(|column| column.within(len, range));
        let quantity = self.quantity.map(|column| column.within(len, range));
        let prices = self
            .prices
            .iter()
            .flatten()
            .map(|(_, column)| column.within(len, range));
        union(len, numbers.into_iter().chain(quantity).chain(prices))
    }

    /// Set of the rows below `len` with one of the values.
    fn among(&self, len: usize, values: &[Scalar]) -> Bitmap {
        let (mut bools, mut numbers, mut keywords) = ([false; 2], Vec::new(), Vec::new());
        for value in values {
            match value {
                Scalar::Bool(value) => bools[usize::from(*value)] = true,
                Scalar::Number(number) => numbers.push(*number),
                Scalar::Text(text) => keywords.push(text.as_str()),
            }
        }
        let keeps = |value: u8| bools.get(usize::from(value)).is_some_and(|keep| *keep);
        let bools = self.bools.filter(|_| bools != [false; 2]);
        let bools = bools.map(|column| column.select(len, keeps));
        let keywords = self
            .keywords
            .filter(|_| !keywords.is_empty())
            .map(|column| column.among(len, &keywords));
        let numbers: &[Number] = &numbers;
        union(len, bools.into_iter().chain(keywords).chain(self.equal(len, numbers)))
    }

    /// Sets of the rows below `len` with one of the numbers, per column.
    fn equal(&self, len: usize, numbers: &[Number]) -> Vec<Bitmap> {
        if numbers.is_empty() {
            return Vec::new();
        }
        let found = self.numbers.map(|column| column.among(len, numbers)).into_iter();
        let found = found.chain(self.quantity.map(|column| column.among(len, numbers)));
        let prices = self.prices.iter().flatten();
        found
            .chain(prices.map(|(_, column)| column.among(len, numbers)))
            .collect()
    }
}

/// Rows of any of the sets.
fn union(len: usize, sets: impl IntoIterator<Item = Bitmap>) -> Bitmap {
    let mut sets = sets.into_iter();
    let mut all = sets.next().unwrap_or_else(|| Bitmap::new(len));
    sets.for_each(|set| all.union_with(&set));
    all
}
