//! The filter language as a tree. `parse` reads it from JSON.

use crate::field::Field;
use crate::number::{Number, Range};

/// Largest depth of a filter. A filter that contains no other filter has depth 1.
pub const MAX_DEPTH: usize = 8;
/// Maximum number of filters in a filter, with itself.
pub const MAX_NODES: usize = 256;
/// Maximum number of values of `in`.
pub const MAX_VALUES: usize = 1024;
/// Maximum length of a text in bytes. Longer texts of products are equal to no text of a filter.
pub const MAX_TEXT: usize = 256;

/// A filter within all limits. [`Columns::select`](crate::Columns::select) applies it.
///
/// ```
/// let json = serde_json::json!({"and": [
///     {"field": "brand", "in": ["Acme", "Bolt"]},
///     {"field": "price", "currency": "CNY", "range": {"gte": 1000, "lt": 20000}},
/// ]});
/// assert!(filter::Filter::parse(&json).is_ok());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Filter(pub(crate) Node);

/// A filter or a part of one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    /// Matches if all parts match.
    And(Vec<Node>),
    /// Matches if at least one part matches.
    Or(Vec<Node>),
    /// Matches if the part does not match.
    Not(Box<Node>),
    Condition(Condition),
}

impl Node {
    /// The field of all conditions, if they have the same field.
    pub(crate) fn only_field(&self) -> Option<&Field> {
        match self {
            Self::Condition(condition) => Some(&condition.field),
            Self::Not(part) => part.only_field(),
            Self::And(parts) | Self::Or(parts) => {
                let (first, others) = parts.split_first()?;
                let field = first.only_field()?;
                let is_only = others.iter().all(|part| part.only_field() == Some(field));
                is_only.then_some(field)
            }
        }
    }
}

/// A comparison of a field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Condition {
    pub(crate) field: Field,
    /// Currency of a price. `None` for other fields, and for `exists` of a price in any currency.
    pub(crate) currency: Option<String>,
    pub(crate) test: Test,
}

/// The comparison of a condition.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test {
    Is(Scalar),
    In(Vec<Scalar>),
    Range(Range),
    /// True matches products with a value, false matches products without one.
    Exists(bool),
}

/// A value of a filter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar {
    Bool(bool),
    Number(Number),
    Text(String),
}

/// Type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Number,
    Text,
}

impl Scalar {
    /// Type of the value.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Bool(_) => Kind::Bool,
            Self::Number(_) => Kind::Number,
            Self::Text(_) => Kind::Text,
        }
    }
}

impl Kind {
    /// Name of one value, such as `a text`.
    pub(crate) fn singular(self) -> &'static str {
        match self {
            Self::Bool => "a truth value",
            Self::Number => "a number",
            Self::Text => "a text",
        }
    }

    /// Name of several values, such as `texts`.
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Bool => "truth values",
            Self::Number => "numbers",
            Self::Text => "texts",
        }
    }
}
