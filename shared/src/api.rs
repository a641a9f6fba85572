//! The wire types: everything that crosses HTTP between page, server and other clients, and nothing else.
//!
//! The types are plain data with public fields. Domain types ([`crate::embedding`], the server's catalogue) are converted
//! to and from them at the edge, so that a change inside never changes the protocol by accident. The `openapi` feature
//! adds the schemas; without it the module costs the browser only serde.

use std::collections::BTreeMap;

use crate::input::CropBox;
use serde::{Deserialize, Serialize};

/// Hits returned when a search names no limit.
pub const DEFAULT_LIMIT: usize = 10;

/// The most hits one search may ask for.
pub const MAX_LIMIT: usize = 50;

/// The media type of every error body.
pub const PROBLEM_MEDIA_TYPE: &str = "application/problem+json";

/// A text in both languages of the product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LocalText {
    /// English.
    pub en: String,
    /// Simplified Chinese.
    pub zh: String,
}

/// An amount of money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Price {
    /// The amount in the currency's minor unit: 12900 is 129.00 yuan.
    pub amount: u64,
    /// ISO 4217 code, such as `CNY`.
    pub currency: String,
    /// Decimals of the currency's minor unit as ISO 4217 has them: 2 for CNY, 0 for JPY, 3 for KWD. A price in major units is
    /// `amount / 10^exponent`.
    #[cfg_attr(feature = "openapi", schema(maximum = 4))]
    pub exponent: u8,
}

/// One product of the shop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Product {
    /// Stable id, such as `P000123`.
    pub id: String,
    /// Category id: `tops`, `shoes`, `bags` or `other`.
    pub category: String,
    /// What the shop calls it.
    pub name: LocalText,
    /// What it costs; absent where the shop's data has no prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Ids of its styles, see the taxonomy.
    #[serde(default)]
    pub styles: Vec<String>,
    /// Further properties, such as `pattern: plain`.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// Path of its shop photo on this server, such as `/images/shop/P000123.jpg`.
    pub image: String,
}

/// A query embedding that the client computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EmbeddingInput {
    /// The model that made it: the one the catalogue was indexed with, or the query encoder that the service offers.
    pub model_id: String,
    /// Its numbers, finite and not all zero; any length is scaled to one.
    pub values: Vec<f32>,
}

/// A search by embedding, the JSON form of `POST /api/v1/search`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SearchRequest {
    /// What to search for.
    pub embedding: EmbeddingInput,
    /// Only products of this category; all when absent.
    #[serde(default)]
    pub category: Option<String>,
    /// The most hits wanted, 1 to 50; 10 when absent.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 50))]
    pub limit: Option<usize>,
}

/// One product found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Hit {
    /// The product's id.
    pub product_id: String,
    /// Cosine similarity of its best photo to the query, -1 to 1.
    pub score: f32,
    /// The product itself.
    pub product: Product,
}

/// The answer to a search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SearchResponse {
    /// The model that the catalogue was indexed with, in whose space query and products were compared.
    pub model_id: String,
    /// Time from the arrival of the whole body to this answer, in milliseconds.
    pub took_ms: f64,
    /// The category that the search was narrowed to: the one asked for, or else the one that the photo surely shows; absent
    /// for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The part of the upright photo that was searched for, in pixels; absent for all of it, and for embeddings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop: Option<CropBox>,
    /// The score below which the best hit is not close to the query, by the bundle that embedded the query; null where that
    /// bundle states none, and where hits are ranked a second time.
    pub floor: Option<f32>,
    /// Products, best first, each once.
    pub hits: Vec<Hit>,
}

/// A photo a visitor can try the page with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Sample {
    /// Path of the photo on this server.
    pub image: String,
    /// The product it shows, when known.
    pub product_id: Option<String>,
    /// What it shows, for those who cannot see it.
    pub alt: LocalText,
}

/// The photos a visitor can try the page with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Samples {
    /// At most eight, which the operator chose; none unless some were chosen.
    pub samples: Vec<Sample>,
}

/// Whether the server is alive or ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Health {
    /// `ok`.
    pub status: String,
}

/// The stable name of an error; clients decide by it, never by the texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ProblemCode {
    /// A body was needed, or a file in it, and it came empty.
    EmptyBody,
    /// The file is no picture, or of no known kind.
    NotAnImage,
    /// The file is a picture in a format or coding that is not read.
    UnsupportedImage,
    /// The picture breaks off or is damaged.
    ImageTruncated,
    /// The picture has too many pixels, or takes too much memory to decode.
    ImageTooLarge,
    /// The body has too many bytes.
    PayloadTooLarge,
    /// The body's content type is not one the endpoint reads.
    UnsupportedMediaType,
    /// A field that is needed did not come.
    MissingField,
    /// A field or the form around it cannot be read, or its value is out of range.
    InvalidField,
    /// The crop box is empty or leaves the picture.
    InvalidCrop,
    /// The embedding is not finite, or zero.
    InvalidEmbedding,
    /// The embedding has another length than the catalogue's.
    WrongDimension,
    /// The embedding lies in another space than the catalogue's.
    WrongModel,
    /// No category has that id.
    UnknownCategory,
    /// There is nothing at that path.
    NotFound,
    /// There is something at that path, but it does not take this method.
    MethodNotAllowed,
    /// The request's body did not arrive in time.
    Timeout,
    /// Too much to do right now; try again after `Retry-After` seconds.
    Overloaded,
    /// The server is starting or ending; another will answer.
    ShuttingDown,
    /// The answer was not there in time, although the body was.
    DeadlineExceeded,
    /// The server's own fault; its log has the request id.
    Internal,
}

/// An error, as RFC 9457 describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// `urn:selvedge:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the code means, in one line that never changes.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The stable name of the error.
    pub code: ProblemCode,
    /// What happened this time and what to do about it.
    pub detail: String,
    /// The id of the request, the same as in `x-request-id` and in the server's log.
    pub request_id: String,
}
