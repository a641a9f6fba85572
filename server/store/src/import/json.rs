//! Rows as JSON objects, one per line.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;

use serde_json::{Map, Value};

use super::draft::{Draft, DraftImage, Record, Records};
use super::fields::price_of_text;
use super::options::ImportOptions;
use super::report::Fault;
use super::text::{LONGEST, read_line};
use crate::currency::exponent;
use crate::error::StoreError;
use crate::product::{Attribute, Availability, Price, Stock};

/// Reader of a file of JSON lines.
pub(super) struct JsonLines<'a> {
    input: Box<dyn BufRead>,
    options: &'a ImportOptions,
    line: u64,
    text: Vec<u8>,
    ignored: BTreeSet<String>,
}

impl<'a> JsonLines<'a> {
    /// Begins at the first line.
    pub(super) fn new(input: Box<dyn BufRead>, options: &'a ImportOptions) -> Self {
        Self {
            input,
            options,
            line: 0,
            text: Vec::new(),
            ignored: BTreeSet::new(),
        }
    }
}

impl Records for JsonLines<'_> {
    fn next(&mut self) -> Result<Option<Record>, StoreError> {
        loop {
            let length = read_line(&mut *self.input, &mut self.text, &self.options.file)?;
            if length == 0 {
                return Ok(None);
            }
            self.line += 1;
            if length > LONGEST {
                let fault = Fault::row("too_long", format!("the line has more than {LONGEST} bytes"));
                return Ok(Some(Record {
                    line: self.line,
                    draft: Err(fault),
                }));
            }
            if !self.text.trim_ascii().is_empty() {
                let draft = draft(&self.text, self.options, &mut self.ignored);
                return Ok(Some(Record { line: self.line, draft }));
            }
        }
    }

    fn ignored(&mut self, ignored: &mut BTreeSet<String>) {
        ignored.append(&mut self.ignored);
    }
}

/// Parses a line.
fn draft(text: &[u8], options: &ImportOptions, ignored: &mut BTreeSet<String>) -> Result<Draft, Fault> {
    let mut object = match serde_json::from_slice(text) {
        Ok(Value::Object(object)) => object,
        Ok(other) => return Err(Fault::row("syntax", format!("{} is not a JSON object", shown(&other)))),
        Err(error) => {
            let hint = if error.is_eof() {
                "; the file may be cut off"
            } else {
                ""
            };
            let (words, column) = (error.to_string(), error.column());
            let words = words
                .rsplit_once(" at line ")
                .map_or(words.as_str(), |(words, _)| words);
            return Err(Fault::row(
                "syntax",
                format!("column {column}: {words}{hint}; a line is one JSON object"),
            ));
        }
    };
    let mut attributes = attributes(object.remove("attributes"))?;
    if let Some(styles) = object.remove("styles").filter(|styles| !styles.is_null()) {
        let list = attribute("styles", styles)?;
        attributes.get_or_insert_default().insert("styles".into(), list);
    }
    let id = text_of(&mut object, "id")?;
    let draft = Draft {
        id: id.ok_or_else(|| Fault::of("id", "missing_id", "is missing; give each product an id"))?,
        names: names(object.remove("name"), &options.language)?,
        category: text_of(&mut object, "category")?,
        price: price(object.remove("price"), options.currency.as_deref())?,
        brand: text_of(&mut object, "brand")?,
        url: text_of(&mut object, "url")?,
        attributes,
        stock: stock(object.remove("stock"))?,
        group: text_of(&mut object, "group")?,
        images: images(object.remove("images"), object.remove("image"))?,
    };
    ignored.extend(object.into_iter().map(|(key, _)| key));
    Ok(draft)
}

/// Removes the text at `key`. Null is a missing value.
fn text_of(object: &mut Map<String, Value>, key: &str) -> Result<Option<String>, Fault> {
    match object.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => {
            let message = format!("{} is not a text; write it in quotation marks", shown(&other));
            Err(Fault::of(key, "not_text", message))
        }
    }
}

fn names(value: Option<Value>, language: &str) -> Result<BTreeMap<String, String>, Fault> {
    const FORM: &str = "write {\"en\": \"…\"} with one or more languages";
    match value {
        None | Some(Value::Null) => Ok(BTreeMap::new()),
        Some(Value::String(name)) => Ok(BTreeMap::from([(language.to_owned(), name)])),
        Some(Value::Object(names)) => names
            .into_iter()
            .map(|(language, name)| match name {
                Value::String(name) => Ok((language, name)),
                other => {
                    let message = format!("{} is not a text; {FORM}", shown(&other));
                    Err(Fault::of(format!("name.{language}"), "not_text", message))
                }
            })
            .collect(),
        Some(other) => Err(Fault::of(
            "name",
            "not_text",
            format!("{} is not a name; {FORM}", shown(&other)),
        )),
    }
}

fn price(value: Option<Value>, currency: Option<&str>) -> Result<Option<Price>, Fault> {
    const FORM: &str = "write {\"amount\": 12900, \"currency\": \"CNY\"} in minor units, or \"129.00 CNY\"";
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => price_of_text("price", &text, currency).map(Some),
        Some(object @ Value::Object(_)) => {
            let text = shown(&object);
            let price: Price = serde_json::from_value(object)
                .map_err(|error| Fault::of("price", "price", format!("{text}: {error}; {FORM}")))?;
            if exponent(&price.currency).is_none() {
                let message = format!("`{}` is not a currency of ISO 4217, such as EUR", price.currency);
                return Err(Fault::of("price.currency", "currency", message));
            }
            Ok(Some(price))
        }
        Some(other) => Err(Fault::of(
            "price",
            "price",
            format!("{} is not a price; {FORM}", shown(&other)),
        )),
    }
}

fn stock(value: Option<Value>) -> Result<Option<Stock>, Fault> {
    let fault = |value: &Value| {
        let message = format!("{} is not a stock; write a number of pieces or in_stock", shown(value));
        Fault::of("stock", "stock", message)
    };
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(name)) => {
            let availability = Availability::parse(&name).ok_or_else(|| fault(&Value::String(name)))?;
            Ok(Some(Stock {
                availability,
                quantity: None,
            }))
        }
        Some(Value::Number(number)) => match number.as_u64() {
            Some(quantity) => Ok(Some(Stock::of(quantity))),
            None => Err(fault(&Value::Number(number))),
        },
        Some(other) => serde_json::from_value(other.clone())
            .map(Some)
            .map_err(|_| fault(&other)),
    }
}

fn attributes(value: Option<Value>) -> Result<Option<BTreeMap<String, Attribute>>, Fault> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(values)) => {
            let known = values.into_iter().filter(|(_, value)| !value.is_null());
            let attributes = known.map(|(name, value)| {
                let value = attribute(&name, value)?;
                Ok((name, value))
            });
            attributes.collect::<Result<_, _>>().map(Some)
        }
        Some(other) => {
            let message = format!("{} is not an object; write {{\"color\": \"red\"}}", shown(&other));
            Err(Fault::of("attributes", "attribute", message))
        }
    }
}

fn attribute(name: &str, value: Value) -> Result<Attribute, Fault> {
    let text = shown(&value);
    serde_json::from_value(value).map_err(|_| {
        let message = format!("{text} is not a text, a number, a truth value or a list of texts");
        Fault::of(format!("attributes.{name}"), "attribute", message)
    })
}

/// Images of the keys `images` and `image`. The single image is the first one.
fn images(images: Option<Value>, image: Option<Value>) -> Result<Option<Vec<DraftImage>>, Fault> {
    let mut values = match images {
        None | Some(Value::Null) => None,
        Some(Value::Array(values)) => Some(values),
        Some(other) => {
            let message = format!("{} is not a list; write [\"a.jpg\"]", shown(&other));
            return Err(Fault::of("images", "image", message));
        }
    };
    if let Some(image) = image.filter(|image| !image.is_null()) {
        let values = values.get_or_insert_default();
        if !values.contains(&image) {
            values.insert(0, image);
        }
    }
    let of_value = |value: Value| match value {
        Value::String(source) => Ok(DraftImage::new(source)),
        other => {
            let text = shown(&other);
            serde_json::from_value(other).map_err(|_| {
                let message = format!("{text} is not an image; write its path, or source, sha256 and crop");
                Fault::of("images", "image", message)
            })
        }
    };
    values
        .map(|values| values.into_iter().map(of_value).collect())
        .transpose()
}

/// Beginning of a value as JSON.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
