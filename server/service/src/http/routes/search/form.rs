//! The multipart forms of a photo: of a search by photo, and of a request that takes only a photo.

use axum::body::{Body, Bytes};
use axum::extract::multipart::Field;
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use shared::input::CropBox;

use serde_json::Value;

use super::embedding::{flag, score};
use super::json::Json;
use super::{crop, limit};
use crate::http::error::ApiError;
use dataset::Crop;

/// Maximum bytes of a form.
pub(crate) const MAX_FORM: usize = 12 << 20;
/// Maximum bytes of a text field.
const MAX_TEXT: usize = 1024;

/// Maximum bytes of the field `options`.
const MAX_OPTIONS: usize = 64 << 10;
/// Maximum number of photos.
const MAX_IMAGES: usize = 4;

/// Schema of the field `crop`.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum CropField {
    /// A crop box in the pixels of the upright photo.
    Given(CropBox),
    /// The word `auto`: a box around the salient part, if there is one.
    Word(String),
}

/// Schema of the form.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct SearchForm {
    /// The photo: a JPEG, PNG, WebP, GIF or BMP file of at most 40 megapixels. Its EXIF orientation is applied. Up to four
    /// photos of one thing can be sent, each in a part with this name. They are searched together.
    #[schema(value_type = String, format = Binary)]
    image: Vec<u8>,
    /// The part of the upright photo to search for: a box in pixels as a JSON object, or `auto` for a proposed box. Without
    /// this field the whole photo is used. The answer contains the box that was used.
    #[schema(value_type = Option<CropField>)]
    crop: Option<CropBox>,
    /// Only products of this category: tops, shoes, bags or other.
    category: Option<String>,
    /// Largest number of hits, 1 to 50. The default is 10.
    #[schema(minimum = 1, maximum = 50)]
    limit: Option<usize>,
    /// A JSON object with the keys `filter`, `facets`, `min_score`, `explain` and `group` of the JSON form.
    options: Option<String>,
}

/// Schema of a form with only a photo.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct PhotoForm {
    /// The photo: a JPEG, PNG, WebP, GIF or BMP file of at most 40 megapixels. Its EXIF orientation is applied.
    #[schema(value_type = String, format = Binary)]
    image: Vec<u8>,
}

/// A parsed form.
pub(super) struct Form {
    /// Files of photos, at least one.
    pub(super) images: Vec<Bytes>,
    /// The part of the photo to search for.
    pub(super) crop: Crop,
    /// Id of the category, not yet checked.
    pub(super) category: Option<String>,
    /// Maximum number of hits.
    pub(super) limit: Option<usize>,
    /// Further options.
    pub(super) options: FormOptions,
}

/// The field `options`.
#[derive(Debug, Default, PartialEq)]
pub(super) struct FormOptions {
    pub(super) filter: Option<Value>,
    pub(super) facets: Option<Value>,
    pub(super) min_score: Option<f32>,
    pub(super) explain: bool,
    pub(super) group: bool,
}

impl FormOptions {
    fn parse(text: &str) -> Result<Self, ApiError> {
        let mut json = Json::new(text.as_bytes());
        let mut options = Self::default();
        const KEYS: [&str; 5] = ["filter", "facets", "min_score", "explain", "group"];
        json.object("options", &KEYS, |json, key| {
            match key {
                "filter" => options.filter = json.tree("filter")?,
                "facets" => options.facets = json.tree("facets")?,
                "explain" => options.explain = flag(json, "explain")?.unwrap_or_default(),
                "group" => options.group = flag(json, "group")?.unwrap_or_default(),
                _ => options.min_score = score(json)?,
            }
            Ok(())
        })?;
        json.end("options")?;
        Ok(options)
    }
}

/// Parses a complete body as a form.
///
/// # Errors
/// If the form is incomplete, or a field is missing, unknown, repeated or invalid.
pub(super) async fn read(headers: &HeaderMap, bytes: Bytes) -> Result<Form, ApiError> {
    let mut fields = parts(headers, bytes).await?;

    let (mut images, mut part, mut category, mut limit, mut options) = (Vec::new(), None, None, None, None);
    while let Some(field) = fields.next_field().await.map_err(|_| broken())? {
        let name = field.name().unwrap_or_default().to_owned();
        match name.as_str() {
            "image" => images.push(field.bytes().await.map_err(|_| broken())?),
            "options" => {
                if let Some(text) = long_text(field, MAX_OPTIONS).await? {
                    once(&mut options, &name, FormOptions::parse(&text)?)?;
                }
            }
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
                    once(&mut limit, &name, limit::check(value)?)?;
                }
            }
            _ => return Err(unknown_field(&name)),
        }
    }
    match images.len() {
        0 => return Err(ApiError::MissingField("image")),
        1 => {}
        2..=MAX_IMAGES if part.is_none() => {}
        2..=MAX_IMAGES => {
            return Err(ApiError::field(
                "crop",
                "it belongs to one photo; send only one photo with it",
            ));
        }
        _ => {
            return Err(ApiError::field(
                "image",
                format!("it occurs more than {MAX_IMAGES} times; send fewer photos"),
            ));
        }
    }
    Ok(Form {
        images,
        crop: part.unwrap_or_default(),
        category,
        limit,
        options: options.unwrap_or_default(),
    })
}

/// The parts of a form.
async fn parts(headers: &HeaderMap, bytes: Bytes) -> Result<Multipart, ApiError> {
    let mut request = Request::new(Body::from(bytes));
    if let Some(kind) = headers.get(CONTENT_TYPE) {
        request.headers_mut().insert(CONTENT_TYPE, kind.clone());
    }
    // The size of the body was checked when it arrived.
    DefaultBodyLimit::disable().apply(&mut request);
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    if boundary(kind).is_none() {
        let reason = "multipart/form-data has no boundary; let your HTTP library write this header";
        return Err(ApiError::field("Content-Type", reason));
    }
    Multipart::from_request(request, &()).await.map_err(|_| broken())
}

/// Parses a complete body as a form with only a photo.
///
/// # Errors
/// As [`read`], and if the form has another field.
pub(crate) async fn read_photo(headers: &HeaderMap, bytes: Bytes) -> Result<Bytes, ApiError> {
    let mut form = read(headers, bytes).await?;
    let others = [
        ("image", form.images.len() > 1),
        ("options", form.options != FormOptions::default()),
        ("crop", form.crop != Crop::default()),
        ("category", form.category.is_some()),
        ("limit", form.limit.is_some()),
    ];
    match others.into_iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(ApiError::field(
            name,
            "there is no such field here; the only field is image, once",
        )),
        None => form.images.pop().ok_or(ApiError::MissingField("image")),
    }
}

/// True if the request's content type is that of a form.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    let media_type = kind.split(';').next().unwrap_or(kind).trim();
    media_type.eq_ignore_ascii_case("multipart/form-data")
}

fn unknown_field(name: &str) -> ApiError {
    if name.is_empty() {
        return ApiError::field(
            "form",
            "a part has no name; name it image, crop, category, limit or options",
        );
    }
    let short: String = name.chars().take(40).collect();
    ApiError::field(
        short,
        "there is no such field; the fields are image, crop, category, limit and options",
    )
}

/// Sets a field.
///
/// # Errors
/// If the field is already set.
fn once<T>(slot: &mut Option<T>, name: &str, value: T) -> Result<(), ApiError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(ApiError::field(name, "it occurs twice; send it once")),
    }
}

/// Reads a field's text. `None` if it is empty, as browsers send fields that were not filled in.
async fn text(field: Field<'_>) -> Result<Option<String>, ApiError> {
    long_text(field, MAX_TEXT).await
}

/// As [`text`], of at most `most` bytes.
async fn long_text(field: Field<'_>, most: usize) -> Result<Option<String>, ApiError> {
    let name = field.name().unwrap_or_default().to_owned();
    let bytes = field.bytes().await.map_err(|_| broken())?;
    if bytes.len() > most {
        return Err(ApiError::field(
            name,
            format!("it is longer than {most} bytes; send a shorter text"),
        ));
    }
    let text = str::from_utf8(&bytes)
        .map_err(|_| ApiError::field(name, "it is not UTF-8 text; send it as UTF-8"))?
        .trim();
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// Boundary parameter of a content type.
fn boundary(kind: &str) -> Option<&str> {
    kind.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (name.trim().eq_ignore_ascii_case("boundary") && !value.is_empty()).then_some(value)
    })
}

/// The error of a form that cannot be parsed.
fn broken() -> ApiError {
    let reason = "it is incomplete, or its parts are not separated by the boundary in Content-Type; let your HTTP library write the \
               form and the header";
    ApiError::field("form", reason)
}
