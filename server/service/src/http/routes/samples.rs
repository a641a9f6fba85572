//! `GET /api/v1/samples`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use shared::api::Samples;

use crate::http::app::App;
use crate::http::convert;
use crate::http::error::ApiError;

/// Sample photos to try the search with, at most eight. The operator chooses them.
#[utoipa::path(
    get,
    path = "/api/v1/samples",
    tag = "catalog",
    responses((status = 200, description = "The sample photos; empty unless the operator chose some", body = Samples)),
)]
pub(super) async fn samples(State(app): State<Arc<App>>) -> Result<Json<Samples>, ApiError> {
    let read = app.with_store(|store| {
        let with_product = |sample: store::Sample| {
            let product = match &sample.product {
                Some(id) => store.product(id)?,
                None => None,
            };
            Ok((sample, product))
        };
        store
            .samples()?
            .into_iter()
            .map(with_product)
            .collect::<Result<Vec<_>, _>>()
    });
    let samples = read.await?;
    Ok(Json(Samples {
        samples: samples
            .iter()
            .map(|(sample, product)| convert::sample(sample, product.as_ref().map(|stored| &stored.product)))
            .collect(),
    }))
}
