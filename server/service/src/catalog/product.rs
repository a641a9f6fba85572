//! Products and sample photos, as datasets and catalogs store them: one JSON object per line.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use shared::taxonomy::Category;

/// Attribute of a product in the store that lists the ids of its styles.
pub const STYLES: &str = "styles";

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
    /// Amount in the currency's minor unit.
    pub amount: u64,
    /// ISO 4217 code in capitals.
    pub currency: String,
}

/// A product of a shop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Id, which stays when the shop is indexed again.
    pub id: String,
    /// Category.
    pub category: Category,
    /// Name in the shop.
    pub name: LocalText,
    /// Price, if the shop gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Ids of its styles.
    #[serde(default)]
    pub styles: Vec<String>,
    /// Attributes such as the pattern, as text.
    #[serde(default, deserialize_with = "texts")]
    pub attributes: BTreeMap<String, String>,
    /// Path of the main image, relative to the dataset folder.
    pub image: String,
}

/// A photo that the operator offers visitors to try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SamplePhoto {
    /// Path relative to the dataset folder.
    pub image: String,
    /// Id of the product that it shows, if the catalog contains it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_id: Option<String>,
}

/// Reads attributes. Numbers and truth values become text.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let values = BTreeMap::<String, Value>::deserialize(deserializer)?;
    Ok(values
        .into_iter()
        .filter_map(|(key, value)| Some((key, attribute_text(value)?)))
        .collect())
}

/// Converts an attribute's value to text; `None` for null.
pub(super) fn attribute_text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

/// The beginning of a value as JSON, for error messages.
pub(super) fn shown(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = value.to_string();
    if text.chars().count() <= LONGEST {
        text
    } else {
        text.chars().take(LONGEST).chain(['…']).collect()
    }
}
