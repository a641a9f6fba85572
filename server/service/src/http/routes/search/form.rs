//! The form of a search by photo.

use axum::body::{Body, Bytes};
use axum::extract::multipart::Field;
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use shared::input::CropBox;

use super::{crop, limit};
use crate::http::error::ApiError;
use dataset::Crop;

/// The longest text of a field that is no file.
const MAX_TEXT: usize = 1024;

/// The part of the picture to search for, as described to clients.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum CropField {
    /// A box given.
    Given(CropBox),
    /// The word `auto`: a box around what stands out, where something does.
    Word(String),
}

/// How the form is described to clients.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct SearchForm {
    /// A JPEG, PNG, WebP, GIF or BMP file of at most 40 megapixels; its EXIF orientation is applied.
    #[schema(value_type = String, format = Binary)]
    image: Vec<u8>,
    /// A JSON object, the part of the upright picture to search for, in pixels; or `auto` for a box that is proposed; all of
    /// it when absent. The answer says which box was used.
    #[schema(value_type = Option<CropField>)]
    crop: Option<CropBox>,
    /// Only products of this category: tops, shoes, bags or other.
    category: Option<String>,
    /// The most hits wanted, 1 to 50; 10 when absent.
    #[schema(minimum = 1, maximum = 50)]
    limit: Option<usize>,
}

/// The form as read.
pub(super) struct Form {
    /// The file as sent.
    pub(super) image: Bytes,
    /// The part of it to search for.
    pub(super) crop: Crop,
    /// The category's id, not yet checked.
    pub(super) category: Option<String>,
    /// The limit, not yet checked.
    pub(super) limit: Option<usize>,
}

/// Reads a complete body as a form. Every field comes at most once, and no other.
pub(super) async fn read(headers: &HeaderMap, bytes: Bytes) -> Result<Form, ApiError> {
    let mut request = Request::new(Body::from(bytes));
    if let Some(kind) = headers.get(CONTENT_TYPE) {
        request.headers_mut().insert(CONTENT_TYPE, kind.clone());
    }
    // The body is here, and was measured.
    DefaultBodyLimit::disable().apply(&mut request);
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    if boundary(kind).is_none() {
        let why = "the boundary is missing from multipart/form-data; let your HTTP library write this header";
        return Err(ApiError::field("Content-Type", why));
    }
    let mut fields = Multipart::from_request(request, &()).await.map_err(|_| broken())?;

    let (mut image, mut part, mut category, mut most) = (None, None, None, None);
    while let Some(field) = fields.next_field().await.map_err(|_| broken())? {
        let name = field.name().unwrap_or_default().to_owned();
        match name.as_str() {
            "image" => once(&mut image, &name, field.bytes().await.map_err(|_| broken())?)?,
            "crop" => {
                if let Some(text) = text(field).await? {
                    once(&mut part, &name, crop::read(&text)?)?;
                }
            }
            "category" => {
                if let Some(text) = text(field).await? {
                    once(&mut category, &name, text)?;
                }
            }
            "limit" => {
                if let Some(text) = text(field).await? {
                    let value = text.parse().map_err(|_| limit::refused("a text"))?;
                    once(&mut most, &name, limit::check(value)?)?;
                }
            }
            "" => {
                return Err(ApiError::field(
                    "form",
                    "a part has no name; image, crop, category and limit are the names",
                ));
            }
            _ => {
                let short: String = name.chars().take(40).collect();
                return Err(ApiError::field(
                    short,
                    "there is no such field; send image, crop, category or limit",
                ));
            }
        }
    }
    let image = image.ok_or(ApiError::MissingField("image"))?;
    Ok(Form {
        image,
        crop: part.unwrap_or_default(),
        category,
        limit: most,
    })
}

fn once<T>(slot: &mut Option<T>, name: &str, value: T) -> Result<(), ApiError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(ApiError::field(name, "it comes twice; send it once")),
    }
}

/// A field's text; nothing when it is empty, as browsers send fields that were not filled in.
async fn text(field: Field<'_>) -> Result<Option<String>, ApiError> {
    let name = field.name().unwrap_or_default().to_owned();
    let bytes = field.bytes().await.map_err(|_| broken())?;
    if bytes.len() > MAX_TEXT {
        return Err(ApiError::field(name, format!("it is longer than {MAX_TEXT} bytes")));
    }
    let text = str::from_utf8(&bytes)
        .map_err(|_| ApiError::field(name, "it is no UTF-8 text"))?
        .trim();
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// The boundary that a content type names.
fn boundary(kind: &str) -> Option<&str> {
    kind.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (name.trim().eq_ignore_ascii_case("boundary") && !value.is_empty()).then_some(value)
    })
}

fn broken() -> ApiError {
    let why = "it breaks off, or its parts are not separated by the boundary that Content-Type names; let your HTTP library \
               write form and header";
    ApiError::field("form", why)
}
