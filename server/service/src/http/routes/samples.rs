//! `GET /api/v1/samples`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use shared::api::Samples;

use crate::catalog::SamplePhoto;
use crate::http::app::App;
use crate::http::convert;

/// Sample photos to try the search with, at most eight. The operator chooses them.
#[utoipa::path(
    get,
    path = "/api/v1/samples",
    tag = "catalog",
    responses((status = 200, description = "The sample photos; empty unless the operator chose some", body = Samples)),
)]
pub(super) async fn samples(State(app): State<Arc<App>>) -> Json<Samples> {
    let shown = |sample: &SamplePhoto| sample.product_id.as_deref().and_then(|id| app.catalog.product(id));
    let samples = app.catalog.samples().iter();
    Json(Samples {
        samples: samples.map(|sample| convert::sample(sample, shown(sample))).collect(),
    })
}
