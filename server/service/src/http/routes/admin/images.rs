//! `POST /api/v1/admin/images` and `/archives`: upload of photos.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use dataset::Photo;
use serde_json::{Value, json};
use shared::api::Problem;

use super::access::admitted;
use super::incoming;
use crate::catalog::{self, ArchiveLimits};
use crate::http::app::App;
use crate::http::blocking::blocking;
use crate::http::body;
use crate::http::error::ApiError;

/// Maximum bytes of a photo.
const MAX_PHOTO: usize = 32 << 20;

/// Uploads a photo, the file itself as the body. The answer's `source` names it in a product's `images`. A photo that no product
/// names stays until the catalog is compacted.
#[utoipa::path(
    post,
    path = "/api/v1/admin/images",
    tag = "admin",
    request_body(content = Vec<u8>, content_type = "image/*"),
    responses(
        (status = 200, description = "`source`, `sha256`, `width` and `height` of the photo", body = Value),
        (status = 401, description = "unauthorized", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "not_an_image, unsupported_image, image_truncated or image_too_large", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn upload(State(app): State<Arc<App>>, request: Request) -> Result<Json<Value>, ApiError> {
    let (parts, body) = admitted(&app, request)?;
    let (bytes, held) = body::read(&app.admission, app.pace, &parts, body, MAX_PHOTO).await?;
    let files = app.catalog.photo_files()?;
    // The decoder's memory is reserved as for a visitor's photo.
    let memory = app.embedder.decode_memory(&bytes).await?;
    let kept = blocking(move || {
        let _held = (held, memory);
        let photo = Photo::decode(&bytes)?;
        files.keep(&bytes, &photo).map_err(ApiError::Internal)
    });
    let (source, file) = kept.await??;
    Ok(Json(json!({
        "source": source,
        "sha256": file.sha256,
        "width": file.width,
        "height": file.height,
    })))
}

/// Uploads a tar archive of photos, also compressed with gzip, as the body. Products name a photo by its path in the archive. A photo
/// of the same path is replaced. Products that show the replaced photo keep it until they change.
#[utoipa::path(
    post,
    path = "/api/v1/admin/archives",
    tag = "admin",
    request_body(content = Vec<u8>, content_type = "application/x-tar"),
    responses(
        (status = 200, description = "Number of `photos`, and the entries `left_out` with their reasons", body = Value),
        (status = 400, description = "invalid_field or empty_body", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "unauthorized", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "payload_too_large", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn archive(State(app): State<Arc<App>>, request: Request) -> Result<Json<Value>, ApiError> {
    let (parts, body) = admitted(&app, request)?;
    let received = incoming::receive(&app, &parts, body).await?;
    let store = Arc::clone(app.catalog.store());
    let limits = ArchiveLimits {
        bytes: app.upload_bytes,
        ..ArchiveLimits::default()
    };
    let kept = blocking(move || {
        let unpacked = catalog::unpack(received.path(), store.dir(), limits);
        let mut unpacked = unpacked.map_err(|error| ApiError::field("body", format!("{:#}", error.root_cause())))?;
        let (photos, left_out) = (unpacked.photos(), std::mem::take(&mut unpacked.left_out));
        unpacked.keep(&store).map_err(ApiError::Internal)?;
        Ok::<_, ApiError>((photos, left_out))
    });
    let (photos, left_out) = kept.await??;
    let left_out = left_out.iter();
    let left_out: Vec<Value> = left_out
        .map(|(path, reason)| json!({ "path": path, "reason": reason }))
        .collect();
    Ok(Json(json!({ "photos": photos, "left_out": left_out })))
}
