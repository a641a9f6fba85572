//! Products as callers give and read them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::currency::{MAX_AMOUNT, exponent};
use crate::error::StoreError;
use crate::image::{ProductImage, is_sha256};

/// Maximum length of an id, a category, a brand, a group or an attribute's name in bytes.
const MAX_NAME: usize = 256;
/// Maximum length of a name or an attribute's text in bytes.
const MAX_TEXT: usize = 16 << 10;
/// Maximum number of attributes, and of images, per product.
const MAX_ENTRIES: usize = 256;

/// An amount of money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Amount in the currency's minor unit.
    pub amount: u64,
    /// ISO 4217 code in capitals.
    pub currency: String,
}

/// Availability of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// It can be bought and is sent at once.
    InStock,
    /// It cannot be bought.
    OutOfStock,
    /// It can be ordered before its first sale.
    Preorder,
    /// It can be ordered and is sent later.
    Backorder,
}

impl Availability {
    /// Name in the database and in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InStock => "in_stock",
            Self::OutOfStock => "out_of_stock",
            Self::Preorder => "preorder",
            Self::Backorder => "backorder",
        }
    }

    /// Parses the name in any case, with spaces or underscores.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.trim().to_ascii_lowercase().replace([' ', '-'], "_");
        [Self::InStock, Self::OutOfStock, Self::Preorder, Self::Backorder]
            .into_iter()
            .find(|known| known.name() == name)
    }
}

/// Stock of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stock {
    /// Availability.
    pub availability: Availability,
    /// Number of pieces, if the shop gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<u64>,
}

impl Stock {
    /// Stock of `quantity` pieces, which is available if there is at least one.
    #[must_use]
    pub fn of(quantity: u64) -> Self {
        let availability = if quantity > 0 {
            Availability::InStock
        } else {
            Availability::OutOfStock
        };
        Self {
            availability,
            quantity: Some(quantity),
        }
    }
}

/// Value of an attribute. Its type is the JSON type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Attribute {
    /// A truth value.
    Bool(bool),
    /// A number.
    Number(serde_json::Number),
    /// A keyword or a text.
    Text(String),
    /// Several keywords.
    List(Vec<String>),
}

/// A product of a shop. Its JSON form is a line of an export.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Product {
    /// Id, which the shop chooses.
    pub id: String,
    /// Names by language tag, such as `en` or `zh`. There is at least one.
    #[serde(rename = "name")]
    pub names: BTreeMap<String, String>,
    /// Category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Brand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// Address of the product's page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Attributes by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Attribute>,
    /// Stock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock: Option<Stock>,
    /// Group of variants. Products of one group are variants of one another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Images, the main image first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ProductImage>,
}

/// A product with its version.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredProduct {
    /// The product.
    pub product: Product,
    /// Version. It grows with every change and is never used twice in a store.
    pub version: u64,
    /// Time of the last change in milliseconds since 1970.
    pub updated_at: i64,
}

impl Product {
    /// Checks all values.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] with the key of the first value that cannot be stored.
    pub fn check(&self) -> Result<(), StoreError> {
        check_name("id", &self.id)?;
        if self.names.is_empty() {
            return Err(StoreError::invalid("name", "is missing; give a name in one language"));
        }
        for (language, name) in &self.names {
            let is_tag = |c: char| c.is_ascii_alphanumeric() || c == '-';
            if language.is_empty() || language.len() > 35 || !language.chars().all(is_tag) {
                let message = format!("`{language}` is not a language tag such as en or zh-Hant");
                return Err(StoreError::invalid("name", message));
            }
            check_text(&format!("name.{language}"), name)?;
        }
        for (key, value) in [
            ("category", &self.category),
            ("brand", &self.brand),
            ("group", &self.group),
        ] {
            value.as_ref().map_or(Ok(()), |value| check_name(key, value))?;
        }
        if let Some(price) = &self.price {
            check_price(price)?;
        }
        if let Some(url) = &self.url {
            check_text("url", url)?;
            if !url.starts_with("https://") && !url.starts_with("http://") {
                return Err(StoreError::invalid(
                    "url",
                    format!("`{url}` does not begin with https://"),
                ));
            }
        }
        check_attributes(&self.attributes)?;
        check_images(&self.images)
    }

    /// SHA-256 of the product's canonical JSON form. Equal products have equal hashes.
    pub(crate) fn content_hash(&self) -> Result<[u8; 32], StoreError> {
        let text = serde_json::to_vec(self).map_err(|error| StoreError::invalid("product", error.to_string()))?;
        Ok(Sha256::digest(text).into())
    }
}

fn check_price(price: &Price) -> Result<(), StoreError> {
    if exponent(&price.currency).is_none() {
        let message = format!("`{}` is not a currency of ISO 4217, such as EUR", price.currency);
        return Err(StoreError::invalid("price.currency", message));
    }
    if price.amount > MAX_AMOUNT {
        let message = format!("{} is larger than {MAX_AMOUNT} minor units", price.amount);
        return Err(StoreError::invalid("price.amount", message));
    }
    Ok(())
}

fn check_attributes(attributes: &BTreeMap<String, Attribute>) -> Result<(), StoreError> {
    if attributes.len() > MAX_ENTRIES {
        return Err(StoreError::invalid(
            "attributes",
            format!("has more than {MAX_ENTRIES} entries"),
        ));
    }
    for (name, value) in attributes {
        check_name("attributes", name)?;
        let key = format!("attributes.{name}");
        match value {
            Attribute::Text(text) if text.len() > MAX_TEXT => {
                return Err(StoreError::invalid(key, format!("is longer than {MAX_TEXT} bytes")));
            }
            Attribute::List(list) if list.len() > MAX_ENTRIES => {
                return Err(StoreError::invalid(key, format!("has more than {MAX_ENTRIES} values")));
            }
            Attribute::List(list) => list.iter().try_for_each(|text| check_text(&key, text))?,
            _ => {}
        }
    }
    Ok(())
}

fn check_images(images: &[ProductImage]) -> Result<(), StoreError> {
    if images.len() > MAX_ENTRIES {
        return Err(StoreError::invalid(
            "images",
            format!("has more than {MAX_ENTRIES} entries"),
        ));
    }
    for image in images {
        check_text("images.source", &image.source)?;
        if !is_sha256(&image.sha256) {
            let message = format!(
                "`{}` is not a SHA-256 in 64 lower-case hexadecimal digits",
                image.sha256
            );
            return Err(StoreError::invalid("images.sha256", message));
        }
        if image.crop.is_some_and(|crop| crop.width == 0 || crop.height == 0) {
            return Err(StoreError::invalid(
                "images.crop",
                "is empty; give a width and a height of at least 1",
            ));
        }
    }
    Ok(())
}

/// Checks a short text that identifies something.
fn check_name(key: &str, text: &str) -> Result<(), StoreError> {
    let message = if text.trim().is_empty() {
        "is empty; give a text".to_owned()
    } else if text.trim() != text {
        format!("`{text}` begins or ends with a blank; remove it")
    } else if text.len() > MAX_NAME {
        format!("is longer than {MAX_NAME} bytes")
    } else if text.chars().any(char::is_control) {
        format!("`{}` has control characters; leave them out", text.escape_debug())
    } else {
        return Ok(());
    };
    Err(StoreError::invalid(key, message))
}

fn check_text(key: &str, text: &str) -> Result<(), StoreError> {
    if text.trim().is_empty() {
        return Err(StoreError::invalid(key, "is empty; give a text"));
    }
    if text.len() > MAX_TEXT {
        return Err(StoreError::invalid(key, format!("is longer than {MAX_TEXT} bytes")));
    }
    Ok(())
}
