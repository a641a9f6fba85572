//! Types of the HTTP protocol between page, server and other clients.
//!
//! The server converts its own types, so that their changes do not change the protocol. The feature `openapi` adds schemas.

use crate::input::CropBox;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Number of hits of a search without a limit.
pub const DEFAULT_LIMIT: usize = 10;

/// Largest number of hits of a search.
pub const MAX_LIMIT: usize = 50;

/// Media type of all error bodies.
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
    /// Amount in the currency's minor unit: 12900 is 129.00 yuan.
    pub amount: u64,
    /// ISO 4217 code, such as `CNY`.
    pub currency: String,
    /// Decimals of the currency's minor unit in ISO 4217: 2 for CNY, 0 for JPY, 3 for KWD. A price in major units is
    /// `amount / 10^exponent`.
    #[cfg_attr(feature = "openapi", schema(maximum = 4))]
    pub exponent: u8,
}

/// A product of the shop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Product {
    /// Stable id, such as `P000123`.
    pub id: String,
    /// Category id: `tops`, `shoes`, `bags` or `other`.
    pub category: String,
    /// Category as the shop writes it, such as `Women > Dresses`. Filters and facets compare this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category_text: Option<String>,
    /// Name of the product.
    pub name: LocalText,
    /// Price of the product. It is absent if the shop's data has no prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Ids of the product's styles.
    #[serde(default)]
    pub styles: Vec<String>,
    /// Further properties, such as `pattern: plain`.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// Path of the product's photo on this server, such as `/images/CHECKSUM-640.jpg`. The sizes 320, 640 and 1024 exist. It is
    /// empty for a product without photos.
    pub image: String,
    /// Brand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// Address of the product's page in the shop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Group of variants. Products of one group are variants of one another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Availability: `in_stock`, `out_of_stock`, `preorder` or `backorder`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability: Option<String>,
}

/// A query embedding that the client computed. It has one of `values` and `int8`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EmbeddingInput {
    /// Id of the model that computed the embedding: the model that the catalog was indexed with, or the service's query encoder.
    pub model_id: String,
    /// Values of the embedding, finite and not all zero. The server scales them to unit length.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<f32>,
    /// Values of the embedding as whole numbers from -127 to 127, one byte each in two's complement, in Base64 with padding. Their
    /// scale does not matter. The largest absolute value should be 127. A search then scores as with f32 to about .001.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub int8: Option<String>,
}

/// An example of a search: a product or an embedding, with its weight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Example {
    /// Id of a product of the catalog. It stands for the mean of its photos' embeddings.
    #[serde(default)]
    pub product: Option<String>,
    /// An embedding.
    #[serde(default)]
    pub embedding: Option<EmbeddingInput>,
    /// Weight, -1 to 1 and not 0. The default is 1. A negative weight is an example of what is not wanted.
    #[serde(default)]
    pub weight: Option<f32>,
}

/// A search without a photo, the JSON form of `POST /api/v1/search`. It has one of `embedding`, `product`, `examples` and `cursor`.
///
/// The query of examples is the sum of their unit embeddings, each times its weight, scaled to unit length.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SearchRequest {
    /// Embedding to search with.
    #[serde(default)]
    pub embedding: Option<EmbeddingInput>,
    /// Id of a product of the catalog: finds products like it, without it and without its variants.
    #[serde(default)]
    pub product: Option<String>,
    /// One to 16 examples. The products among them are not found.
    #[serde(default)]
    pub examples: Option<Vec<Example>>,
    /// `next` of an earlier answer: finds the products after those of that answer, with the same options. Only `limit` may
    /// be given beside it.
    #[serde(default)]
    pub cursor: Option<String>,
    /// Category of the hits: `tops`, `shoes`, `bags` or `other`. If it is absent, all products are searched.
    #[serde(default)]
    pub category: Option<String>,
    /// Largest number of hits, 1 to 50. The default is 10.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 50))]
    pub limit: Option<usize>,
    /// Condition that the hits fulfil, such as `{"field": "brand", "is": "Acme"}`. See the documentation of filters.
    #[serde(default)]
    pub filter: Option<serde_json::Value>,
    /// Fields whose values are counted, such as `["brand", "price"]`. The conditions of the filter on a field do not apply to
    /// its own counts.
    #[serde(default)]
    pub facets: Option<serde_json::Value>,
    /// Smallest score of the hits, -1 to 1.
    #[serde(default)]
    pub min_score: Option<f32>,
    /// True to get the contribution of each part of the network to the scores.
    #[serde(default)]
    pub explain: Option<bool>,
    /// True to list only the best product of each group of variants. Facets still count all products.
    #[serde(default)]
    pub group: Option<bool>,
}

/// A product that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Hit {
    /// Id of the product.
    pub product_id: String,
    /// Cosine similarity of the product's best photo to the query, -1 to 1.
    pub score: f32,
    /// The product.
    pub product: Product,
    /// Contributions of the network's parts to the score, if the search asked for them. Their sum is the score.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartScore>,
}

/// Contribution of a part of the network to a score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PartScore {
    /// The part, such as `whole`, `horizontal 1/2` or `ring 2/3`.
    pub part: String,
    /// Contribution.
    pub score: f32,
}

/// Result of a search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SearchResponse {
    /// Id of the model that the catalog was indexed with. Query and products were compared in its space.
    pub model_id: String,
    /// Time from the arrival of the whole body to this result, in milliseconds.
    pub took_ms: f64,
    /// Category that was searched: the requested category, or else the category that the photo shows with confidence. It is
    /// absent if all products were searched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Crop box of the upright photo that was searched with, in pixels. It is absent for the whole photo and for embeddings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop: Option<CropBox>,
    /// Score below which the best hit is not close to the query, as the bundle that embedded the query states. It is null if that
    /// bundle states none or if hits are re-ranked.
    pub floor: Option<f32>,
    /// Relation of the best hit to the query, by the scores that the bundle states: the `same` product, a `similar` one, or
    /// `none` that is close. It is absent if the bundle states no floor or if hits are re-ranked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Confidence>,
    /// Products, best first. No product occurs twice.
    pub hits: Vec<Hit>,
    /// Counts of the requested facets, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facets: Vec<serde_json::Value>,
    /// Cursor of the next hits. It is absent if there are no more. It contains the query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Relation of the best hit to the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Confidence {
    /// The same product, with the precision that the bundle states.
    Same,
    /// A similar product.
    Similar,
    /// No product is close.
    None,
}

/// A piece of the outfit in a photo.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Piece {
    /// Class of the piece: `top`, `outerwear`, `dress`, `bottoms`, `shoes`, `bag`, `headwear` or `other`.
    pub class: String,
    /// Category of products like the piece: `tops`, `shoes`, `bags` or `other`.
    pub category: String,
    /// Box around the piece in pixels of the upright photo. A search takes it as `crop`.
    #[serde(rename = "box")]
    pub bounds: CropBox,
    /// Area of the piece as a share of the photo, 0 to 1.
    pub share: f32,
    /// Mean probability of the class over the area of the piece, 0 to 1.
    pub score: f32,
}

/// Pieces of the outfit in a photo.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PiecesResponse {
    /// Id of the model that segmented the photo.
    pub model_id: String,
    /// Time from the arrival of the whole body to this result, in milliseconds.
    pub took_ms: f64,
    /// Width of the upright photo in pixels.
    pub width: u32,
    /// Height of the upright photo in pixels.
    pub height: u32,
    /// Box around the person with all pieces. It is absent if the photo shows neither skin nor hair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<CropBox>,
    /// Pieces, largest first. Small ones are left out.
    pub pieces: Vec<Piece>,
}

/// A photo that a visitor can try the page with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Sample {
    /// Path of the photo on this server.
    pub image: String,
    /// Id of the product in the photo, if it is known.
    pub product_id: Option<String>,
    /// Alternative text of the photo.
    pub alt: LocalText,
}

/// Photos that a visitor can try the page with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Samples {
    /// At most eight photos that the operator chose.
    pub samples: Vec<Sample>,
}

/// A long operation on the catalog.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Task {
    /// Number of the task.
    pub number: i64,
    /// Kind: `import`, `verify`, `compact` or `snapshot`.
    pub kind: String,
    /// State: `queued`, `running`, `done`, `failed`, `cancelled` or `interrupted`.
    pub state: String,
    /// Number of units that are done, such as rows.
    pub done: u64,
    /// Number of all units, if it is known.
    pub total: Option<u64>,
    /// Options and result.
    pub detail: serde_json::Value,
    /// Error of a failed task.
    pub error: Option<String>,
    /// Time of creation in milliseconds since 1970.
    pub created_at: i64,
    /// Time of the end in milliseconds since 1970.
    pub finished_at: Option<i64>,
}

/// State of the server: alive or ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Health {
    /// `ok`.
    pub status: String,
}

/// Stable code of an error. Clients use it, because the texts may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ProblemCode {
    /// A body or a file in it is needed and is empty.
    EmptyBody,
    /// The file is not an image of a known format.
    NotAnImage,
    /// The file is an image in a format or coding that the server does not read.
    UnsupportedImage,
    /// The image is truncated or damaged.
    ImageTruncated,
    /// The image has too many pixels or takes too much memory to decode.
    ImageTooLarge,
    /// The body has too many bytes.
    PayloadTooLarge,
    /// The endpoint does not read the body's content type.
    UnsupportedMediaType,
    /// A needed field is missing.
    MissingField,
    /// A field or its form cannot be read, or the field's value is out of range.
    InvalidField,
    /// The crop box is empty or not inside the photo.
    InvalidCrop,
    /// The embedding is not finite, or it is zero.
    InvalidEmbedding,
    /// The embedding has another length than the catalog's embeddings.
    WrongDimension,
    /// The embedding lies in another space than the catalog's embeddings.
    WrongModel,
    /// No category has the id.
    UnknownCategory,
    /// The filter or a facet names a field that no product has, or compares it with a value of another type.
    InvalidFilter,
    /// The catalog has changed its model since the cursor was made. Search again.
    StaleCursor,
    /// The catalog has no product with the id.
    UnknownProduct,
    /// The product has another version than `If-Match` names.
    VersionConflict,
    /// Another request had the `Idempotency-Key`.
    KeyReused,
    /// The admin key is missing or wrong.
    Unauthorized,
    /// The task has ended, or another one runs.
    TaskState,
    /// There is nothing at the path.
    NotFound,
    /// The path does not take the method.
    MethodNotAllowed,
    /// The request's body did not arrive in time.
    Timeout,
    /// The server is overloaded. Try again after `Retry-After` seconds.
    Overloaded,
    /// The server is starting.
    Starting,
    /// The server is shutting down, or its model does not answer.
    ShuttingDown,
    /// The vector engine of the catalog does not answer. Try again after `Retry-After` seconds.
    SearchUnavailable,
    /// The body arrived in time, but the result took too long.
    DeadlineExceeded,
    /// The server failed. Its log has the request id.
    Internal,
}

/// An error as in RFC 9457.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// `urn:selvedge:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// Meaning of the code, in one line that does not change.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// Stable code of the error.
    pub code: ProblemCode,
    /// Cause of this error and what to do about it.
    pub detail: String,
    /// Id of the request, as in `x-request-id` and in the server's log.
    pub request_id: String,
}
