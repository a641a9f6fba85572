//! Content with its media type, tag and caching, and the answer 304 for a client that has it.

use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::coding::{Coding, choose};

/// Caching of an entity by clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caching {
    /// Keep for a year, because the URL changes with the content.
    Immutable,
    /// Ask every time, with the tag.
    Revalidate,
}

/// Content of an answer to GET.
#[derive(Debug, Clone)]
pub(super) struct Entity {
    /// The plain content.
    pub(super) bytes: Bytes,
    /// The media type.
    pub(super) media_type: &'static str,
    /// ETag of the plain content, with quotes.
    pub(super) etag: String,
    /// Caching by clients.
    pub(super) caching: Caching,
    /// Compressed forms of the content, the smallest first. Each is sent with its own tag.
    pub(super) forms: Vec<(Coding, Bytes)>,
}

impl Entity {
    /// Content without compressed forms.
    pub(super) fn plain(bytes: Bytes, media_type: &'static str, etag: String, caching: Caching) -> Self {
        Self {
            bytes,
            media_type,
            etag,
            caching,
            forms: Vec::new(),
        }
    }

    /// Answers a request with these headers: the content, or 304 if the client has it.
    pub(super) fn respond(self, request: &HeaderMap) -> Response {
        let (bytes, etag, coding) = match choose(&self.forms, request) {
            None => (self.bytes, self.etag, None),
            Some((coding, bytes)) => (
                bytes.clone(),
                format!("{}-{}\"", self.etag.trim_end_matches('"'), coding.ending()),
                Some(*coding),
            ),
        };
        let is_known = client_has(request, &etag);
        let mut response = if is_known {
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
        if !is_known {
            set(CONTENT_TYPE, self.media_type);
            if let Some(coding) = coding {
                set(CONTENT_ENCODING, coding.name());
            }
        }
        response
    }
}

/// True if `If-None-Match` contains the tag; weak comparison, RFC 9110.
pub(super) fn client_has(request: &HeaderMap, etag: &str) -> bool {
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

/// Media type of a file by the extension of its name.
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
