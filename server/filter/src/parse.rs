//! Reading of filters from JSON.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use store::Availability;
use store::currency::exponent;

use crate::error::{FilterError, shown};
use crate::field::{FIELDS, Field};
use crate::language::{Condition, Filter, MAX_DEPTH, MAX_NODES, MAX_TEXT, MAX_VALUES, Node, Scalar, Test};
use crate::number::{Bound, Number, Range};
use crate::path::Path;

/// Filter for advice.
const EXAMPLE: &str = r#"{"field": "brand", "is": "Acme"}"#;
/// Keys of a filter, of which there is one.
const FORMS: [&str; 4] = ["and", "or", "not", "field"];
/// Keys of a condition's comparison, of which there is one.
const TESTS: [&str; 4] = ["is", "in", "range", "exists"];

impl Filter {
    /// Parses a filter.
    ///
    /// # Errors
    /// An error with the path of the first part that does not follow the grammar, exceeds a limit or names a field that no
    /// catalog has. [`Columns::select`](crate::Columns::select) checks the names of attributes and the types of values.
    pub fn parse(value: &Value) -> Result<Self, FilterError> {
        let mut parser = Parser { nodes: 0 };
        parser.node(value, &Path::root("filter"), 1).map(Self)
    }
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// State of the reading of one filter.
struct Parser {
    /// Number of filters so far.
    nodes: usize,
}

impl Parser {
    fn node(&mut self, value: &Value, path: &Path<'_>, depth: usize) -> Result<Node, FilterError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            let message = format!("is one of more than {MAX_NODES} filters; join values of one field with `in`");
            return Err(FilterError::too_large(path, message));
        }
        if depth > MAX_DEPTH {
            let message = format!("is nested deeper than {MAX_DEPTH} filters; send a flatter filter");
            return Err(FilterError::too_large(path, message));
        }
        let map = object(value, path, EXAMPLE)?;
        match one_of(map, &FORMS, path, "join them with `and`")? {
            ("field", name) => {
                check_keys(map, &["field", "currency", "is", "in", "range", "exists"], path)?;
                condition(map, name, path).map(Node::Condition)
            }
            ("not", part) => {
                check_keys(map, &["not"], path)?;
                let part = self.node(part, &path.key("not"), depth + 1)?;
                Ok(Node::Not(Box::new(part)))
            }
            (key, parts) => {
                check_keys(map, &[key], path)?;
                let path = path.key(key);
                let parts = list(parts, &path, "filters")?;
                let parts = parts.iter().enumerate();
                let parts = parts.map(|(at, part)| self.node(part, &path.index(at), depth + 1));
                let parts = parts.collect::<Result<_, _>>()?;
                Ok(if key == "and" {
                    Node::And(parts)
                } else {
                    Node::Or(parts)
                })
            }
        }
    }
}

fn condition(map: &Map<String, Value>, name: &Value, path: &Path<'_>) -> Result<Condition, FilterError> {
    let field = field(name, &path.key("field"))?;
    let (key, value) = one_of(map, &TESTS, path, "send two filters in `and`")?;
    let at = path.key(key);
    let test = match key {
        "is" => Test::Is(scalar(value, &field, &at)?),
        "in" => Test::In(scalars(value, &field, &at)?),
        "range" => Test::Range(range(value, &at)?),
        _ => match value {
            Value::Bool(exists) => Test::Exists(*exists),
            other => return Err(wrong(&at, other, "true or false")),
        },
    };
    let currency = currency(map.get("currency"), &field, path)?;
    if field == Field::Price && currency.is_none() && !matches!(test, Test::Exists(_)) {
        let message = r#"compares a price without a currency; add one, such as "currency": "EUR""#;
        return Err(FilterError::invalid(path, message));
    }
    Ok(Condition { field, currency, test })
}

/// Parses the name of a field.
pub(crate) fn field(name: &Value, path: &Path<'_>) -> Result<Field, FilterError> {
    let Value::String(name) = name else {
        return Err(wrong(path, name, "the name of a field, such as \"brand\""));
    };
    Field::parse(name).ok_or_else(|| FilterError::unknown_field(path, name, FIELDS))
}

fn currency(value: Option<&Value>, field: &Field, path: &Path<'_>) -> Result<Option<String>, FilterError> {
    let Some(value) = value else { return Ok(None) };
    let path = path.key("currency");
    if *field != Field::Price {
        return Err(FilterError::invalid(
            path,
            "is only allowed with the field `price`; remove it",
        ));
    }
    match value {
        Value::String(code) if exponent(code).is_some() => Ok(Some(code.clone())),
        Value::String(code) => {
            let message = format!("is `{}`; send a currency of ISO 4217, such as EUR", shown(code));
            Err(FilterError::invalid(path, message))
        }
        other => Err(wrong(&path, other, "a currency, such as \"EUR\"")),
    }
}

fn scalars(value: &Value, field: &Field, path: &Path<'_>) -> Result<Vec<Scalar>, FilterError> {
    let values = list(value, path, "values")?;
    if values.len() > MAX_VALUES {
        let message = format!(
            "has {} values; send at most {MAX_VALUES}, or several `in` in `or`",
            values.len()
        );
        return Err(FilterError::too_large(path, message));
    }
    let values = values.iter().enumerate();
    values
        .map(|(at, value)| scalar(value, field, &path.index(at)))
        .collect()
}

fn scalar(value: &Value, field: &Field, path: &Path<'_>) -> Result<Scalar, FilterError> {
    match value {
        Value::Bool(value) => Ok(Scalar::Bool(*value)),
        Value::Number(_) => number(value, path).map(Scalar::Number),
        Value::String(text) if text.len() > MAX_TEXT => {
            let message = format!("has {} bytes; send a text of at most {MAX_TEXT} bytes", text.len());
            Err(FilterError::too_large(path, message))
        }
        Value::String(text) => {
            let is_known = || Availability::parse(text).is_some_and(|known| known.name() == text);
            if *field == Field::Availability && !is_known() {
                let message = format!(
                    "is `{}`; send in_stock, out_of_stock, preorder or backorder",
                    shown(text)
                );
                return Err(FilterError::invalid(path, message));
            }
            Ok(Scalar::Text(text.clone()))
        }
        other => Err(wrong(path, other, "a text, a number, true or false")),
    }
}

fn number(value: &Value, path: &Path<'_>) -> Result<Number, FilterError> {
    let number = value.as_number().and_then(Number::new);
    number.ok_or_else(|| wrong(path, value, "a number"))
}

fn range(value: &Value, path: &Path<'_>) -> Result<Range, FilterError> {
    let map = object(value, path, r#"{"gte": 10, "lt": 20}"#)?;
    check_keys(map, &["gt", "gte", "lt", "lte"], path)?;
    if map.is_empty() {
        return Err(FilterError::invalid(path, "is empty; send gt, gte, lt or lte"));
    }
    let bound = |open: &'static str, closed: &'static str| match (map.get(open), map.get(closed)) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => {
            let message = format!("has the keys {open} and {closed}; send one of them");
            Err(FilterError::invalid(path, message))
        }
        (Some(value), None) => number(value, &path.key(open)).map(|number| Some(Bound::open(number))),
        (None, Some(value)) => number(value, &path.key(closed)).map(|number| Some(Bound::closed(number))),
    };
    Ok(Range {
        lower: bound("gt", "gte")?,
        upper: bound("lt", "lte")?,
    })
}

/// Entry of the only key of `keys` that an object has.
fn one_of<'a>(
    map: &'a Map<String, Value>,
    keys: &[&'static str],
    path: &Path<'_>,
    advice: &str,
) -> Result<(&'static str, &'a Value), FilterError> {
    let mut found = keys.iter().filter_map(|key| map.get(*key).map(|value| (*key, value)));
    match (found.next(), found.next()) {
        (Some(entry), None) => Ok(entry),
        (Some((first, _)), Some((second, _))) => {
            let message = format!("has the keys {first} and {second}; send one of them, or {advice}");
            Err(FilterError::invalid(path, message))
        }
        (None, _) => {
            let message = format!("has none of the keys {}; send one of them", keys.join(", "));
            Err(FilterError::invalid(path, message))
        }
    }
}

/// Refuses keys that are not in `known`.
pub(crate) fn check_keys(map: &Map<String, Value>, known: &[&str], path: &Path<'_>) -> Result<(), FilterError> {
    let Some(key) = map.keys().find(|key| !known.contains(&key.as_str())) else {
        return Ok(());
    };
    let message = format!(
        "has the unknown key `{}`; remove it, the known keys are {}",
        shown(key),
        known.join(", ")
    );
    Err(FilterError::invalid(path, message))
}

fn object<'a>(value: &'a Value, path: &Path<'_>, example: &str) -> Result<&'a Map<String, Value>, FilterError> {
    value
        .as_object()
        .ok_or_else(|| wrong(path, value, &format!("an object such as {example}")))
}

/// Entries of a list that must not be empty.
fn list<'a>(value: &'a Value, path: &Path<'_>, entries: &str) -> Result<&'a [Value], FilterError> {
    match value {
        Value::Array(list) if list.is_empty() => {
            let message = format!("is empty; send a list of {entries}, or leave this filter out");
            Err(FilterError::invalid(path, message))
        }
        Value::Array(list) => Ok(list),
        other => Err(wrong(path, other, &format!("a list of {entries}"))),
    }
}

/// Error of a part with another type of JSON than `expected`.
pub(crate) fn wrong(path: &Path<'_>, value: &Value, expected: &str) -> FilterError {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    FilterError::invalid(path, format!("is {found}; send {expected}"))
}
