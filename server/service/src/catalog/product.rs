//! A product and a sample photo as datasets and catalogues store them, one JSON object a line.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use shared::taxonomy::Category;

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalText {
    /// English.
    pub en: String,
    /// Simplified Chinese.
    pub zh: String,
}

/// An amount of money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// In the currency's minor unit.
    pub amount: u64,
    /// ISO 4217 code.
    pub currency: String,
}

/// One product of a shop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Stable id.
    pub id: String,
    /// Kind of item.
    pub category: Category,
    /// Name in the shop.
    pub name: LocalText,
    /// Price, if the shop states one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Ids of its styles.
    #[serde(default)]
    pub styles: Vec<String>,
    /// Further properties.
    #[serde(default, deserialize_with = "texts")]
    pub attributes: BTreeMap<String, String>,
    /// Its first shop photo, relative to the dataset folder.
    pub image: String,
}

/// A photo that the operator lets visitors try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SamplePhoto {
    /// Relative to the dataset folder.
    pub image: String,
    /// The product it shows, if that is one of the catalogue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_id: Option<String>,
}

/// Attributes may be written as numbers or truth values; they are all shown as text.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let values = BTreeMap::<String, Value>::deserialize(deserializer)?;
    Ok(values
        .into_iter()
        .filter_map(|(key, value)| Some((key, as_text(value)?)))
        .collect())
}

/// An attribute's value as text; null is none.
pub(super) fn as_text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

/// The beginning of a value as JSON, for messages.
pub(super) fn shown(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = value.to_string();
    if text.chars().count() <= LONGEST {
        text
    } else {
        text.chars().take(LONGEST).chain(['…']).collect()
    }
}
