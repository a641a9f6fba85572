//! The JSON body of a search by embedding.

use axum::body::Bytes;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use shared::api::{EmbeddingInput, Example, SearchRequest};
use tokio::sync::Semaphore;

use super::json::{Json, Value, shown};
use super::limit;
use crate::http::blocking::blocking;
use crate::http::error::ApiError;

/// Maximum dimension of an embedding, many times that of any network.
const MAX_VALUES: usize = 16_384;

/// Maximum number of examples that are read.
pub(super) const MAX_EXAMPLES: usize = 16;

/// Permits for parsing, so that few bodies are parsed at once.
static PARSERS: Semaphore = Semaphore::const_new(4);

/// Parses the body off the async threads, because the largest take milliseconds.
///
/// # Errors
/// If the body is not the JSON of a search.
pub(super) async fn read(bytes: Bytes) -> Result<SearchRequest, ApiError> {
    let permit = PARSERS
        .acquire()
        .await
        .map_err(|closed| ApiError::Internal(closed.into()))?;
    let parsed = blocking(move || {
        let _permit = permit;
        parse(&bytes)
    });
    parsed.await?
}

/// Keys of the body.
const KEYS: [&str; 11] = [
    "embedding",
    "product",
    "examples",
    "cursor",
    "category",
    "limit",
    "filter",
    "facets",
    "min_score",
    "explain",
    "group",
];

/// Parses the body. A fault in `embedding.values` has its own code.
fn parse(bytes: &[u8]) -> Result<SearchRequest, ApiError> {
    let mut json = Json::new(bytes);
    let mut request = SearchRequest::default();
    json.object("body", &KEYS, |json, key| {
        match key {
            "embedding" => request.embedding = Some(read_embedding(json, "embedding")?),
            "product" => request.product = json.text("product")?,
            "examples" => request.examples = Some(read_examples(json)?),
            "cursor" => request.cursor = json.text("cursor")?,
            "category" => request.category = json.text("category")?,
            "filter" => request.filter = json.tree("filter")?,
            "facets" => request.facets = json.tree("facets")?,
            "min_score" => request.min_score = score(json)?,
            "explain" => request.explain = flag(json, "explain")?,
            "group" => request.group = flag(json, "group")?,
            _ => {
                request.limit = match json.value("limit")? {
                    Value::Null => None,
                    Value::Number(value) => Some(limit::check(value)?),
                    other => return Err(limit::refused(other.kind())),
                }
            }
        }
        Ok(())
    })?;
    json.end("body")?;
    Ok(request)
}

/// Reads the truth value `name`.
pub(super) fn flag(json: &mut Json<'_>, name: &str) -> Result<Option<bool>, ApiError> {
    match json.tree(name)? {
        None => Ok(None),
        Some(serde_json::Value::Bool(flag)) => Ok(Some(flag)),
        Some(_) => Err(ApiError::field(name, "it is not true or false")),
    }
}

/// Reads `min_score`.
pub(super) fn score(json: &mut Json<'_>) -> Result<Option<f32>, ApiError> {
    match json.value("min_score")? {
        Value::Null => Ok(None),
        Value::Number(value) if (-1.0..=1.0).contains(&value) => Ok(Some(value as f32)),
        Value::Number(value) => Err(ApiError::field(
            "min_score",
            format!("{} is not between -1 and 1", shown(value)),
        )),
        other => Err(ApiError::field(
            "min_score",
            format!("it is {}; send a number from -1 to 1", other.kind()),
        )),
    }
}

fn read_examples(json: &mut Json<'_>) -> Result<Vec<Example>, ApiError> {
    let mut examples = Vec::new();
    json.list("examples", MAX_EXAMPLES, |json, at| {
        let name = format!("examples[{at}]");
        let mut example = Example {
            product: None,
            embedding: None,
            weight: None,
        };
        json.object(&name, &["product", "embedding", "weight"], |json, key| {
            match key {
                "product" => example.product = json.text(&format!("{name}.product"))?,
                "embedding" => example.embedding = Some(read_embedding(json, &format!("{name}.embedding"))?),
                _ => {
                    example.weight = match json.value(&format!("{name}.weight"))? {
                        Value::Null => None,
                        Value::Number(value) => Some(value as f32),
                        other => {
                            let reason = format!("it is {}; send a number", other.kind());
                            return Err(ApiError::field(format!("{name}.weight"), reason));
                        }
                    }
                }
            }
            Ok(())
        })?;
        examples.push(example);
        Ok(())
    })?;
    Ok(examples)
}

/// Reads an embedding. `int8` is decoded into `values`.
fn read_embedding(json: &mut Json<'_>, name: &str) -> Result<EmbeddingInput, ApiError> {
    let (mut model_id, mut values, mut int8) = (None, None, None);
    json.object(name, &["model_id", "values", "int8"], |json, key| {
        match key {
            "model_id" => model_id = json.text(&format!("{name}.model_id"))?,
            "values" => values = Some(json.numbers(&format!("{name}.values"), MAX_VALUES)?),
            _ => int8 = json.text(&format!("{name}.int8"))?,
        }
        Ok(())
    })?;
    let model_id = model_id.ok_or(ApiError::MissingField("embedding.model_id"))?;
    let values = match (values, int8) {
        (Some(_), Some(_)) => return Err(ApiError::field(name, "it has `values` and `int8`; send one of them")),
        (None, Some(int8)) => from_int8(&int8, name)?,
        (values, None) => values.ok_or(ApiError::MissingField("embedding.values"))?,
    };
    Ok(EmbeddingInput {
        model_id,
        values,
        int8: None,
    })
}

/// Decodes the Base64 of an embedding's values as int8.
fn from_int8(int8: &str, name: &str) -> Result<Vec<f32>, ApiError> {
    let refused = |reason: String| ApiError::UnreadableEmbedding(format!("`{name}.int8` {reason}"));
    let bytes = STANDARD
        .decode(int8)
        .map_err(|error| refused(format!("is not Base64 ({error})")))?;
    if bytes.len() > MAX_VALUES {
        return Err(refused(format!("has more than {MAX_VALUES} numbers")));
    }
    Ok(bytes.into_iter().map(|byte| f32::from(byte.cast_signed())).collect())
}

#[cfg(test)]
mod tests {
    use shared::api::ProblemCode::{self, InvalidEmbedding, InvalidField, MissingField};

    use super::*;

    /// A body with the text `values` as the embedding's values.
    fn with_values(values: &str) -> String {
        format!(r#"{{"embedding":{{"model_id":"m","values":{values}}},"limit":3}}"#)
    }

    /// A body with the text `limit` as the limit.
    fn with_limit(limit: &str) -> String {
        with_values("[1]").replace(":3}", &format!(":{limit}}}"))
    }

    /// Parses a body that must be refused with `code` and `words`.
    #[track_caller]
    fn assert_refused(body: &str, code: ProblemCode, words: &str) {
        let start: String = body.chars().take(90).collect();
        let error = parse(body.as_bytes()).expect_err(&start);
        let text = error.to_string();
        assert_eq!(error.code(), code, "{start}: {text}");
        assert!(text.contains(words), "{start}: '{text}' does not say '{words}'");
        assert!(!text.contains("expected") && text.len() < 300, "{text}");
    }

    #[test]
    fn invalid_values_are_refused_by_position() {
        for (values, words) in [
            ("[1, NaN]", "`embedding.values` has `NaN` at 1"),
            ("[NaN]", "at 0"),
            ("[1, -Infinity]", "`-Infinity`"),
            ("[1,\n Infinity]", "`Infinity`"),
            ("[1, 1e999]", "`1e999`"),
            ("[1, 1e300]", "too large"),
            ("[1, null]", "null at 1"),
            ("[1, \"2\"]", "a text at 1"),
            ("[[1]]", "a list at 0"),
            ("\"1\"", "a text, not a list"),
            ("{}", "an object, not a list"),
            (&format!("[{}1]", "1,".repeat(MAX_VALUES)), "more than 16384"),
            (&"[".repeat(100_000), "a list at 0"),
        ] {
            assert_refused(&with_values(values), InvalidEmbedding, words);
        }
    }

    #[test]
    fn invalid_json_and_keys_are_refused_by_key() {
        let body = || with_values("[1]");
        for (body, code, words) in [
            (with_values("[1"), InvalidField, "`embedding.values`"),
            (with_values("[1 2]"), InvalidField, "comma"),
            (with_values("[1,]"), InvalidField, "not a JSON value"),
            ("[]".into(), InvalidField, "it is a list; send an object"),
            ("".into(), InvalidField, "incomplete"),
            ("{".into(), InvalidField, "line 1, column 2"),
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
            (body().replace("limit", "limits"), InvalidField, "no key `limits`"),
            (
                body().replace(":3}", ":3,\"limit\":4}"),
                InvalidField,
                "`limit` occurs twice",
            ),
            (
                body().replace(":3}", ":3,\"category\":[]}"),
                InvalidField,
                "`category`: it is a list",
            ),
            (body() + "x", InvalidField, "follows"),
        ] {
            assert_refused(&body, code, words);
        }
    }

    #[test]
    fn a_limit_must_be_a_whole_number() {
        for (limit, words) in [
            ("10.5", "`limit`: 10.5 is not a whole number"),
            ("\"10\"", "`limit`: it is a text"),
            ("true", "`limit`: it is true or false"),
            ("[10]", "`limit`: it is a list"),
            ("0", "`limit`: 0 is not"),
            ("-0", "`limit`"),
            ("1e308", "`limit`: 1e308 is"),
            ("1e400", "`limit`: `1e400`"),
            ("18446744073709551616", "from 1 to 50"),
            ("0x10", "`limit`: `0x10`"),
            ("05", "`limit`: `05`"),
            ("", "`limit`"),
        ] {
            assert_refused(&with_limit(limit), InvalidField, words);
        }
        for (limit, expected) in [("10.0", Some(10)), ("1e1", Some(10)), ("null", None)] {
            let request = parse(with_limit(limit).as_bytes()).expect("the body is valid");
            assert_eq!(request.limit, expected, "{limit}");
        }
    }

    #[test]
    fn int8_values_are_read() {
        let with = |rest: &str| format!(r#"{{"embedding":{{"model_id":"m",{rest}}}}}"#);
        let request = parse(with(r#""int8":"AH+B/w==""#).as_bytes()).expect("the body is valid");
        let values = request.embedding.map(|embedding| embedding.values);
        assert_eq!(values, Some(vec![0.0, 127.0, -127.0, -1.0]));
        for (rest, code, words) in [
            (r#""int8":"AH+B/w""#, InvalidEmbedding, "`embedding.int8` is not Base64"),
            (r#""int8":"?""#, InvalidEmbedding, "`embedding.int8` is not Base64"),
            (r#""int8":[1]"#, InvalidField, "`embedding.int8`: it is a list"),
            (r#""int8":"AH+B","values":[1]"#, InvalidField, "`values` and `int8`"),
        ] {
            assert_refused(&with(rest), code, words);
        }
        let long = STANDARD.encode(vec![1; MAX_VALUES + 1]);
        assert_refused(
            &with(&format!(r#""int8":"{long}""#)),
            InvalidEmbedding,
            "more than 16384",
        );
    }

    #[test]
    fn escaped_keys_are_read() {
        let body = with_values("[1, 2.5, -3e-2]").replace("limit", "l\\u0069mit");
        let request = parse(body.as_bytes()).expect("the body is valid");
        assert_eq!(
            (request.embedding.map(|embedding| embedding.values), request.limit),
            (Some(vec![1.0, 2.5, -0.03]), Some(3))
        );
    }
}
