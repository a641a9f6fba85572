//! `/api/v1/admin/products/{id}`: one product.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use shared::api::Problem;
use store::{Effect, Expected, ImageSource as _, Product, ProductPatch, Store, StoreError};

use super::access::{admitted, check};
use crate::catalog::PhotoFiles;
use crate::http::app::App;
use crate::http::body;
use crate::http::error::ApiError;

/// Maximum bytes of a product.
const MAX_PRODUCT: usize = 1 << 20;

/// A product as the shop gave it. Its version is the ETag.
#[utoipa::path(
    get,
    path = "/api/v1/admin/products/{id}",
    tag = "admin",
    params(("id" = String, Path, description = "Id of the product")),
    responses(
        (status = 200, description = "The product, as a line of an export", body = Value),
        (status = 401, description = "unauthorized", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "unknown_product", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    check(&app, &headers)?;
    let wanted = id.clone();
    let stored = app.with_store(move |store| store.product(&wanted)).await?;
    let stored = stored.ok_or(ApiError::UnknownProduct(id))?;
    Ok(([(ETAG, etag(stored.version))], Json(stored.product)).into_response())
}

/// Adds or replaces a product. Its images are `{"source": PATH}` below the folder of photos, or uploaded before. Photos that the
/// catalog has are not embedded again.
#[utoipa::path(
    put,
    path = "/api/v1/admin/products/{id}",
    tag = "admin",
    params(
        ("id" = String, Path, description = "Id of the product"),
        ("If-Match" = Option<String>, Header, description = "Version that the product must have, or `*`: the product must exist"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: the product must be new"),
    ),
    request_body = Value,
    responses(
        (status = 200, description = "The product had these values, or has them now", body = Value),
        (status = 201, description = "The product is new", body = Value),
        (status = 400, description = "invalid_field or empty_body", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "unauthorized", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "version_conflict", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let (headers, mut value) = read(&app, request).await?;
    let expected = Precondition::of(&headers)?;
    if let Some(object) = value.as_object_mut() {
        match object.get("id") {
            None => {
                object.insert("id".to_owned(), id.into());
            }
            Some(Value::String(given)) if *given == id => {}
            Some(_) => return Err(ApiError::field("id", "it is not the id in the path; leave it out")),
        }
    }
    let files = app.catalog.photo_files()?;
    let stored = app.with_store(move |store| {
        hash_images(&files, &mut value)?;
        let product: Product = serde_json::from_value(value).map_err(|error| invalid("product", &error.to_string()))?;
        expected.change(store, &product.id, |expected| store.upsert(&product, expected))
    });
    let (version, effect) = stored.await?;
    app.catalog.wake().ring();
    let status = if effect == Effect::Created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, answer(version, effect)).into_response())
}

/// Changes the price or the stock of a product. `null` deletes it. No photo is embedded again.
#[utoipa::path(
    patch,
    path = "/api/v1/admin/products/{id}",
    tag = "admin",
    params(
        ("id" = String, Path, description = "Id of the product"),
        ("If-Match" = Option<String>, Header, description = "Version that the product must have, or `*`: the product must exist"),
    ),
    request_body = Value,
    responses(
        (status = 200, description = "The product has these values", body = Value),
        (status = 400, description = "invalid_field or empty_body", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "unauthorized", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "unknown_product", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "version_conflict", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn patch(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let (headers, value) = read(&app, request).await?;
    let expected = Precondition::of(&headers)?;
    let Value::Object(object) = value else {
        return Err(ApiError::field(
            "body",
            "it is not an object; send price, stock or both",
        ));
    };
    let mut patch = ProductPatch::default();
    for (key, value) in object {
        let wrong = |error: serde_json::Error| ApiError::field(key.as_str(), error);
        match key.as_str() {
            "price" => patch.price = Some(serde_json::from_value(value).map_err(wrong)?),
            "stock" => patch.stock = Some(serde_json::from_value(value).map_err(wrong)?),
            _ => {
                return Err(ApiError::field(
                    key,
                    "only price and stock can be changed here; send the whole product with PUT",
                ));
            }
        }
    }
    let stored =
        app.with_store(move |store| expected.change(store, &id, |expected| store.patch(&id, &patch, expected)));
    let (version, effect) = stored.await?;
    app.catalog.wake().ring();
    Ok(answer(version, effect).into_response())
}

/// Deletes a product. It is gone from all answers at once.
#[utoipa::path(
    delete,
    path = "/api/v1/admin/products/{id}",
    tag = "admin",
    params(
        ("id" = String, Path, description = "Id of the product"),
        ("If-Match" = Option<String>, Header, description = "Version that the product must have, or `*`: the product must exist"),
    ),
    responses(
        (status = 204, description = "The product is gone"),
        (status = 401, description = "unauthorized", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "unknown_product", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "version_conflict", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    check(&app, &headers)?;
    let expected = Precondition::of(&headers)?;
    app.with_store(move |store| expected.change(store, &id, |expected| store.delete(&id, expected)))
        .await?;
    app.catalog.wake().ring();
    Ok(StatusCode::NO_CONTENT)
}

/// Reads a JSON body.
async fn read(app: &App, request: Request) -> Result<(HeaderMap, Value), ApiError> {
    let (parts, body) = admitted(app, request)?;
    let (bytes, _memory) = body::read(&app.admission, app.pace, &parts, body, MAX_PRODUCT).await?;
    let value =
        serde_json::from_slice(&bytes).map_err(|error| ApiError::field("body", format!("it is not JSON: {error}")))?;
    Ok((parts.headers, value))
}

/// Gives every image its checksum and size.
fn hash_images(files: &PhotoFiles, product: &mut Value) -> Result<(), StoreError> {
    let Some(images) = product.get_mut("images").and_then(Value::as_array_mut) else {
        return Ok(());
    };
    for (at, image) in images.iter_mut().enumerate() {
        let key = format!("images[{at}]");
        if let Some(source) = image.as_str() {
            *image = json!({ "source": source });
        }
        let source = image.get("source").and_then(Value::as_str);
        let source =
            source.ok_or_else(|| invalid(&format!("{key}.source"), "is missing; give the path of the photo"))?;
        let given = image.get("sha256").and_then(Value::as_str);
        let file = files
            .read(source, given)
            .map_err(|fault| invalid(&key, &fault.message))?;
        image["sha256"] = file.sha256.into();
        image["width"] = file.width.into();
        image["height"] = file.height.into();
    }
    Ok(())
}

fn invalid(key: &str, message: &str) -> StoreError {
    StoreError::Invalid {
        key: key.to_owned(),
        message: message.to_owned(),
    }
}

/// Condition of a change in the headers of a request.
#[derive(Debug, Clone, Copy)]
enum Precondition {
    Expected(Expected),
    /// `If-Match: *`: the product exists.
    Exists,
}

impl Precondition {
    fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        if headers.get(IF_NONE_MATCH).is_some_and(|value| value == "*") {
            return Ok(Self::Expected(Expected::Absent));
        }
        let Some(tag) = headers.get(IF_MATCH) else {
            return Ok(Self::Expected(Expected::Any));
        };
        let tag = tag.to_str().map(str::trim).unwrap_or_default();
        if tag == "*" {
            return Ok(Self::Exists);
        }
        match tag.trim_matches('"').parse() {
            Ok(version) => Ok(Self::Expected(Expected::Version(version))),
            Err(_) => Err(ApiError::field(
                "If-Match",
                "it is neither a version nor `*`; send the ETag of the product",
            )),
        }
    }

    /// Makes a change of the product `id`.
    ///
    /// # Errors
    /// Those of `change`, and [`StoreError::Conflict`] if the product should exist.
    fn change<T>(
        self,
        store: &Store,
        id: &str,
        change: impl Fn(Expected) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if let Self::Expected(expected) = self {
            return change(expected);
        }
        loop {
            let version = store.product(id)?.map(|stored| stored.version);
            match (change(Expected::Version(version.unwrap_or_default())), version) {
                // Another request has changed the product since its version was read.
                (Err(StoreError::Conflict { .. }), Some(_)) => {}
                (Err(StoreError::Conflict { id, found, .. }), None) => {
                    let expected = "some version".to_owned();
                    return Err(StoreError::Conflict { id, expected, found });
                }
                (done, _) => return done,
            }
        }
    }
}

fn etag(version: u64) -> String {
    format!("\"{version}\"")
}

fn answer(version: u64, effect: Effect) -> impl IntoResponse {
    let effect = match effect {
        Effect::Created => "created",
        Effect::Changed => "changed",
        Effect::Unchanged => "unchanged",
    };
    (
        [(ETAG, etag(version))],
        Json(json!({ "version": version, "effect": effect })),
    )
}
