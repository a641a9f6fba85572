//! Errors of handlers.

use std::time::Duration;

use axum::http::header::ACCEPT_ENCODING;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use shared::api::ProblemCode;
use shared::embedding::EmbeddingError;
use shared::input::InputError;
use thiserror::Error;

use super::problem::Failure;
use crate::catalog::{CatalogError, QueryError, SearchError};
use crate::embed::EmbedError;
use dataset::PhotoError;
use filter::FilterError;
use store::StoreError;

/// Error of a request. The text is sent to the client: it has a hint and contains nothing secret.
#[derive(Debug, Error)]
pub(super) enum ApiError {
    #[error("the request has no body; send a photo as a multipart form, or an embedding as JSON")]
    EmptyBody,
    #[error(transparent)]
    Photo(#[from] PhotoError),
    #[error("the body is larger than {limit} bytes; send a smaller file")]
    PayloadTooLarge { limit: usize },
    #[error(
        "this endpoint does not read this content type; send a photo as multipart/form-data, or an embedding to search for as \
         application/json"
    )]
    UnsupportedMediaType,
    #[error(
        "the body has the content encoding {0}, which the server does not decode; send it without Content-Encoding"
    )]
    UnsupportedEncoding(String),
    #[error("the field `{0}` is missing; add it to the request")]
    MissingField(&'static str),
    #[error("`{field}`: {reason}")]
    InvalidField { field: String, reason: String },
    #[error(transparent)]
    InvalidCrop(#[from] InputError),
    #[error(transparent)]
    InvalidEmbedding(#[from] EmbeddingError),
    #[error("the embedding is not a list of finite numbers: {0}")]
    UnreadableEmbedding(String),
    #[error("the embedding has {actual} values, but embeddings of its model have {expected}; send all of them")]
    WrongDimension { expected: usize, actual: usize },
    #[error(
        "an embedding of `{actual}` does not lie in the catalog's space; send one of `{expected}`, which indexed the \
         catalog,{} or the photo itself",
        encoder.as_ref().map_or_else(String::new, |id| format!(" or of `{id}`, its query encoder (GET /api/v1/query-encoder),"))
    )]
    WrongModel {
        actual: String,
        expected: String,
        encoder: Option<String>,
    },
    #[error("`{0}` is not a category; send tops, shoes, bags or other")]
    UnknownCategory(String),
    #[error(transparent)]
    Filter(#[from] FilterError),
    #[error("the catalog has changed its model since this cursor was made; search again without a cursor")]
    StaleCursor,
    #[error("the catalog has no product `{0}` with photos; check the id")]
    UnknownProduct(String),
    #[error("{0}")]
    VersionConflict(String),
    #[error("another request had this Idempotency-Key; send every request with a key of its own")]
    KeyReused,
    #[error("{0}")]
    Unauthorized(&'static str),
    #[error("{0}")]
    TaskState(String),
    #[error("there is no such {0} on this server; check the path")]
    NotFound(&'static str),
    #[error("this path does not accept this method; the header Allow lists the methods that it accepts")]
    MethodNotAllowed,
    #[error("the body did not arrive in time; send it again over a faster connection")]
    Timeout,
    #[error("the server is busy; try again in {retry_after_s} s")]
    Overloaded { retry_after_s: u64 },
    #[error("{0}; try again in a moment")]
    Starting(String),
    #[error("{0}; try again in a moment")]
    Unready(String),
    #[error("the search is not available now; try again in {retry_after_s} s")]
    SearchAway { retry_after_s: u64 },
    #[error("the answer was not ready within {} s; try again, with a smaller photo if it is large", .0.as_secs_f64())]
    DeadlineExceeded(Duration),
    #[error("the server failed; its log has the cause under the request id")]
    Internal(#[source] anyhow::Error),
}

impl ApiError {
    /// The error of a field that cannot be used.
    pub(super) fn field(field: impl Into<String>, reason: impl ToString) -> Self {
        Self::InvalidField {
            field: field.into(),
            reason: reason.to_string(),
        }
    }

    /// The stable code.
    pub(super) fn code(&self) -> ProblemCode {
        match self {
            Self::EmptyBody | Self::Photo(PhotoError::Empty) => ProblemCode::EmptyBody,
            Self::Photo(PhotoError::NotAnImage { .. }) => ProblemCode::NotAnImage,
            Self::Photo(PhotoError::Unsupported { .. }) => ProblemCode::UnsupportedImage,
            Self::Photo(PhotoError::Damaged(_)) => ProblemCode::ImageTruncated,
            Self::Photo(
                PhotoError::TooLarge { .. } | PhotoError::TooSparse { .. } | PhotoError::TooMuchMemory { .. },
            ) => ProblemCode::ImageTooLarge,
            Self::PayloadTooLarge { .. } => ProblemCode::PayloadTooLarge,
            Self::UnsupportedMediaType | Self::UnsupportedEncoding(_) => ProblemCode::UnsupportedMediaType,
            Self::MissingField(_) => ProblemCode::MissingField,
            Self::InvalidField { .. } => ProblemCode::InvalidField,
            Self::InvalidCrop(_) => ProblemCode::InvalidCrop,
            Self::InvalidEmbedding(_) | Self::UnreadableEmbedding(_) => ProblemCode::InvalidEmbedding,
            Self::WrongDimension { .. } => ProblemCode::WrongDimension,
            Self::WrongModel { .. } => ProblemCode::WrongModel,
            Self::UnknownCategory(_) => ProblemCode::UnknownCategory,
            Self::Filter(FilterError::UnknownField { .. } | FilterError::WrongType { .. }) => {
                ProblemCode::InvalidFilter
            }
            Self::Filter(_) => ProblemCode::InvalidField,
            Self::StaleCursor => ProblemCode::StaleCursor,
            Self::UnknownProduct(_) => ProblemCode::UnknownProduct,
            Self::VersionConflict(_) => ProblemCode::VersionConflict,
            Self::KeyReused => ProblemCode::KeyReused,
            Self::Unauthorized(_) => ProblemCode::Unauthorized,
            Self::TaskState(_) => ProblemCode::TaskState,
            Self::NotFound(_) => ProblemCode::NotFound,
            Self::MethodNotAllowed => ProblemCode::MethodNotAllowed,
            Self::Timeout => ProblemCode::Timeout,
            Self::Overloaded { .. } => ProblemCode::Overloaded,
            Self::Starting(_) => ProblemCode::Starting,
            Self::Unready(_) => ProblemCode::ShuttingDown,
            Self::SearchAway { .. } => ProblemCode::SearchUnavailable,
            Self::DeadlineExceeded(_) => ProblemCode::DeadlineExceeded,
            Self::Internal(_) => ProblemCode::Internal,
        }
    }
}

/// HTTP status of a code.
pub(super) fn status(code: ProblemCode) -> StatusCode {
    match code {
        ProblemCode::EmptyBody
        | ProblemCode::MissingField
        | ProblemCode::InvalidField
        | ProblemCode::InvalidCrop
        | ProblemCode::InvalidEmbedding
        | ProblemCode::WrongDimension
        | ProblemCode::UnknownCategory
        | ProblemCode::InvalidFilter => StatusCode::BAD_REQUEST,
        ProblemCode::StaleCursor => StatusCode::GONE,
        ProblemCode::VersionConflict => StatusCode::PRECONDITION_FAILED,
        ProblemCode::Unauthorized => StatusCode::UNAUTHORIZED,
        ProblemCode::TaskState => StatusCode::CONFLICT,
        ProblemCode::UnknownProduct => StatusCode::NOT_FOUND,
        ProblemCode::NotAnImage
        | ProblemCode::UnsupportedImage
        | ProblemCode::ImageTruncated
        | ProblemCode::ImageTooLarge
        | ProblemCode::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
        ProblemCode::WrongModel => StatusCode::CONFLICT,
        ProblemCode::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ProblemCode::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ProblemCode::NotFound => StatusCode::NOT_FOUND,
        ProblemCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ProblemCode::Timeout => StatusCode::REQUEST_TIMEOUT,
        ProblemCode::Overloaded => StatusCode::TOO_MANY_REQUESTS,
        ProblemCode::Starting | ProblemCode::ShuttingDown | ProblemCode::SearchUnavailable => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        ProblemCode::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        ProblemCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<EmbedError> for ApiError {
    fn from(error: EmbedError) -> Self {
        match error {
            EmbedError::Overloaded { retry_after_s, .. } => Self::Overloaded { retry_after_s },
            EmbedError::Closed => Self::Unready(error.to_string()),
            EmbedError::Model(_) | EmbedError::Threads(_) | EmbedError::Bundle(_) => Self::Internal(error.into()),
        }
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Filter(error) => error.into(),
            QueryError::Catalog(error) => error.into(),
        }
    }
}

impl From<CatalogError> for ApiError {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Engine(error) => match error.retry_after() {
                Some(time) => Self::SearchAway {
                    retry_after_s: time.as_secs_f64().ceil().max(1.0) as u64,
                },
                None => Self::Internal(error.into()),
            },
            error => Self::Internal(error.into()),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Invalid { key, message } => Self::field(key, message),
            StoreError::UnknownProduct { id } => Self::UnknownProduct(id),
            error @ StoreError::Conflict { .. } => Self::VersionConflict(error.to_string()),
            error => Self::Internal(error.into()),
        }
    }
}

impl From<SearchError> for ApiError {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Overloaded { retry_after_s, .. } => Self::Overloaded { retry_after_s },
            SearchError::Closed => Self::Unready(error.to_string()),
            SearchError::Failed(_) => Self::Internal(error.into()),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let code = self.code();
        let retry_after_s = match &self {
            Self::Overloaded { retry_after_s } | Self::SearchAway { retry_after_s } => Some(*retry_after_s),
            Self::Starting(_) | Self::Unready(_) => Some(1),
            _ => None,
        };
        let cause = match &self {
            Self::Internal(cause) => Some(format!("{cause:#}")),
            _ => None,
        };
        let mut response = status(code).into_response();
        if matches!(self, Self::UnsupportedEncoding(_)) {
            response
                .headers_mut()
                .insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        response.extensions_mut().insert(Failure {
            code,
            detail: self.to_string(),
            retry_after_s,
            cause,
        });
        response
    }
}
