//! The list of routes, from which the router and the OpenAPI document are made.

mod admin;
mod document;
mod fallback;
mod health;
mod images;
mod pieces;
mod products;
mod query_encoder;
mod samples;
mod search;
mod segmenter;
mod tagger;

use std::sync::Arc;

use axum::body::Bytes;
use axum::{Extension, Router, middleware};
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) use health::healthy;

use super::app::App;
use super::cors;
use super::observe::observe;

#[derive(OpenApi)]
#[openapi(info(
    title = "Selvedge",
    description = "Recognises styles of garment photos in the browser and finds products in a shop's catalog. \
                   Every error is an application/problem+json document with a stable code and a request id."
))]
struct Document;

fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(search::search))
        .routes(routes!(pieces::pieces))
        .routes(routes!(products::product))
        .routes(routes!(samples::samples))
        .routes(routes!(tagger::manifest))
        .routes(routes!(tagger::weights))
        .routes(routes!(query_encoder::manifest))
        .routes(routes!(query_encoder::weights))
        .routes(routes!(segmenter::manifest))
        .routes(routes!(segmenter::weights))
        .routes(routes!(images::image))
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .routes(routes!(document::document))
        .routes(routes!(
            admin::products::get,
            admin::products::put,
            admin::products::patch,
            admin::products::delete
        ))
        .routes(routes!(admin::images::upload))
        .routes(routes!(admin::images::archive))
        .routes(routes!(admin::imports::import))
        .routes(routes!(admin::tasks::list))
        .routes(routes!(admin::tasks::get, admin::tasks::cancel))
        .routes(routes!(admin::tasks::events))
        .routes(routes!(admin::catalog::stats))
        .routes(routes!(admin::catalog::export))
        .routes(routes!(admin::catalog::verify))
        .routes(routes!(admin::catalog::compact))
        .routes(routes!(admin::catalog::snapshot))
        .routes(routes!(admin::catalog::roll_back))
}

/// Returns the OpenAPI document of all routes.
pub fn openapi() -> utoipa::openapi::OpenApi {
    tidy(routes().into_openapi())
}

/// Returns the router of all routes with the state `app`.
pub(super) fn router(app: Arc<App>) -> Router {
    let (router, document) = routes().split_for_parts();
    let document = serde_json::to_vec(&tidy(document)).unwrap_or_default();
    let mut router = router
        .fallback(fallback::fallback)
        .layer(Extension(document::Text(Bytes::from(document))));
    if !app.allowed_origins.is_empty() {
        router = router
            .layer(cors::layer(&app.allowed_origins))
            .layer(middleware::from_fn(cors::share_images));
    }
    router.layer(middleware::from_fn(observe)).with_state(app)
}

/// Replaces `{*path}` by `{path}`, because OpenAPI has no parameters of several path segments.
fn tidy(mut document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let paths = std::mem::take(&mut document.paths.paths);
    document.paths.paths = paths
        .into_iter()
        .map(|(path, item)| (path.replace("{*", "{"), item))
        .collect();
    document
}
