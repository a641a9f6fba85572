//! The JSON form of a search.

use axum::body::Bytes;
use shared::api::{EmbeddingInput, SearchRequest};
use tokio::sync::Semaphore;

use super::json::{Json, Value};
use super::limit;
use crate::http::error::ApiError;

/// The most numbers of an embedding that are read, many times what networks have.
const MAX_VALUES: usize = 16_384;

/// Bodies that are parsed at once.
static PARSERS: Semaphore = Semaphore::const_new(4);

/// Reads the body off the async threads, since the largest take milliseconds.
pub(super) async fn read(bytes: Bytes) -> Result<SearchRequest, ApiError> {
    let permit = PARSERS
        .acquire()
        .await
        .map_err(|closed| ApiError::Internal(closed.into()))?;
    let parsed = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        parse(&bytes)
    });
    parsed.await.map_err(|error| ApiError::Internal(error.into()))?
}

/// Reads the body; what is wrong within `embedding.values` has a code of its own.
fn parse(bytes: &[u8]) -> Result<SearchRequest, ApiError> {
    let mut json = Json::new(bytes);
    let (mut embedding, mut category, mut most) = (None, None, None);
    json.object("body", &["embedding", "category", "limit"], |json, key| {
        match key {
            "embedding" => embedding = Some(read_embedding(json)?),
            "category" => category = json.text("category")?,
            _ => {
                most = match json.value("limit")? {
                    Value::Null => None,
                    Value::Number(value) => Some(limit::check(value)?),
                    other => return Err(limit::refused(other.kind())),
                }
            }
        }
        Ok(())
    })?;
    json.end("body")?;
    Ok(SearchRequest {
        embedding: embedding.ok_or(ApiError::MissingField("embedding"))?,
        category,
        limit: most,
    })
}

fn read_embedding(json: &mut Json<'_>) -> Result<EmbeddingInput, ApiError> {
    let (mut model_id, mut values) = (None, None);
    json.object("embedding", &["model_id", "values"], |json, key| {
        match key {
            "model_id" => model_id = json.text("embedding.model_id")?,
            _ => values = Some(json.numbers("embedding.values", MAX_VALUES)?),
        }
        Ok(())
    })?;
    Ok(EmbeddingInput {
        model_id: model_id.ok_or(ApiError::MissingField("embedding.model_id"))?,
        values: values.ok_or(ApiError::MissingField("embedding.values"))?,
    })
}

#[cfg(test)]
mod tests {
    use shared::api::ProblemCode::{self, InvalidEmbedding, InvalidField, MissingField};

    use super::*;

    #[test]
    fn every_mistake_has_its_code_and_names_its_key() {
        let with = |values: &str| format!(r#"{{"embedding":{{"model_id":"m","values":{values}}},"limit":3}}"#);
        let limit = |limit: &str| with("[1]").replace(":3}", &format!(":{limit}}}"));
        let many = format!("[{}1]", "1,".repeat(MAX_VALUES));
        let deep = "[".repeat(100_000);
        let cases: Vec<(String, ProblemCode, &str)> = vec![
            (with("[1, NaN]"), InvalidEmbedding, "`embedding.values` has `NaN` at 1"),
            (with("[NaN]"), InvalidEmbedding, "at 0"),
            (with("[1, -Infinity]"), InvalidEmbedding, "`-Infinity`"),
            (with("[1,\n Infinity]"), InvalidEmbedding, "`Infinity`"),
            (with("[1, 1e999]"), InvalidEmbedding, "`1e999`"),
            (with("[1, 1e300]"), InvalidEmbedding, "too large"),
            (with("[1, null]"), InvalidEmbedding, "null at 1"),
            (with("[1, \"2\"]"), InvalidEmbedding, "a text at 1"),
            (with("[[1]]"), InvalidEmbedding, "a list at 0"),
            (with("\"1\""), InvalidEmbedding, "a text and not a list"),
            (with("{}"), InvalidEmbedding, "an object and not a list"),
            (with(&many), InvalidEmbedding, "more than 16384"),
            (with(&deep), InvalidEmbedding, "a list at 0"),
            (with("[1"), InvalidField, "`embedding.values`"),
            (with("[1 2]"), InvalidField, "comma"),
            (with("[1,]"), InvalidField, "no JSON value"),
            ("[]".into(), InvalidField, "it is a list; send an object"),
            ("".into(), InvalidField, "breaks off"),
            ("{".into(), InvalidField, "line 1, column 2"),
            ("{}".into(), MissingField, "`embedding`"),
            (r#"{"embedding":{}}"#.into(), MissingField, "`embedding.model_id`"),
            (
                r#"{"embedding":{"model_id":"m"}}"#.into(),
                MissingField,
                "`embedding.values`",
            ),
            (r#"{"embedding":[1]}"#.into(), InvalidField, "`embedding`: it is a list"),
            (
                r#"{"embedding":{"model_id":7}}"#.into(),
                InvalidField,
                "`embedding.model_id`: it is a number",
            ),
            (
                r#"{"embedding":{"colour":7}}"#.into(),
                InvalidField,
                "`embedding`: it has no key `colour`",
            ),
            (with("[1]").replace("limit", "limits"), InvalidField, "no key `limits`"),
            (
                with("[1]").replace(":3}", ":3,\"limit\":4}"),
                InvalidField,
                "`limit` comes twice",
            ),
            (
                with("[1]").replace(":3}", ":3,\"category\":[]}"),
                InvalidField,
                "`category`: it is a list",
            ),
            (with("[1]") + "x", InvalidField, "follows"),
            (limit("10.5"), InvalidField, "`limit`: 10.5 is not a whole number"),
            (limit("\"10\""), InvalidField, "`limit`: it is a text"),
            (limit("true"), InvalidField, "`limit`: it is true or false"),
            (limit("[10]"), InvalidField, "`limit`: it is a list"),
            (limit("0"), InvalidField, "`limit`: 0 is not"),
            (limit("-0"), InvalidField, "`limit`"),
            (limit("1e308"), InvalidField, "`limit`: 1e308 is"),
            (limit("1e400"), InvalidField, "`limit`: `1e400`"),
            (limit("18446744073709551616"), InvalidField, "from 1 to 50"),
            (limit("0x10"), InvalidField, "`limit`: `0x10`"),
            (limit("05"), InvalidField, "`limit`: `05`"),
            (limit(""), InvalidField, "`limit`"),
        ];
        for (body, code, words) in cases {
            let body_start: String = body.chars().take(90).collect();
            let error = parse(body.as_bytes()).expect_err(&body_start);
            let text = error.to_string();
            assert_eq!(error.code(), code, "{body_start}: {text}");
            assert!(text.contains(words), "{body_start}: '{text}' does not say '{words}'");
            assert!(!text.contains("expected") && text.len() < 300, "{text}");
        }
        for (body, limit) in [
            (limit("10.0"), Some(10)),
            (limit("1e1"), Some(10)),
            (limit("null"), None),
        ] {
            assert_eq!(parse(body.as_bytes()).expect("valid").limit, limit, "{body}");
        }
        let escaped = with("[1, 2.5, -3e-2]").replace("limit", "l\\u0069mit");
        let request = parse(escaped.as_bytes()).expect("valid");
        assert_eq!(
            (request.embedding.values, request.limit),
            (vec![1.0, 2.5, -0.03], Some(3))
        );
    }
}
