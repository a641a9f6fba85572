//! A search by photos.

use futures::future::try_join_all;
use shared::embedding::Embedding;

use super::form::Form;
use super::options::{Asked, Options};
use crate::http::admission::SearchPermit;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::photo_embedder::PhotoQuery;

/// Embeds the photos of a form. Several photos stand for the mean of their embeddings.
pub(super) async fn query(app: &App, form: Form, search_permit: &SearchPermit) -> Result<Asked, ApiError> {
    let options = Options {
        category: form.category,
        limit: form.limit,
        filter: form.options.filter,
        facets: form.options.facets,
        min_score: form.options.min_score,
        explain: form.options.explain,
        group: form.options.group,
        ..Options::default()
    };
    let categorise = options.category.is_none();
    let photos = form.images.into_iter().map(|file| {
        let photo = PhotoQuery {
            file,
            crop: form.crop,
            categorise,
        };
        app.embedder.embed(photo, search_permit)
    });
    let photos = try_join_all(photos).await?;
    let recognised = photos.first().and_then(|photo| photo.category);
    let crop = photos.first().and_then(|photo| photo.crop);
    let is_one = photos.len() == 1;
    let embeddings: Vec<Embedding> = photos.into_iter().map(|photo| photo.embedding).collect();
    let embedding = match <[Embedding; 1]>::try_from(embeddings) {
        Ok([embedding]) => embedding,
        Err(several) => mean(app, &several)?,
    };
    let (mut query, wire) = options.query(app, embedding)?;
    // A category without products would only empty the answer.
    let recognised = recognised.filter(|category| app.catalog.live().has_category(*category));
    query.category = query.category.or(recognised);
    Ok(Asked {
        wire: super::cursor::Options {
            category: query.category.map(|category| category.id().to_owned()),
            ..wire
        },
        query,
        crop: crop.filter(|_| is_one),
        floors: app.floors(),
    })
}

/// Mean of several photos' embeddings at unit length.
fn mean(app: &App, embeddings: &[Embedding]) -> Result<Embedding, ApiError> {
    let weighted = embeddings.iter().map(|embedding| (embedding, 1.0));
    super::request::combined(&app.catalog.space().model_id, weighted)
}
