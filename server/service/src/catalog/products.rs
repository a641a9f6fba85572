//! `products.jsonl` of a dataset: one product a line, every value checked, every fault named with line, key and value.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use serde_json::{Map, Value};
use shared::taxonomy::{Category, style_by_id};

use super::currency::{MAX_AMOUNT, exponent};
use super::faults::{Faults, Remarks};
use super::picture::fault_of;
use super::product::{as_text, shown};
use super::{CatalogError, LocalText, Price, Product};

type Object = Map<String, Value>;

/// Reads the products of the file `path` with their lines, by id.
///
/// # Errors
/// When the file cannot be read, or any line of it is not a product; names all such lines.
pub(super) fn read(path: &Path, remarks: &mut Remarks) -> Result<BTreeMap<String, (u64, Product)>, CatalogError> {
    let text = read_text(path)?;
    let mut faults = Faults::of(path);
    let mut lines = HashMap::new();
    let mut products = BTreeMap::new();
    for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
        match product(text, &mut |what| remarks.add(line, what)) {
            Ok(product) => {
                if let Some(before) = lines.insert(product.id.clone(), line) {
                    faults.add(
                        line,
                        format!(
                            "`id`: `{}` is the product of line {before}; each comes once",
                            product.id
                        ),
                    );
                }
                products.insert(product.id.clone(), (line, product));
            }
            Err(why) => faults.add(line, why),
        }
    }
    faults.none().map(|()| products)
}

/// The text of a dataset's file, without a byte order mark.
pub(super) fn read_text(path: &Path) -> Result<String, CatalogError> {
    let bytes = fs::read(path).map_err(CatalogError::io("read", path))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)),
        Err(error) => {
            let (good, bytes) = (error.utf8_error().valid_up_to(), error.as_bytes());
            let line = 1 + bytes[..good].iter().filter(|byte| **byte == b'\n').count() as u64;
            Err(Faults::one(path, line, "it is not UTF-8 text; save the file as UTF-8"))
        }
    }
}

/// The product on a line; `remark` is told what is left out of it or odd about it.
fn product(line: &str, remark: &mut dyn FnMut(String)) -> Result<Product, String> {
    let mut object = match serde_json::from_str(line) {
        Ok(Value::Object(object)) => object,
        Ok(other) => {
            return Err(format!(
                "{} is no JSON object such as {{\"id\": \"P1\", …}}",
                shown(&other)
            ));
        }
        Err(error) => {
            let what = error.to_string();
            let what = what.rsplit_once(" at line ").map_or(&*what, |(what, _)| what);
            let cut = if error.is_eof() {
                "; the file may be cut off"
            } else {
                ""
            };
            return Err(format!(
                "column {}: {what}{cut}; a line is one JSON object",
                error.column()
            ));
        }
    };
    let id = plain(&mut object, "", "id")?;
    if id.chars().any(char::is_control) {
        return Err(format!(
            "`id`: `{}` has control characters; leave them out",
            id.escape_debug()
        ));
    }
    let category = plain(&mut object, "", "category")?;
    let category = Category::from_id(&category)
        .ok_or_else(|| format!("`category`: `{category}` is none of tops, shoes, bags and other; write one of them"))?;
    let name = match object.remove("name") {
        Some(Value::Object(mut name)) => {
            let texts = LocalText {
                en: text(&mut name, "name.", "en")?,
                zh: text(&mut name, "name.", "zh")?,
            };
            unused(name, "name.", remark);
            texts
        }
        other => {
            return Err(format!(
                "`name` {}; write {{\"en\": \"…\", \"zh\": \"…\"}}",
                other.map_or("is missing".into(), |other| format!("is {}", shown(&other)))
            ));
        }
    };
    let price = price(object.remove("price").unwrap_or_default(), remark)?;
    let styles = styles(object.remove("styles").unwrap_or_default(), remark)?;
    let attributes = match object.remove("attributes").unwrap_or_default() {
        Value::Null => BTreeMap::new(),
        Value::Object(values) => values
            .into_iter()
            .filter_map(|(key, value)| Some((key, as_text(value)?)))
            .collect(),
        other => {
            return Err(format!(
                "`attributes` is {}; write {{\"pattern\": \"plain\", …}}",
                shown(&other)
            ));
        }
    };
    let image = plain(&mut object, "", "image")?;
    if let Some(why) = fault_of(&image) {
        return Err(format!("`image`: `{image}` {why}"));
    }
    unused(object, "", remark);
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

/// The text at `key`, which has more than blanks.
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

/// As [`text`], without blanks around it.
fn plain(object: &mut Object, within: &str, key: &str) -> Result<String, String> {
    let text = text(object, within, key)?;
    if text.trim() == text {
        Ok(text)
    } else {
        Err(format!(
            "`{within}{key}`: `{text}` begins or ends with a blank; leave it out"
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
                    "`price.amount` is {number}, not a whole number from 0 on; {FORM}"
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
                format!("`price.currency`: `{currency}` is no code of ISO 4217; write `{better}`")
            }
            _ => format!("`price.currency`: `{currency}` is no code of ISO 4217; write one such as CNY, EUR or USD"),
        });
    }
    unused(object, "price.", remark);
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
                remark(format!(
                    "`styles`: `{id}` is none of the known styles; it is kept as it is"
                ));
            }
            Ok(id)
        }
        other => Err(format!("`styles` has {}; {FORM}", shown(&other))),
    };
    values.into_iter().map(style).collect()
}

/// Remarks on the keys that nothing reads.
fn unused(rest: Object, within: &str, remark: &mut dyn FnMut(String)) {
    for key in rest.keys() {
        remark(format!("the key `{within}{key}` is not known and not used"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"id": "P0", "category": "tops", "name": {"en": "Dress", "zh": "裙"}, "price": {"amount": 12900, "currency": "CNY"}, "styles": ["casual"], "attributes": {"pattern": "plain"}, "image": "shop/P0.jpg"}"#;

    #[test]
    fn faults_name_key_and_value() {
        for (good, bad, says) in [
            (r#""P0""#, "0", "`id` is 0, not a text"),
            (r#""P0""#, r#"" P0 ""#, "`id`: ` P0 ` begins or ends with a blank"),
            (r#""P0""#, r#""""#, "`id` is empty"),
            (r#""P0""#, r#""P\n0""#, "`id`: `P\\n0` has control characters"),
            (r#""id": "P0", "#, "", "`id` is missing"),
            (r#""tops""#, r#""dress""#, "`category`: `dress` is none of"),
            (r#""tops""#, r#""Tops""#, "`category`: `Tops` is none of"),
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
                "`price.currency`: `RMB1` is no code of ISO 4217",
            ),
            (r#""CNY""#, r#""cny""#, "write `CNY`"),
            (r#""CNY""#, r#""""#, "`price.currency` is empty"),
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
            assert!(GOOD.contains(good), "{good}");
            let error = product(&GOOD.replacen(good, bad, 1), &mut |_| ()).expect_err(says);
            assert!(error.contains(says), "{bad}: `{error}` does not say `{says}`");
        }
    }

    #[test]
    fn what_is_left_out_or_odd_is_remarked_on() {
        for (good, other, says) in [
            (
                r#", "styles""#,
                r#", "brand": "x", "styles""#,
                Some("`brand` is not known"),
            ),
            (r#""CNY"}"#, r#""CNY", "tax": 3}"#, Some("`price.tax` is not known")),
            (
                r#""casual""#,
                r#""nonsense""#,
                Some("`nonsense` is none of the known styles"),
            ),
            (r#"{"amount": 12900, "currency": "CNY"}"#, "null", None),
            (r#"["casual"]"#, "null", None),
            (r#""plain""#, "[1, 2]", None),
        ] {
            assert!(GOOD.contains(good), "{good}");
            let mut remarks = Vec::new();
            product(&GOOD.replacen(good, other, 1), &mut |what| remarks.push(what)).expect(other);
            assert_eq!(remarks.len(), usize::from(says.is_some()), "{other}: {remarks:?}");
            assert!(
                says.is_none_or(|says| remarks[0].contains(says)),
                "{other}: {remarks:?}"
            );
        }
    }
}
