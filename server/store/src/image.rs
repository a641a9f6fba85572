//! Images of products and their keys.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::StoreError;

/// Part of an image in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crop {
    /// Left edge.
    pub x: u32,
    /// Upper edge.
    pub y: u32,
    /// Width, at least 1.
    pub width: u32,
    /// Height, at least 1.
    pub height: u32,
}

/// Identity of an embedded image: the SHA-256 of the file's bytes, and the crop box if there is one.
///
/// The text form is `<64 hexadecimal digits>` or `<64 hexadecimal digits>@x,y,width,height`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageKey(String);

impl ImageKey {
    /// Key of the image with these bytes.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(hex(&Sha256::digest(bytes)))
    }

    /// The text form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the file in hexadecimal digits.
    #[must_use]
    pub fn sha256(&self) -> &str {
        self.0.split('@').next().unwrap_or_default()
    }

    /// The crop box.
    #[must_use]
    pub fn crop(&self) -> Option<Crop> {
        let (_, text) = self.0.split_once('@')?;
        let mut numbers = text.split(',').map(|part| part.parse().ok());
        let mut next = || numbers.next().flatten();
        Some(Crop {
            x: next()?,
            y: next()?,
            width: next()?,
            height: next()?,
        })
    }
}

impl fmt::Display for ImageKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl FromStr for ImageKey {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let key = Self(text.to_owned());
        let is_hash = is_sha256(key.sha256());
        if is_hash && (!text.contains('@') || key.crop().is_some()) {
            Ok(key)
        } else {
            Err(StoreError::invalid("sha256", format!("`{text}` is not an image key")))
        }
    }
}

/// An image of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductImage {
    /// Path or address that the shop gave.
    pub source: String,
    /// SHA-256 of the file's bytes in lower-case hexadecimal digits.
    pub sha256: String,
    /// Crop box of the product. The whole image if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop: Option<Crop>,
    /// Width in pixels, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Height in pixels, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
}

impl ProductImage {
    /// An image without crop box and of unknown size.
    #[must_use]
    pub fn new(source: impl Into<String>, sha256: impl Into<String>) -> Self {
        Self {
            source: source.into(),
            sha256: sha256.into(),
            crop: None,
            width: None,
            height: None,
        }
    }

    /// Key of its embedding.
    #[must_use]
    pub fn key(&self) -> ImageKey {
        ImageKey(match self.crop {
            None => self.sha256.clone(),
            Some(Crop { x, y, width, height }) => format!("{}@{x},{y},{width},{height}", self.sha256),
        })
    }
}

/// True if the text is a SHA-256 in lower-case hexadecimal digits.
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Bytes in lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
