//! Middleware of every request: id, log line, security headers, problem documents, and panics as errors.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::extract::Request;
use axum::http::header::{
    CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use tracing::Instrument;

use super::error::ApiError;
use super::problem;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
pub(super) const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Script directive of the content security policy. [`super::site`] adds the hashes of inline scripts.
pub(super) const SCRIPT_POLICY: &str = "script-src 'self' 'wasm-unsafe-eval'";
/// Other directives of the content security policy. The policy `default` for trusted types allows the URL of the worker.
pub(super) const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; connect-src 'self'; worker-src 'self'; \
     manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types default";
/// Features of browsers that the page may use: only the camera.
const PERMISSIONS: &str = "camera=(self), microphone=(), geolocation=(), payment=(), usb=(), serial=(), hid=(), \
     midi=(), display-capture=(), accelerometer=(), gyroscope=(), magnetometer=()";

/// Maximum number of characters of a path in the log.
const LOGGED_PATH: usize = 200;

/// Status in the log for a request whose client left before the answer.
const ABANDONED: u16 = 499;

/// Runs the handlers of a request and completes the answer.
pub(super) async fn observe(request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = request_id(request.headers());
    let method = request.method().clone();
    let path: String = request.uri().path().chars().take(LOGGED_PATH).collect();
    let span = tracing::info_span!("request", id = %id);
    let mut arrived = Arrived {
        begun,
        method,
        path,
        span: span.clone(),
        answered: false,
    };

    let handled = AssertUnwindSafe(next.run(request).instrument(span.clone()))
        .catch_unwind()
        .await;
    let mut response = handled.unwrap_or_else(|panic| {
        let error = anyhow::anyhow!("the handler panicked: {}", panic_text(panic.as_ref()));
        ApiError::Internal(error).into_response()
    });
    let failure = problem::failure(&mut response);
    if let Some(failure) = &failure {
        response = problem::render(response, failure, &id);
    }
    secure(response.headers_mut());
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }

    arrived.answered(response.status().as_u16(), failure);
    response
}

/// A request with its log line, which is also written if the client leaves before the answer.
struct Arrived {
    begun: Instant,
    method: Method,
    path: String,
    span: tracing::Span,
    answered: bool,
}

impl Arrived {
    fn answered(&mut self, status: u16, failure: Option<problem::Failure>) {
        self.answered = true;
        let _entered = self.span.enter();
        let (Self { method, path, .. }, ms) = (&*self, self.ms());
        match failure {
            Some(problem::Failure { cause: Some(cause), .. }) => {
                tracing::error!(%method, path, status, ms, cause, "failed");
            }
            Some(failure) => {
                tracing::info!(%method, path, status, ms, code = problem::code_name(failure.code), "refused");
            }
            None if path == "/livez" || path == "/readyz" => tracing::debug!(%method, path, status, ms, "answered"),
            None => tracing::info!(%method, path, status, ms, "answered"),
        }
    }

    fn ms(&self) -> f64 {
        self.begun.elapsed().as_secs_f64() * 1e3
    }
}

impl Drop for Arrived {
    fn drop(&mut self) {
        if !self.answered {
            let _entered = self.span.enter();
            let (Self { method, path, .. }, ms) = (&*self, self.ms());
            tracing::info!(%method, path, status = ABANDONED, ms, "abandoned");
        }
    }
}

fn secure(headers: &mut HeaderMap) {
    if !headers.contains_key(CONTENT_SECURITY_POLICY)
        && let Ok(policy) = HeaderValue::from_str(&format!("{POLICY}; {SCRIPT_POLICY}"))
    {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(PERMISSIONS_POLICY, HeaderValue::from_static(PERMISSIONS));
    headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    headers
        .entry(RESOURCE_POLICY)
        .or_insert(HeaderValue::from_static("same-origin"));
}

/// The request's own id from a proxy, if it is harmless in a log; otherwise a new id.
fn request_id(headers: &HeaderMap) -> String {
    let harmless = |id: &&str| {
        (1..=64).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    match headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(harmless) {
        Some(id) => id.to_owned(),
        None => new_id(),
    }
}

/// A new id: the start of the process, which differs between processes, and a counter.
fn new_id() -> String {
    static START: OnceLock<u32> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let start = START.get_or_init(|| {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        clock.subsec_nanos() ^ (clock.as_secs() as u32).rotate_left(8) ^ std::process::id().rotate_left(20)
    });
    format!("{start:08x}-{:08x}", COUNT.fetch_add(1, Ordering::Relaxed))
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "no message",
    }
}
