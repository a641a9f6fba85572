//! A product and a sample photo as datasets and catalogues store them, one JSON object a line.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
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
    /// What kind of item it is.
    pub category: Category,
    /// What the shop calls it.
    pub name: LocalText,
    /// What it costs, if the shop says.
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

/// A user photo that visitors can try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SamplePhoto {
    /// Relative to the dataset folder.
    pub image: String,
    /// The product it shows.
    pub product_id: String,
}

/// Attributes may be written as numbers or truth values; they are all shown as text.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let values = BTreeMap::<String, serde_json::Value>::deserialize(deserializer)?;
    Ok(values
        .into_iter()
        .filter_map(|(key, value)| match value {
            serde_json::Value::Null => None,
            serde_json::Value::String(text) => Some((key, text)),
            other => Some((key, other.to_string())),
        })
        .collect())
}
