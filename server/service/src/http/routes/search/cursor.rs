//! The cursor of the next page: the query, its options, and the last product.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::embedding::Embedding;

use crate::catalog::{After, Without};
use crate::http::error::ApiError;
use crate::http::signing::SigningKey;

/// Maximum length of a cursor.
const MAX_CURSOR: usize = 256 << 10;

/// Number of products after which there are no more pages. Every page searches the pages before it too.
pub(super) const MAX_SEEN: usize = 10_000;

/// Options that all pages share.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Options {
    pub(super) category: Option<String>,
    pub(super) filter: Option<Value>,
    pub(super) min_score: Option<f32>,
    #[serde(default)]
    pub(super) explain: bool,
    #[serde(default)]
    pub(super) group: bool,
    pub(super) without: Without,
}

/// Content of a cursor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// Number of the generation of embeddings.
    pub(super) generation: i64,
    /// Space of the query.
    pub(super) model_id: String,
    /// The query as little-endian f32 in Base64.
    values: String,
    pub(super) options: Options,
    pub(super) after: After,
}

impl Cursor {
    pub(super) fn new(generation: i64, query: &Embedding, options: Options, after: After) -> Self {
        let bytes: Vec<u8> = query.values().iter().flat_map(|value| value.to_le_bytes()).collect();
        Self {
            generation,
            model_id: query.space().to_owned(),
            values: URL_SAFE_NO_PAD.encode(bytes),
            options,
            after,
        }
    }

    /// The text form, with a signature.
    pub(super) fn encode(&self, key: &SigningKey) -> String {
        URL_SAFE_NO_PAD.encode(key.sign(&serde_json::to_vec(self).unwrap_or_default()))
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// If it is not a cursor, or was changed.
    pub(super) fn decode(text: &str, key: &SigningKey) -> Result<Self, ApiError> {
        let parsed = (text.len() <= MAX_CURSOR)
            .then(|| URL_SAFE_NO_PAD.decode(text).ok())
            .flatten()
            .and_then(|signed| serde_json::from_slice(key.check(&signed)?).ok());
        let is_possible = |cursor: &Self| cursor.after.score.is_finite() && cursor.after.seen <= MAX_SEEN;
        parsed.filter(is_possible).ok_or_else(not_a_cursor)
    }

    /// The query, which must have `dim` values.
    ///
    /// # Errors
    /// If it has another length or a value is not finite.
    pub(super) fn embedding(&self, dim: usize) -> Result<Embedding, ApiError> {
        let bytes = URL_SAFE_NO_PAD.decode(&self.values).map_err(|_| not_a_cursor())?;
        let (numbers, rest) = bytes.as_chunks::<4>();
        if numbers.len() != dim || !rest.is_empty() {
            return Err(not_a_cursor());
        }
        let values = numbers.iter().map(|four| f32::from_le_bytes(*four)).collect();
        Embedding::new(self.model_id.as_str(), values).map_err(|_| not_a_cursor())
    }
}

fn not_a_cursor() -> ApiError {
    ApiError::field(
        "cursor",
        "it is not a cursor of this server; send `next` of an answer unchanged",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let query = Embedding::new("m", vec![0.6, -0.8]).expect("the values are an embedding");
        let after = After {
            score: 0.1 + 0.2,
            id: "鞋".into(),
            seen: 3,
        };
        let cursor = Cursor::new(4, &query, Options::default(), after);
        let key = SigningKey::new("secret");
        let read = Cursor::decode(&cursor.encode(&key), &key).expect("it is a cursor");
        assert_eq!(read, cursor);
        assert_eq!(read.embedding(2).expect("it has two values"), query);
        assert!(read.embedding(3).is_err());
        let mut deep = cursor;
        for seen in [MAX_SEEN + 1, usize::MAX] {
            deep.after.seen = seen;
            assert!(Cursor::decode(&deep.encode(&key), &key).is_err(), "{seen}");
        }
        for text in ["", "x", "e30", &"A".repeat(MAX_CURSOR + 1)] {
            assert!(Cursor::decode(text, &key).is_err(), "{}", text.len());
        }
    }
}
