//! Access for pages of other origins (CORS).

use std::str::FromStr;
use std::time::Duration;

use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH, RETRY_AFTER};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, Uri};
use axum::middleware::Next;
use axum::response::Response;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::observe::{REQUEST_ID, RESOURCE_POLICY};

/// Time for which browsers may keep the answer of a preflight request.
const MAX_AGE: Duration = Duration::from_secs(24 * 3600);

/// An origin whose pages may use the service, or all origins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedOrigin {
    /// Every origin.
    Any,
    /// The origin with this text, as browsers send it.
    One(HeaderValue),
}

impl FromStr for AllowedOrigin {
    type Err = String;

    /// Parses `*` or an origin such as `https://shop.example`.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let wrong =
            || format!("{text:?} is not an origin; write it as https://shop.example or http://localhost:3000, or *");
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
        let authority = uri.authority().ok_or_else(wrong)?.as_str();
        if !is_web || uri.path() != "/" || uri.query().is_some() || authority.contains('@') || text.ends_with('/') {
            return Err(wrong());
        }
        let origin = text.to_ascii_lowercase();
        HeaderValue::from_str(&origin).map(Self::One).map_err(|_| wrong())
    }
}

/// Layer that answers preflight requests and names the allowed origin. It never does so for the admin API, and cookies are not
/// allowed.
pub(super) fn layer(origins: &[AllowedOrigin]) -> CorsLayer {
    let origins = origins.to_vec();
    let is_allowed = move |origin: &HeaderValue, request: &Parts| {
        is_public(request.uri.path())
            && origins.iter().any(|allowed| match allowed {
                AllowedOrigin::Any => true,
                AllowedOrigin::One(one) => one == origin,
            })
    };
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(is_allowed))
        .allow_methods([Method::GET, Method::HEAD, Method::POST])
        .allow_headers([CONTENT_TYPE, IF_NONE_MATCH])
        .expose_headers([ETAG, RETRY_AFTER, REQUEST_ID])
        .max_age(MAX_AGE)
}

/// Lets pages of other origins show the catalog's images.
pub(super) async fn share_images(request: Request, next: Next) -> Response {
    let is_image = request.uri().path().starts_with("/images/");
    let mut response = next.run(request).await;
    if is_image {
        let policy = HeaderValue::from_static("cross-origin");
        response.headers_mut().insert(RESOURCE_POLICY, policy);
    }
    response
}

/// True for the paths that a page of another origin may use.
fn is_public(path: &str) -> bool {
    path.starts_with("/images/") || (path.starts_with("/api/v1/") && !path.starts_with("/api/v1/admin"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_checked() {
        for (text, expected) in [
            ("*", Some(AllowedOrigin::Any)),
            (
                "https://shop.example",
                Some(AllowedOrigin::One(HeaderValue::from_static("https://shop.example"))),
            ),
            (
                "HTTP://Shop.example:81",
                Some(AllowedOrigin::One(HeaderValue::from_static("http://shop.example:81"))),
            ),
            ("https://shop.example/", None),
            ("https://shop.example/a", None),
            ("https://shop.example?a", None),
            ("https://a@shop.example", None),
            ("shop.example", None),
            ("ftp://shop.example", None),
            ("null", None),
            ("", None),
        ] {
            assert_eq!(text.parse().ok(), expected, "{text}");
        }
    }
}
