//! Bytes with their type, tag and caching, and the short answer to a client that has them already.

use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::coding::{Coding, choose};

/// How long a client may keep an entity without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caching {
    /// For a year: the address changes with the content.
    Immutable,
    /// Ask every time, with the tag.
    Revalidate,
}

/// What a GET answers with.
#[derive(Debug, Clone)]
pub(super) struct Entity {
    /// The content.
    pub(super) bytes: Bytes,
    /// The media type.
    pub(super) media_type: &'static str,
    /// The quoted tag.
    pub(super) etag: String,
    /// How long it may be kept.
    pub(super) caching: Caching,
    /// Compressed forms of the content, the smallest first; each has a tag of its own.
    pub(super) forms: Vec<(Coding, Bytes)>,
}

impl Entity {
    /// Content that is sent as it is.
    pub(super) fn plain(bytes: Bytes, media_type: &'static str, etag: String, caching: Caching) -> Self {
        Self {
            bytes,
            media_type,
            etag,
            caching,
            forms: Vec::new(),
        }
    }

    /// The answer to a request with these headers: the content, or 304 when the client has it.
    pub(super) fn respond(self, request: &HeaderMap) -> Response {
        let (bytes, etag, coding) = match choose(&self.forms, request) {
            None => (self.bytes, self.etag, None),
            Some((coding, bytes)) => (
                bytes.clone(),
                format!("{}-{}\"", self.etag.trim_end_matches('"'), coding.ending()),
                Some(*coding),
            ),
        };
        let known = knows(request, &etag);
        let mut response = if known {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            Body::from(bytes).into_response()
        };
        let headers = response.headers_mut();
        let mut set = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        set(ETAG, &etag);
        set(
            CACHE_CONTROL,
            match self.caching {
                Caching::Immutable => "public, max-age=31536000, immutable",
                Caching::Revalidate => "no-cache",
            },
        );
        if !self.forms.is_empty() {
            set(VARY, "accept-encoding");
        }
        if !known {
            set(CONTENT_TYPE, self.media_type);
            if let Some(coding) = coding {
                set(CONTENT_ENCODING, coding.name());
            }
        }
        response
    }
}

/// Whether `If-None-Match` names the tag, compared weakly as RFC 9110 asks.
pub(super) fn knows(request: &HeaderMap, etag: &str) -> bool {
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let wanted = bare(etag);
    let values = request
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|tag| tag.trim() == "*" || bare(tag) == wanted)
}

/// The media type of a file by its name's ending.
pub(super) fn media_type(name: &str) -> &'static str {
    let ending = name
        .rsplit_once('.')
        .map_or("", |(_, ending)| ending)
        .to_ascii_lowercase();
    match ending.as_str() {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "bmp" => "image/bmp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
