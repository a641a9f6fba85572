//! `products.jsonl` of a dataset: one product per line. Every fault is reported with line, key and value.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use serde_json::{Map, Value};
use shared::taxonomy::{Category, style_by_id};

use super::faults::{Faults, Remarks};
use super::image_file::path_fault;
use super::product::{attribute_text, shown};
use super::{CatalogError, LocalText, Price, Product};
use store::currency::{MAX_AMOUNT, exponent};

type Object = Map<String, Value>;

/// Reads the products of the file `path`: per id the line and the product.
///
/// # Errors
/// If the file cannot be read or a line is not a product. The error lists all such lines.
pub(super) fn read(path: &Path, remarks: &mut Remarks) -> Result<BTreeMap<String, (u64, Product)>, CatalogError> {
    let text = read_text(path)?;
    let mut faults = Faults::new(path);
    let mut lines = HashMap::new();
    let mut products = BTreeMap::new();
    for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
        match product(text, &mut |remark| remarks.add(line, remark)) {
            Ok(product) => {
                if let Some(before) = lines.insert(product.id.clone(), line) {
                    faults.add(
                        line,
                        format!(
                            "`id`: `{}` is also the product of line {before}; describe each product once",
                            product.id
                        ),
                    );
                }
                products.insert(product.id.clone(), (line, product));
            }
            Err(reason) => faults.add(line, reason),
        }
    }
    faults.check()?;
    Ok(products)
}

/// Reads a text file of a dataset, without its byte order mark.
pub(super) fn read_text(path: &Path) -> Result<String, CatalogError> {
    let bytes = fs::read(path).map_err(CatalogError::io("read", path))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)),
        Err(error) => {
            let (good, bytes) = (error.utf8_error().valid_up_to(), error.as_bytes());
            let line = 1 + bytes[..good].iter().filter(|byte| **byte == b'\n').count() as u64;
            Err(Faults::single(path, line, "it is not UTF-8 text; save the file as UTF-8").into())
        }
    }
}

/// Parses one line. Calls `remark` for values that are ignored or unusual.
fn product(line: &str, remark: &mut dyn FnMut(String)) -> Result<Product, String> {
    let mut object = parse_object(line)?;
    let id = trimmed_text(&mut object, "", "id")?;
    if id.chars().any(char::is_control) {
        return Err(format!(
            "`id`: `{}` has control characters; leave them out",
            id.escape_debug()
        ));
    }
    let category = trimmed_text(&mut object, "", "category")?;
    let category = Category::from_id(&category)
        .ok_or_else(|| format!("`category`: `{category}` is not tops, shoes, bags or other; write one of them"))?;
    let name = name(object.remove("name"), remark)?;
    let price = price(object.remove("price").unwrap_or_default(), remark)?;
    let styles = styles(object.remove("styles").unwrap_or_default(), remark)?;
    let attributes = attributes(object.remove("attributes").unwrap_or_default())?;
    let image = trimmed_text(&mut object, "", "image")?;
    if let Some(fault) = path_fault(&image) {
        return Err(format!("`image`: `{image}` {fault}"));
    }
    remark_unused(object, "", remark);
    Ok(Product {
        id,
        category,
        name,
        price,
        styles,
        attributes,
        image,
    })
}

/// Parses a line as a JSON object.
fn parse_object(line: &str) -> Result<Object, String> {
    match serde_json::from_str(line) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(other) => Err(format!(
            "{} is not a JSON object such as {{\"id\": \"P1\", …}}",
            shown(&other)
        )),
        Err(error) => {
            let text = error.to_string();
            let text = text.rsplit_once(" at line ").map_or(&*text, |(text, _)| text);
            let hint = if error.is_eof() {
                "; the file may be cut off"
            } else {
                ""
            };
            let column = error.column();
            Err(format!("column {column}: {text}{hint}; a line is one JSON object"))
        }
    }
}

fn name(value: Option<Value>, remark: &mut dyn FnMut(String)) -> Result<LocalText, String> {
    let mut object = match value {
        Some(Value::Object(object)) => object,
        other => {
            let fault = other.map_or("is missing".into(), |other| format!("is {}", shown(&other)));
            return Err(format!("`name` {fault}; write {{\"en\": \"…\", \"zh\": \"…\"}}"));
        }
    };
    let name = LocalText {
        en: text(&mut object, "name.", "en")?,
        zh: text(&mut object, "name.", "zh")?,
    };
    remark_unused(object, "name.", remark);
    Ok(name)
}

fn attributes(value: Value) -> Result<BTreeMap<String, String>, String> {
    match value {
        Value::Null => Ok(BTreeMap::new()),
        Value::Object(values) => Ok(values
            .into_iter()
            .filter_map(|(key, value)| Some((key, attribute_text(value)?)))
            .collect()),
        other => Err(format!(
            "`attributes` is {}; write {{\"pattern\": \"plain\", …}}",
            shown(&other)
        )),
    }
}

/// Removes the text at `key`, which must not be blank. `within` is the prefix of the key in errors.
fn text(object: &mut Object, within: &str, key: &str) -> Result<String, String> {
    match object.remove(key) {
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(text),
        Some(Value::String(_)) => Err(format!("`{within}{key}` is empty; give a text")),
        Some(other) => Err(format!(
            "`{within}{key}` is {}, not a text; write it in quotation marks",
            shown(&other)
        )),
        None => Err(format!("`{within}{key}` is missing")),
    }
}

/// As [`text`], but refuses leading and trailing blanks.
fn trimmed_text(object: &mut Object, within: &str, key: &str) -> Result<String, String> {
    let text = text(object, within, key)?;
    if text.trim() == text {
        Ok(text)
    } else {
        Err(format!(
            "`{within}{key}`: `{text}` begins or ends with a blank; remove it"
        ))
    }
}

fn price(value: Value, remark: &mut dyn FnMut(String)) -> Result<Option<Price>, String> {
    const FORM: &str = "write {\"amount\": 12900, \"currency\": \"CNY\"}, the amount in the currency's minor unit";
    let mut object = match value {
        Value::Null => return Ok(None),
        Value::Object(object) => object,
        other => return Err(format!("`price` is {}; {FORM}", shown(&other))),
    };
    let amount = match object.remove("amount") {
        Some(Value::Number(number)) => match number.as_u64() {
            Some(amount) if amount <= MAX_AMOUNT => amount,
            Some(amount) => return Err(format!("`price.amount` is {amount}, more than {MAX_AMOUNT}; {FORM}")),
            None => {
                return Err(format!(
                    "`price.amount` is {number}, not a whole number of at least 0; {FORM}"
                ));
            }
        },
        Some(other) => return Err(format!("`price.amount` is {}, not a number; {FORM}", shown(&other))),
        None => return Err(format!("`price.amount` is missing; {FORM}")),
    };
    let currency = text(&mut object, "price.", "currency")?;
    if exponent(&currency).is_none() {
        return Err(match currency.trim().to_ascii_uppercase() {
            better if exponent(&better).is_some() => {
                format!("`price.currency`: `{currency}` is not a code of ISO 4217; write `{better}`")
            }
            _ => format!("`price.currency`: `{currency}` is not a code of ISO 4217; write one such as CNY, EUR or USD"),
        });
    }
    remark_unused(object, "price.", remark);
    Ok(Some(Price { amount, currency }))
}

fn styles(value: Value, remark: &mut dyn FnMut(String)) -> Result<Vec<String>, String> {
    const FORM: &str = "write a list of style ids such as [\"casual\"]";
    let values = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Array(values) => values,
        other => return Err(format!("`styles` is {}; {FORM}", shown(&other))),
    };
    let style = |value| match value {
        Value::String(id) if !id.trim().is_empty() => {
            if style_by_id(&id).is_none() {
                remark(format!("`styles`: `{id}` is not a known style; it is kept"));
            }
            Ok(id)
        }
        other => Err(format!("`styles` has {}; {FORM}", shown(&other))),
    };
    values.into_iter().map(style).collect()
}

/// Remarks on keys that are not read.
fn remark_unused(rest: Object, within: &str, remark: &mut dyn FnMut(String)) {
    for key in rest.keys() {
        remark(format!("the key `{within}{key}` is unknown and ignored"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"id": "P0", "category": "tops", "name": {"en": "Dress", "zh": "裙"}, "price": {"amount": 12900, "currency": "CNY"}, "styles": ["casual"], "attributes": {"pattern": "plain"}, "image": "shop/P0.jpg"}"#;

    /// Replaces `good` by `bad` in a valid line. The error must contain `says`.
    #[track_caller]
    fn assert_fault(good: &str, bad: &str, says: &str) {
        assert!(GOOD.contains(good), "{good}");
        let error = product(&GOOD.replacen(good, bad, 1), &mut |_| ()).expect_err(says);
        assert!(error.contains(says), "{bad}: `{error}` does not say `{says}`");
    }

    #[test]
    fn a_fault_states_key_and_value() {
        for (good, bad, says) in [
            (r#""P0""#, "0", "`id` is 0, not a text"),
            (r#""P0""#, r#"" P0 ""#, "`id`: ` P0 ` begins or ends with a blank"),
            (r#""P0""#, r#""""#, "`id` is empty"),
            (r#""P0""#, r#""P\n0""#, "`id`: `P\\n0` has control characters"),
            (r#""id": "P0", "#, "", "`id` is missing"),
            (r#""tops""#, r#""dress""#, "`category`: `dress` is not tops"),
            (r#""tops""#, r#""Tops""#, "`category`: `Tops` is not tops"),
            (r#""tops""#, "null", "`category` is null"),
            (
                r#"{"en": "Dress", "zh": "裙"}"#,
                r#""Dress""#,
                "`name` is \"Dress\"; write",
            ),
            (
                r#"{"en": "Dress", "zh": "裙"}"#,
                r#"{"en": "Dress"}"#,
                "`name.zh` is missing",
            ),
            (r#""裙""#, r#"" ""#, "`name.zh` is empty"),
            (r#"["casual"]"#, r#""casual""#, "`styles` is \"casual\""),
            (r#"["casual"]"#, "[7]", "`styles` has 7"),
            (r#"{"pattern": "plain"}"#, r#"["plain"]"#, "`attributes` is [\"plain\"]"),
            (
                "shop/P0.jpg",
                "https://example.org/a.jpg",
                "`image`: `https://example.org/a.jpg` is a web address",
            ),
            ("shop/P0.jpg", "../a.jpg", "`image`: `../a.jpg` is not a path inside"),
            (r#", "image": "shop/P0.jpg""#, "", "`image` is missing"),
            (
                r#""image": "shop/P0.jpg"}"#,
                r#""image": "sho"#,
                "the file may be cut off",
            ),
            ("{\"id\"", "[\"id\"", "column"),
        ] {
            assert_fault(good, bad, says);
        }
    }

    #[test]
    fn a_fault_of_a_price_states_key_and_value() {
        for (good, bad, says) in [
            ("12900", "129.0", "`price.amount` is 129.0, not a whole number"),
            ("12900", "-5", "`price.amount` is -5, not a whole number"),
            (
                "12900",
                "18446744073709551615",
                "`price.amount` is 18446744073709551615, more than",
            ),
            ("12900", "1e300", "`price.amount` is 1e+300, not a whole number"),
            ("12900", r#""12900""#, "`price.amount` is \"12900\", not a number"),
            (r#""amount": 12900, "#, "", "`price.amount` is missing"),
            (
                r#"{"amount": 12900, "currency": "CNY"}"#,
                "129",
                "`price` is 129; write",
            ),
            (
                r#""CNY""#,
                r#""RMB1""#,
                "`price.currency`: `RMB1` is not a code of ISO 4217",
            ),
            (r#""CNY""#, r#""cny""#, "write `CNY`"),
            (r#""CNY""#, r#""""#, "`price.currency` is empty"),
        ] {
            assert_fault(good, bad, says);
        }
    }

    #[test]
    fn ignored_and_unknown_values_are_remarked_on() {
        for (good, other, says) in [
            (
                r#", "styles""#,
                r#", "brand": "x", "styles""#,
                Some("`brand` is unknown"),
            ),
            (r#""CNY"}"#, r#""CNY", "tax": 3}"#, Some("`price.tax` is unknown")),
            (r#""casual""#, r#""nonsense""#, Some("`nonsense` is not a known style")),
            (r#"{"amount": 12900, "currency": "CNY"}"#, "null", None),
            (r#"["casual"]"#, "null", None),
            (r#""plain""#, "[1, 2]", None),
        ] {
            assert!(GOOD.contains(good), "{good}");
            let mut remarks = Vec::new();
            product(&GOOD.replacen(good, other, 1), &mut |remark| remarks.push(remark)).expect(other);
            assert_eq!(remarks.len(), usize::from(says.is_some()), "{other}: {remarks:?}");
            assert!(
                says.is_none_or(|says| remarks[0].contains(says)),
                "{other}: {remarks:?}"
            );
        }
    }
}
