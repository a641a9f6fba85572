//! The language's definition in its simplest form: JSON is compared with JSON, product by product.

use std::collections::BTreeSet;

use serde_json::Value;
use store::Product;

/// Values of a field of a product. Empty without a value.
pub(crate) fn values(product: &Product, field: &str, currency: Option<&str>) -> Vec<Value> {
    let text = |text: &Option<String>| text.iter().map(|text| text.as_str().into()).collect();
    match field {
        "id" => vec![product.id.as_str().into()],
        "category" => text(&product.category),
        "brand" => text(&product.brand),
        "group" => text(&product.group),
        "availability" => product
            .stock
            .iter()
            .map(|stock| stock.availability.name().into())
            .collect(),
        "quantity" => product
            .stock
            .iter()
            .filter_map(|stock| stock.quantity)
            .map(Value::from)
            .collect(),
        "price" => product
            .price
            .iter()
            .filter(|price| currency.is_none_or(|currency| currency == price.currency))
            .map(|price| price.amount.into())
            .collect(),
        _ => {
            let attribute = product.attributes.get(&field["attributes.".len()..]);
            match attribute.map(|value| serde_json::to_value(value).expect("JSON")) {
                None => Vec::new(),
                Some(Value::Array(list)) => list,
                Some(value) => vec![value],
            }
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        _ => "text",
    }
}

/// Types of a field's values in a catalog. Empty for an attribute that no product has.
fn kinds(products: &[Product], field: &str) -> BTreeSet<&'static str> {
    match field {
        "price" | "quantity" => ["number"].into(),
        _ if !field.starts_with("attributes.") => ["text"].into(),
        _ => {
            let all = products.iter().flat_map(|product| values(product, field, None));
            all.map(|value| kind(&value)).collect()
        }
    }
}

fn equal(a: &Value, b: &Value) -> bool {
    a.as_f64().zip(b.as_f64()).map_or(a == b, |(a, b)| a == b)
}

/// True if the product matches the condition on its field.
fn compare(product: &Product, condition: &Value) -> bool {
    let field = condition["field"].as_str().expect("a field");
    let values = values(product, field, condition["currency"].as_str());
    if let Some(exists) = condition["exists"].as_bool() {
        return exists != values.is_empty();
    }
    values.iter().any(|value| {
        if let Some(range) = condition["range"].as_object() {
            value.as_f64().is_some_and(|value| {
                range.iter().all(|(key, bound)| {
                    let bound = bound.as_f64().expect("a number");
                    match key.as_str() {
                        "gt" => value > bound,
                        "gte" => value >= bound,
                        "lt" => value < bound,
                        _ => value <= bound,
                    }
                })
            })
        } else if let Some(list) = condition["in"].as_array() {
            list.iter().any(|wanted| equal(wanted, value))
        } else {
            equal(&condition["is"], value)
        }
    })
}

/// True if the product matches the filter.
pub(crate) fn matches(product: &Product, filter: &Value) -> bool {
    if let Some(parts) = filter["and"].as_array() {
        parts.iter().all(|part| matches(product, part))
    } else if let Some(parts) = filter["or"].as_array() {
        parts.iter().any(|part| matches(product, part))
    } else if filter["not"].is_object() {
        !matches(product, &filter["not"])
    } else {
        compare(product, filter)
    }
}

/// All conditions of a filter.
pub(crate) fn conditions(filter: &Value) -> Vec<&Value> {
    let lists = ["and", "or"].iter().filter_map(|key| filter[*key].as_array());
    let parts: Vec<&Value> = lists
        .flatten()
        .chain(Some(&filter["not"]).filter(|part| part.is_object()))
        .collect();
    if parts.is_empty() {
        vec![filter]
    } else {
        parts.into_iter().flat_map(conditions).collect()
    }
}

/// True if all attributes of the filter are known, and all values have a type of their field.
pub(crate) fn is_valid(products: &[Product], filter: &Value) -> bool {
    conditions(filter).into_iter().all(|condition| {
        let kinds = kinds(products, condition["field"].as_str().expect("a field"));
        let wanted: Vec<&str> = match (&condition["range"], &condition["in"], &condition["is"]) {
            (Value::Object(_), ..) => vec!["number"],
            (_, Value::Array(list), _) => list.iter().map(kind).collect(),
            (.., Value::Null) => Vec::new(),
            (.., value) => vec![kind(value)],
        };
        !kinds.is_empty() && wanted.iter().all(|wanted| kinds.contains(wanted))
    })
}

/// Parts of a filter that are joined by `and`.
pub(crate) fn joined(filter: &Value) -> Vec<&Value> {
    match filter["and"].as_array() {
        Some(parts) => parts.iter().flat_map(joined).collect(),
        None => vec![filter],
    }
}
