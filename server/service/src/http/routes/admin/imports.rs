//! `POST /api/v1/admin/imports`: products from a file.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use axum::extract::{Query, Request, State};
use axum::response::Response;
use serde::Deserialize;
use shared::api::{Problem, Task};
use store::{Encoding, Format, ImportOptions, Mode};

use super::access::{accepted, admitted};
use super::incoming;
use crate::http::admin::{Job, RequestKey, key_of};
use crate::http::app::App;
use crate::http::body;
use crate::http::error::ApiError;

/// Options of an import, in the query of the address.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportQuery {
    /// `ndjson`, `csv`, `google` or `shopify`.
    format: String,
    /// `auto`, `utf8` or `gb18030`.
    encoding: Option<String>,
    /// `true` keeps values that a row does not give.
    #[serde(default)]
    merge: bool,
    /// `true` changes nothing and reports what would change.
    #[serde(default)]
    dry_run: bool,
    /// Largest share of rows, and of photos, that may fail, 0 to 1. The default is 0.01.
    max_errors: Option<f64>,
    /// Language of names that give none. The default is `en`.
    language: Option<String>,
    /// Currency of prices that give none.
    currency: Option<String>,
    /// Fields of columns, such as `货号=id,名称=name`.
    columns: Option<String>,
    /// Categories of texts, such as `Sneakers=shoes,Hats=other`.
    categories: Option<String>,
}

impl ImportQuery {
    fn options(self, file: &Path) -> Result<ImportOptions, ApiError> {
        let format = match self.format.as_str() {
            "ndjson" => Format::Ndjson,
            "csv" => Format::Csv,
            "google" => Format::Google,
            "shopify" => Format::Shopify,
            other => {
                let reason = format!("`{other}` is not ndjson, csv, google or shopify");
                return Err(ApiError::field("format", reason));
            }
        };
        let encoding = match self.encoding.as_deref() {
            None | Some("auto") => Encoding::Auto,
            Some("utf8") => Encoding::Utf8,
            Some("gb18030") => Encoding::Gb18030,
            Some(other) => {
                let reason = format!("`{other}` is not auto, utf8 or gb18030");
                return Err(ApiError::field("encoding", reason));
            }
        };
        let defaults = ImportOptions::new(file, format);
        let max_errors = self.max_errors.unwrap_or(defaults.max_errors);
        if !(0.0..=1.0).contains(&max_errors) {
            return Err(ApiError::field(
                "max_errors",
                format!("{max_errors} is not between 0 and 1"),
            ));
        }
        Ok(ImportOptions {
            encoding,
            mode: if self.merge { Mode::Merge } else { Mode::Replace },
            dry_run: self.dry_run,
            max_errors,
            language: self.language.unwrap_or_else(|| defaults.language.clone()),
            currency: self.currency,
            mapping: pairs("columns", self.columns.as_deref())?,
            category_map: pairs("categories", self.categories.as_deref())?,
            ..defaults
        })
    }
}

/// Parses `a=b,c=d`.
fn pairs(field: &str, text: Option<&str>) -> Result<BTreeMap<String, String>, ApiError> {
    let parts = text
        .unwrap_or_default()
        .split(',')
        .filter(|part| !part.trim().is_empty());
    parts
        .map(|part| match part.rsplit_once('=') {
            Some((from, to)) => Ok((from.trim().to_owned(), to.trim().to_owned())),
            None => Err(ApiError::field(field, format!("`{part}` has no `=`"))),
        })
        .collect()
}

/// Imports products from a file, the body. The answer names a task, whose result has the numbers and the faults. An import of the
/// same file changes nothing, and it continues one that was interrupted.
#[utoipa::path(
    post,
    path = "/api/v1/admin/imports",
    tag = "admin",
    params(
        ImportQuery,
        ("Idempotency-Key" = Option<String>, Header, description = "Name of the request. The same request with the same name within a day gets the same task"),
    ),
    request_body(content = String, content_type = "application/octet-stream"),
    responses(
        (status = 202, description = "The task", body = Task),
        (status = 400, description = "invalid_field or empty_body", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "unauthorized", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "payload_too_large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "key_reused", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn import(
    State(app): State<Arc<App>>,
    Query(query): Query<ImportQuery>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = admitted(&app, request)?;
    let options = match key_of(&parts).and_then(|_| query.options(Path::new("body"))) {
        Ok(options) => options,
        Err(error) => {
            body::discard(body);
            return Err(error);
        }
    };
    let received = incoming::receive(&app, &parts, body).await?;
    let key = RequestKey::of(&parts, received.sha256())?;
    let options = ImportOptions {
        file: received.into_path(),
        ..options
    };
    accepted(&app, Job::Import(Box::new(options)), key)
}
