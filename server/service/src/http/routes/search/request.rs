//! A search without a photo: by an embedding, a product, examples, or a cursor.

use std::sync::Arc;

use shared::api::{Example, SearchRequest};
use shared::embedding::Embedding;

use super::cursor::Cursor;
use super::embedding::MAX_EXAMPLES;
use super::options::{Asked, Options};
use crate::catalog::Without;
use crate::http::app::App;
use crate::http::blocking::blocking;
use crate::http::error::ApiError;

/// Converts a request to a query.
///
/// # Errors
/// If it has none or several of `embedding`, `product`, `examples` and `cursor`, or a value is not valid.
pub(super) async fn query(app: &App, request: SearchRequest) -> Result<Asked, ApiError> {
    let given = [
        request.embedding.is_some(),
        request.product.is_some(),
        request.examples.is_some(),
        request.cursor.is_some(),
    ];
    match given.iter().filter(|given| **given).count() {
        0 => return Err(ApiError::MissingField("embedding")),
        1 => {}
        _ => {
            let reason = "send only one of embedding, product, examples and cursor";
            return Err(ApiError::field("body", reason));
        }
    }
    if let Some(cursor) = &request.cursor {
        return next_page(app, cursor, &request);
    }
    let mut options = Options {
        category: request.category,
        limit: request.limit,
        filter: request.filter,
        facets: request.facets,
        min_score: request.min_score,
        explain: request.explain.unwrap_or_default(),
        group: request.group.unwrap_or_default(),
        ..Options::default()
    };
    let mut floors = app.floors();
    let embedding = if let Some(embedding) = request.embedding {
        let (embedding, of_embedder) = app.embedding(embedding)?;
        floors = of_embedder;
        embedding
    } else if let Some(id) = request.product {
        let product = {
            let id = id.clone();
            app.with_store(move |store| store.product(&id)).await?
        };
        let group = product.and_then(|stored| stored.product.group);
        let embedding = of_product(app, &id).await?;
        options.without = Without { ids: vec![id], group };
        embedding
    } else {
        let (embedding, ids) = of_examples(app, request.examples.unwrap_or_default()).await?;
        options.without.ids = ids;
        embedding
    };
    let (query, wire) = options.query(app, embedding)?;
    Ok(Asked {
        query,
        crop: None,
        floors,
        wire,
    })
}

/// The query after the page of a cursor.
fn next_page(app: &App, cursor: &str, request: &SearchRequest) -> Result<Asked, ApiError> {
    let others = [
        ("category", request.category.is_some()),
        ("filter", request.filter.is_some()),
        ("facets", request.facets.is_some()),
        ("min_score", request.min_score.is_some()),
        ("explain", request.explain.is_some()),
        ("group", request.group.is_some()),
    ];
    if let Some((name, _)) = others.into_iter().find(|(_, given)| *given) {
        return Err(ApiError::field(
            name,
            "the cursor has it already; send only cursor and limit",
        ));
    }
    let cursor = Cursor::decode(cursor, &app.cursor_key)?;
    let live = app.catalog.live_in(&cursor.model_id);
    let live = live.filter(|live| live.generation() == cursor.generation);
    let live = live.ok_or(ApiError::StaleCursor)?;
    let embedding = cursor.embedding(live.dim())?;
    let options = Options {
        category: cursor.options.category,
        limit: request.limit,
        filter: cursor.options.filter,
        facets: None,
        min_score: cursor.options.min_score,
        explain: cursor.options.explain,
        group: cursor.options.group,
        without: cursor.options.without,
        after: Some(cursor.after),
    };
    let (query, wire) = options.query(app, embedding)?;
    Ok(Asked {
        query,
        crop: None,
        floors: Default::default(),
        wire,
    })
}

/// Embedding of a product.
async fn of_product(app: &App, id: &str) -> Result<Embedding, ApiError> {
    let catalog = Arc::clone(&app.catalog);
    let wanted = id.to_owned();
    let found = blocking(move || catalog.embedding_of(&wanted)).await??;
    found.ok_or_else(|| ApiError::UnknownProduct(id.chars().take(80).collect()))
}

/// Embedding of examples, and the products among them.
async fn of_examples(app: &App, examples: Vec<Example>) -> Result<(Embedding, Vec<String>), ApiError> {
    if examples.is_empty() {
        return Err(ApiError::field(
            "examples",
            format!("there are none; send 1 to {MAX_EXAMPLES}"),
        ));
    }
    let (mut parts, mut ids) = (Vec::new(), Vec::new());
    for (at, example) in examples.into_iter().enumerate() {
        let weight = example.weight.unwrap_or(1.0);
        if !(-1.0..=1.0).contains(&weight) || weight == 0.0 {
            let reason = format!("{weight} is not between -1 and 1, or it is 0");
            return Err(ApiError::field(format!("examples[{at}].weight"), reason));
        }
        let embedding = match (example.product, example.embedding) {
            (Some(id), None) => {
                let embedding = of_product(app, &id).await?;
                ids.push(id);
                embedding
            }
            (None, Some(embedding)) => app.spaces.query(embedding)?,
            _ => {
                let reason = "send either product or embedding";
                return Err(ApiError::field(format!("examples[{at}]"), reason));
            }
        };
        parts.push((embedding, weight));
    }
    let weighted = parts.iter().map(|(embedding, weight)| (embedding, *weight));
    Ok((combined(&app.catalog.space().model_id, weighted)?, ids))
}

/// Sum of unit embeddings, each times its weight, at unit length.
///
/// # Errors
/// If the sum is zero.
pub(super) fn combined<'a>(
    space: &str,
    parts: impl Iterator<Item = (&'a Embedding, f32)>,
) -> Result<Embedding, ApiError> {
    let mut sum: Vec<f32> = Vec::new();
    for (embedding, weight) in parts {
        sum.resize(embedding.dim(), 0.0);
        let values = embedding.values().iter();
        sum.iter_mut()
            .zip(values)
            .for_each(|(sum, value)| *sum += weight * value);
    }
    Ok(Embedding::new(space, sum)?)
}
