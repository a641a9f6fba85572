//! `GET /api/v1/samples`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use shared::api::Samples;

use crate::http::App;
use crate::http::convert;

/// User photos to try the page with, at most eight.
#[utoipa::path(
    get,
    path = "/api/v1/samples",
    tag = "catalogue",
    responses((status = 200, description = "The photos; none when the dataset has no user photos", body = Samples)),
)]
pub(super) async fn samples(State(app): State<Arc<App>>) -> Json<Samples> {
    let samples = app.catalog.samples().iter();
    Json(Samples {
        samples: samples.map(|sample| convert::sample(sample, app.catalog.product(&sample.product_id))).collect(),
    })
}
