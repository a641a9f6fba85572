//! The JSON form of a search.

use serde_json::Value;
use shared::api::SearchRequest;

use crate::http::error::ApiError;

/// Reads the body; what is wrong within `embedding.values` has a code of its own.
pub(super) fn read(bytes: &[u8]) -> Result<SearchRequest, ApiError> {
    let body: Value = serde_json::from_slice(bytes).map_err(|error| unreadable(bytes, &error))?;
    if !body.is_object() {
        return Err(ApiError::field("body", "it is no JSON object"));
    }
    let embedding = body.get("embedding").ok_or(ApiError::MissingField("embedding"))?;
    embedding.get("model_id").ok_or(ApiError::MissingField("embedding.model_id"))?;
    let values = embedding.get("values").ok_or(ApiError::MissingField("embedding.values"))?;
    // JavaScript writes NaN and infinity as null.
    let finite = |value: &Value| value.as_f64().is_some_and(|value| (value as f32).is_finite());
    let values = values.as_array().ok_or_else(|| ApiError::UnreadableEmbedding("it is no list".into()))?;
    if let Some(at) = values.iter().position(|value| !finite(value)) {
        return Err(ApiError::UnreadableEmbedding(format!("value {at} is none")));
    }
    serde_json::from_value(body).map_err(|error| ApiError::field("body", error))
}

/// Some clients write the words NaN and Infinity, which JSON does not have, or numbers that no float holds.
fn unreadable(bytes: &[u8], error: &serde_json::Error) -> ApiError {
    let line = bytes.split(|&byte| byte == b'\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let at = error.column().saturating_sub(1).min(line.len());
    let near = &line[at.saturating_sub(1)..];
    let word = |word: &[u8]| near.starts_with(word) || near.get(1..).is_some_and(|near| near.starts_with(word));
    if error.to_string().starts_with("number out of range") || word(b"NaN") || word(b"Infinity") {
        return ApiError::UnreadableEmbedding(error.to_string());
    }
    ApiError::field("body", format!("it is no JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use shared::api::ProblemCode::{self, InvalidEmbedding, InvalidField, MissingField};

    use super::*;

    #[test]
    fn every_mistake_has_its_code() {
        let with = |values: &str| format!(r#"{{"embedding":{{"model_id":"m","values":{values}}},"limit":3}}"#);
        let cases: [(String, ProblemCode); 13] = [
            (with("[1, NaN]"), InvalidEmbedding),
            (with("[NaN]"), InvalidEmbedding),
            (with("[1, -Infinity]"), InvalidEmbedding),
            (with("[1,\n Infinity]"), InvalidEmbedding),
            (with("[1, 1e999]"), InvalidEmbedding),
            (with("[1, 1e300]"), InvalidEmbedding),
            (with("[1, null]"), InvalidEmbedding),
            (with("\"1\""), InvalidEmbedding),
            (with("[1"), InvalidField),
            ("[]".into(), InvalidField),
            ("{}".into(), MissingField),
            (r#"{"embedding":{"model_id":"m"}}"#.into(), MissingField),
            (with("[1]").replace("limit", "limits"), InvalidField),
        ];
        for (body, expected) in cases {
            let error = read(body.as_bytes()).expect_err(&body);
            assert_eq!(error.code(), expected, "{body}");
        }
        assert_eq!(read(with("[1, 2.5]").as_bytes()).expect("valid").embedding.values, [1.0, 2.5]);
    }
}
