//! Conditions in the expression language of Milvus.

use engine::{Condition, IdRange, PriceRange};
use store::currency::MAX_AMOUNT;

/// Rows that a search compares.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Filter {
    /// All rows.
    All,
    /// No row, so that the search needs no request.
    Nothing,
    /// The rows for which the expression is true.
    Rows(String),
}

impl Filter {
    /// The rows of products that fulfil a condition. Missing values are stored as empty texts.
    pub(crate) fn of(condition: &Condition) -> Self {
        let mut parts = Vec::new();
        if let Some(products) = &condition.products {
            parts.push(among("product", products.iter().map(String::as_str)));
        }
        for (field, allowed) in [("category", &condition.categories), ("brand", &condition.brands)] {
            if let Some(allowed) = allowed {
                parts.push(among(field, allowed.iter().map(String::as_str)));
            }
        }
        if let Some(range) = &condition.price {
            parts.push(price(range));
        }
        if let Some(allowed) = &condition.availability {
            parts.push(among("availability", allowed.iter().map(|state| state.name())));
        }
        if parts.is_empty() {
            return Self::All;
        }
        let parts: Option<Vec<String>> = parts.into_iter().collect();
        parts.map_or(Self::Nothing, |parts| Self::Rows(parts.join(" and ")))
    }

    /// The expression without the rows of `products`. `None` if no row is left.
    pub(crate) fn without(&self, products: &[&str]) -> Option<String> {
        let rest = (!products.is_empty()).then(|| format!("product not in [{}]", list(products.iter().copied())));
        match (self, rest) {
            (Self::Nothing, _) => None,
            (Self::All, rest) => Some(rest.unwrap_or_default()),
            (Self::Rows(text), None) => Some(text.clone()),
            (Self::Rows(text), Some(rest)) => Some(format!("{text} and {rest}")),
        }
    }
}

/// The rows whose `field` is one of `values`. `None` if there is no such row.
fn among<'a>(field: &str, values: impl Iterator<Item = &'a str>) -> Option<String> {
    let values = list(values.filter(|value| !value.is_empty()));
    (!values.is_empty()).then(|| format!("{field} in [{values}]"))
}

/// The rows whose price is in a range. `None` if there is no such row.
fn price(range: &PriceRange) -> Option<String> {
    let PriceRange { currency, min, max } = range;
    let max = max.unwrap_or(MAX_AMOUNT).min(MAX_AMOUNT);
    (*min <= max && !currency.is_empty()).then(|| {
        format!(
            "currency == {} and amount >= {min} and amount <= {max}",
            literal(currency)
        )
    })
}

/// The rows of the products in a range.
pub(crate) fn in_range(range: IdRange<'_>) -> String {
    let after = format!("product > {}", literal(range.after));
    match range.to {
        Some(to) => format!("{after} and product <= {}", literal(to)),
        None => after,
    }
}

/// The rows of these products.
pub(crate) fn of_products(ids: &[&str]) -> String {
    format!("product in [{}]", list(ids.iter().copied()))
}

/// The rows with these keys.
pub(crate) fn of_keys(keys: &[String]) -> String {
    format!("key in [{}]", list(keys.iter().map(String::as_str)))
}

fn list<'a>(values: impl Iterator<Item = &'a str>) -> String {
    values.map(literal).collect::<Vec<_>>().join(", ")
}

/// A text as a literal.
pub(crate) fn literal(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn euros(min: u64, max: Option<u64>) -> Condition {
        Condition {
            price: Some(PriceRange {
                currency: "EUR".into(),
                min,
                max,
            }),
            ..Condition::default()
        }
    }

    #[test]
    fn parts_of_a_condition_are_joined_by_and() {
        let condition = Condition {
            categories: Some(vec!["a \"b\"".into(), "c\\".into()]),
            availability: Some(vec![store::Availability::InStock]),
            ..euros(5, Some(7))
        };
        let text = "category in [\"a \\\"b\\\"\", \"c\\\\\"] and currency == \"EUR\" and amount >= 5 and amount <= 7 \
                    and availability in [\"in_stock\"]";
        assert_eq!(Filter::of(&condition), Filter::Rows(text.into()));
    }

    #[test]
    fn a_condition_that_no_product_fulfils_needs_no_request() {
        let none = Condition {
            brands: Some(vec![String::new()]),
            ..Condition::default()
        };
        for condition in [none, euros(7, Some(5)), euros(u64::MAX, None)] {
            assert_eq!(Filter::of(&condition), Filter::Nothing);
        }
        assert_eq!(Filter::of(&Condition::default()), Filter::All);
    }

    #[test]
    fn products_are_left_out() {
        assert_eq!(Filter::All.without(&[]).as_deref(), Some(""));
        let text = Filter::Rows("brand in [\"A\"]".into()).without(&["x"]);
        assert_eq!(text.as_deref(), Some("brand in [\"A\"] and product not in [\"x\"]"));
    }
}
