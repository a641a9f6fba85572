//! `GET /api/v1/samples`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use shared::api::Samples;

use crate::catalog::SamplePhoto;
use crate::http::App;
use crate::http::convert;

/// Photos to try the page with, which the operator chose; at most eight.
#[utoipa::path(
    get,
    path = "/api/v1/samples",
    tag = "catalogue",
    responses((status = 200, description = "The photos; none unless the operator chose some", body = Samples)),
)]
pub(super) async fn samples(State(app): State<Arc<App>>) -> Json<Samples> {
    let shown = |sample: &SamplePhoto| sample.product_id.as_deref().and_then(|id| app.catalog.product(id));
    let samples = app.catalog.samples().iter();
    Json(Samples {
        samples: samples.map(|sample| convert::sample(sample, shown(sample))).collect(),
    })
}
